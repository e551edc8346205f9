#pragma once

#include <vector>

#include <rcnn/boxes/coder.h>
#include <rcnn/export.h>
#include <rcnn/nn/rpn/head.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// How many proposals there are, and which are left out.
struct ProposalOptions {
  int64_t pre_nms = 2000;   ///< best anchors kept before NMS, on each level
  int64_t post_nms = 2000;  ///< proposals an image after NMS, over all levels
  double nms_threshold = 0.7;
  double min_size = 1e-3;  ///< sides in network pixels below which a box is dropped
};

/// Boxes that may hold an object, one entry an image, best first; constants for the backward pass.
struct Proposals {
  std::vector<at::Tensor> boxes;   ///< float32 [P, 4]
  std::vector<at::Tensor> scores;  ///< float32 [P], probabilities: the sigmoid of the objectness
};

/// Turns the RPN's output into proposals (Faster R-CNN, section 3.3): the best anchors by objectness, decoded
/// and clipped to the image, of them small ones dropped (in py-faster-rcnn: before the best), NMS within each
/// level, the best of all. Levels compare by probability (torchvision): where it is 1, the finer goes first.
///
/// anchors   float32 [A_level, 4], a level each
/// sizes     of the images inside the padding
/// returns   P <= post_nms proposals an image, possibly 0
RCNN_EXPORT Proposals propose(const RpnPrediction& prediction, const std::vector<at::Tensor>& anchors,
                              const std::vector<ImageSize>& sizes, const boxes::BoxCoder& coder,
                              const ProposalOptions& options);

}  // namespace rcnn::nn
