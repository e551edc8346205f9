#pragma once

#include <memory>

#include <rcnn/export.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/models/trunk.h>
#include <rcnn/nn/rpn/rpn.h>

namespace rcnn::nn {

/// The model's name in models().
inline constexpr const char* kRpnModel = "rpn";

/// A region proposal network alone: the first stage of Faster R-CNN, which is trained on its own in the steps
/// 1 and 3 of alternating training (Ren et al. 2015, section 3.2). What it finds are proposals: detect()
/// gives those of proposals() that score above `score_threshold`, and each box has the label 1.
///
/// Parameters: backbone.body.*, backbone.<neck>.*, rpn.head.*; FasterRcnn has the same, and weights of one
/// serve the other. None depends on the classes.
class RCNN_EXPORT RpnModelImpl : public DetectionModelImpl {
 public:
  /// The RPN is made for the extractor's levels(). The input's height and width are padded to multiples of
  /// `size_divisor`.
  RpnModelImpl(std::shared_ptr<FeatureExtractorImpl> extractor, Rpn rpn, const PixelOptions& pixels = {},
               int64_t size_divisor = 32, double score_threshold = 0);

  std::vector<Loss> losses(const ImageBatch& images, const std::vector<Target>& targets) override;
  std::vector<Detections> detect(const ImageBatch& images) override;
  std::vector<Detections> proposals(const ImageBatch& images) override;
  bool finds_proposals() const override { return true; }
  const PixelOptions& pixels() const override { return trunk_.pixels; }

  /// By the RPN's NMS, its number of proposals and `score_threshold`.
  const SuppressionOptions& suppression() const override { return suppression_; }

 private:
  Trunk trunk_;
  Rpn rpn_;
  SuppressionOptions suppression_;
  at::Tensor parameter_;  // see Trunk::maps
};

/// The factory for models(). Keys of `model`: those of make_trunk(), rpn {...}, and score_threshold
/// = 0, above which detect() reports. The number of classes counts for nothing.
RCNN_EXPORT std::shared_ptr<DetectionModelImpl> make_rpn_model(const config::Node& model,
                                                               int64_t num_classes);

}  // namespace rcnn::nn
