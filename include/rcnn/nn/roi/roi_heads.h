#pragma once

#include <memory>
#include <vector>

#include <rcnn/boxes/coder.h>
#include <rcnn/boxes/matcher.h>
#include <rcnn/boxes/sampler.h>
#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/losses/multi_task.h>
#include <rcnn/nn/models/suppression.h>
#include <rcnn/nn/roi/box_head.h>
#include <rcnn/nn/roi/pooler.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// The second stage, but its head: "roi" of a config's model.
struct RCNN_EXPORT RoiHeadsOptions {
  RoiPoolerOptions pooler = {};
  boxes::MatcherOptions matcher{.positive_iou = 0.5, .negative_iou = 0.5};
  boxes::SamplerOptions sampler{.count = 512, .positive_fraction = 0.25};
  boxes::BoxCoderOptions coder{.weights = {10, 10, 5, 5}};
  bool class_agnostic = false;  ///< one box a RoI instead of one for each class
  double beta = 1.0 / 9;        ///< of the Smooth L1 loss
  SuppressionOptions suppression = {};

  /// Keys: pooler {...}, positive_iou, negative_iou, negative_low, ignore_share, batch_per_image,
  /// positive_fraction, box_weights, class_agnostic, beta, and SuppressionOptions'; `head` is
  /// make_box_head's.
  static RoiHeadsOptions from(const config::Node& node);
};

/// The second stage (Fast R-CNN, sections 2.1 to 2.3): pooling, box head, class scores and class-wise boxes.
/// Parameters: box_head.*, box_predictor.*
class RCNN_EXPORT RoiHeadsImpl : public torch::nn::Module {
 public:
  /// `features` are the maps it pools from; `head` is the config of the box head.
  RoiHeadsImpl(const std::vector<FeatureSpec>& features, int64_t num_classes, const RoiHeadsOptions& options,
               const config::Node& head);

  /// Adds the ground truth to the proposals, samples RoIs and compares what the head says of them with what
  /// they are. `proposals` are float32 [P, 4] for each image; zero proposals and zero ground truth are fine.
  losses::MultiTaskLoss loss(const std::vector<at::Tensor>& maps, const std::vector<at::Tensor>& proposals,
                             const std::vector<Target>& targets);

  /// Detections of each image, best first, in network pixels, clipped to `sizes`.
  std::vector<Detections> detect(const std::vector<at::Tensor>& maps,
                                 const std::vector<at::Tensor>& proposals,
                                 const std::vector<ImageSize>& sizes);

  const RoiHeadsOptions& options() const { return options_; }

 private:
  Detections select(const at::Tensor& scores, const at::Tensor& boxes, ImageSize size) const;

  RoiHeadsOptions options_;
  boxes::BoxCoder coder_;
  RoiPooler pooler_;
  std::shared_ptr<BoxHeadImpl> box_head_;
  BoxPredictor box_predictor_ = nullptr;
};
TORCH_MODULE(RoiHeads);

}  // namespace rcnn::nn
