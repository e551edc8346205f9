#pragma once

#include <memory>

#include <rcnn/export.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/models/trunk.h>
#include <rcnn/nn/roi/auxiliary_heads.h>
#include <rcnn/nn/roi/roi_heads.h>

namespace rcnn::nn {

/// The model's name in models().
inline constexpr const char* kFastRcnnModel = "fast_rcnn";

/// Fast R-CNN (Girshick 2015): the second stage of Faster R-CNN, which finds objects among proposals that
/// come with the images, ImageBatch::proposals.
///
/// Parameters: backbone.body.*, backbone.<neck>.*, roi_heads.box_head.*, roi_heads.box_predictor.*, and of
/// its auxiliary heads, for its losses alone, auxiliary_heads.*; FasterRcnn has the same, and weights of one
/// serve the other.
class RCNN_EXPORT FastRcnnImpl : public DetectionModelImpl {
 public:
  /// The RoI heads are made for those of the extractor's levels() that RoIs are pooled from. The input's
  /// height and width are padded to multiples of `size_divisor`. Auxiliary heads, where there are any, are
  /// made for the extractor's laterals().
  FastRcnnImpl(std::shared_ptr<FeatureExtractorImpl> extractor, RoiHeads roi_heads,
               const PixelOptions& pixels = {}, int64_t size_divisor = 32,
               AuxiliaryHeads auxiliary_heads = nullptr);

  /// RoIs are drawn among the proposals and the ground truth, see RoiHeadsImpl::losses(). Like detect() it
  /// throws ConfigError where images come without proposals.
  std::vector<Loss> losses(const ImageBatch& images, const std::vector<Target>& targets) override;
  std::vector<Detections> detect(const ImageBatch& images) override;
  std::vector<Detections> candidates(const ImageBatch& images) override;
  bool needs_proposals() const override { return true; }
  const PixelOptions& pixels() const override { return trunk_.pixels; }
  const SuppressionOptions& suppression() const override { return roi_heads_->options().suppression; }
  /// With model.roi.target_statistics finds them.
  void begin_training(const TrainingSet& images, std::span<const std::string> loaded) override;
  /// Folds them away: what is published is decoded by box_weights alone, as torchvision's weights are.
  TensorMap published(TensorMap state) const override;
  bool depends_on_classes(std::string_view name) const override;
  int64_t classes_in(const TensorMap& weights) const override;
  bool only_trains(std::string_view name) const override;
  void drop_training_parts() override;

 private:
  using Find = decltype(&RoiHeadsImpl::detect);
  std::vector<Detections> find(Find find, const ImageBatch& images);

  Trunk trunk_;
  std::vector<FeatureSpec> levels_;
  RoiHeads roi_heads_;
  AuxiliaryHeads auxiliary_heads_;  // null: none
  at::Tensor parameter_;            // see Trunk::maps
};

/// The factory for models(). Keys of `model`: those of make_trunk(), and roi {...}.
RCNN_EXPORT std::shared_ptr<DetectionModelImpl> make_fast_rcnn(const config::Node& model,
                                                               int64_t num_classes);

}  // namespace rcnn::nn
