#pragma once

#include <memory>

#include <rcnn/export.h>
#include <rcnn/nn/feature_extractor.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/roi/roi_heads.h>
#include <rcnn/nn/rpn/rpn.h>

namespace rcnn::nn {

/// Faster R-CNN (Ren et al. 2015) with approximate joint training (section 3.2): the losses of both stages
/// are summed, and proposals count as constants in the backward pass.
///
/// Parameters: backbone.body.*, backbone.<neck>.*, rpn.head.*, roi_heads.box_head.*,
/// roi_heads.box_predictor.*
class RCNN_EXPORT FasterRcnnImpl : public DetectionModelImpl {
 public:
  /// The RPN is made for the extractor's levels(), the RoI heads for those of them that RoIs are pooled from.
  /// The input's height and width are padded to multiples of `size_divisor`.
  FasterRcnnImpl(std::shared_ptr<FeatureExtractorImpl> extractor, Rpn rpn, RoiHeads roi_heads,
                 const PixelOptions& pixels = {}, int64_t size_divisor = 32);

  std::vector<Loss> losses(const ImageBatch& images, const std::vector<Target>& targets) override;
  std::vector<Detections> detect(const ImageBatch& images) override;
  std::vector<Detections> proposals(const ImageBatch& images) override;
  const PixelOptions& pixels() const override { return pixels_; }
  const SuppressionOptions& suppression() const override { return roi_heads_->options().suppression; }
  bool depends_on_classes(std::string_view name) const override;
  int64_t classes_in(const TensorMap& weights) const override;

  /// The maps that the RPN sees.
  std::vector<at::Tensor> feature_maps(const ImageBatch& images);

 private:
  std::vector<FeatureSpec> levels_;
  std::shared_ptr<FeatureExtractorImpl> extractor_;
  Rpn rpn_;
  RoiHeads roi_heads_;
  PixelOptions pixels_;
  int64_t size_divisor_;
  at::Tensor parameter_;  // one of them: says where the model is, and in what precision it computes
};

/// The factory for models(). Keys of `model`: pixels {...}, size_divisor (what the input's height and width
/// are padded to a multiple of; 32 or the coarsest map's stride), backbone {type, ...}, neck {type, ...}
/// (optional), rpn {...}, roi {...}.
RCNN_EXPORT std::shared_ptr<DetectionModelImpl> make_faster_rcnn(const config::Node& model,
                                                                 int64_t num_classes);

}  // namespace rcnn::nn
