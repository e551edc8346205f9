#pragma once

#include <vector>

#include <rcnn/boxes/coder.h>
#include <rcnn/export.h>
#include <rcnn/nn/convention.h>
#include <rcnn/nn/rpn/head.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// How many proposals there are, and which are left out.
struct ProposalOptions {
  int64_t pre_nms = 2000;   ///< best anchors kept before NMS, on each level
  int64_t post_nms = 2000;  ///< proposals an image after NMS, over all levels
  double nms_threshold = 0.7;
  /// Sides below which a box is dropped, in network pixels, or in those of the images where there are frames.
  double min_size = 1e-3;
};

/// What the second stage's losses tell the RPN of the boxes that it proposed, when both learn jointly.
enum class ProposalGradient {
  none,   ///< nothing: approximate joint training (Faster R-CNN, section 3.2)
  exact,  ///< the derivative of the boxes as they are: through decoding, and of each side that is not clipped
  inside  ///< the same of boxes that lie inside the image with their anchor, nothing of others (Dai et al.
          ///< 2016, Instance-aware Semantic Segmentation via Multi-task Network Cascades)
};

/// Boxes that may hold an object, one entry an image, best first; constants for the backward pass.
struct Proposals {
  std::vector<at::Tensor> boxes;   ///< float32 [P, 4]
  std::vector<at::Tensor> scores;  ///< float32 [P], probabilities: the sigmoid of the objectness
  /// int64 [P]: the anchor that each was made of, counted through the image's levels; no entries where nobody
  /// asked for them.
  std::vector<at::Tensor> anchors = {};
};

/// The same as detections of the label 1.
RCNN_EXPORT std::vector<Detections> to_detections(const Proposals& proposals);

/// Turns the RPN's output into proposals (Faster R-CNN, section 3.3): the best anchors by objectness, decoded
/// and clipped to the image, of them small ones dropped, NMS within each level, the best of all. Levels
/// compare by probability (torchvision): where it is 1, the finer goes first. With a coder of
/// Convention::pixels all anchors are decoded and clipped, and the best are taken of what is not small, as in
/// py-faster-rcnn.
///
/// anchors   float32 [A_level, 4], a level each
/// sizes     of the images inside the padding
/// frames    one for each image or none: min_size then counts the image's own pixels
/// returns   P <= post_nms proposals an image, possibly 0; their anchors only `with_anchors`
RCNN_EXPORT Proposals propose(const RpnPrediction& prediction, const std::vector<at::Tensor>& anchors,
                              const std::vector<ImageSize>& sizes, const boxes::BoxCoder& coder,
                              const ProposalOptions& options, const std::vector<Frame>& frames = {},
                              bool with_anchors = false);

}  // namespace rcnn::nn
