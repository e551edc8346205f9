#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <rcnn/boxes/coder.h>
#include <rcnn/boxes/matcher.h>
#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/loss.h>
#include <rcnn/nn/roi/box_head.h>
#include <rcnn/nn/roi/roi_batch.h>
#include <rcnn/nn/training_set.h>

namespace rcnn::nn {

/// What the second stage says of boxes, and what it costs.
struct RCNN_EXPORT BoxBranchOptions {
  boxes::BoxCoderOptions coder{.weights = {10, 10, 5, 5}};
  bool class_agnostic = false;   ///< one box a RoI instead of one for each class
  double beta = 1.0 / 9;         ///< of the Smooth L1 loss
  BoxPredictorRanks ranks = {};  ///< read by make_roi_heads()
  /// Whether box targets are normalised by their own mean and standard deviation, found before the training.
  enum class TargetStatistics { none, per_class } target_statistics = TargetStatistics::none;

  /// Keys: box_weights, class_agnostic, beta, delta_limit (above, both), target_statistics (none, per_class).
  void read(const config::Node& node);
};

/// The box head and the box predictor, with the loss of what they say of RoIs (Fast R-CNN, section 2.3).
/// Parameters: box_head.*, box_predictor.*
class RCNN_EXPORT BoxBranchImpl : public torch::nn::Module {
 public:
  using Prediction = BoxPredictorImpl::Output;

  BoxBranchImpl(std::shared_ptr<BoxHeadImpl> head, int64_t num_classes, const BoxBranchOptions& options);

  /// What it says of K RoIs, from what a pooler gives of them.
  Prediction forward(const std::vector<at::Tensor>& grids);

  /// loss_classifier and loss_box_reg of a prediction for the RoIs of a batch, in their order and without the
  /// padding: averages over all of them, see losses::fast_rcnn_loss().
  std::vector<Loss> losses(const Prediction& prediction, const RoiBatch& rois) const;

  /// Both losses of each RoI together, before they are averaged: float32 [B, S], 0 in the padding.
  at::Tensor loss_of_each(const Prediction& prediction, const RoiBatch& rois) const;

  /// A prediction as probabilities and boxes.
  struct Decoded {
    at::Tensor probabilities;  ///< float32 [K, C + 1], background first
    at::Tensor boxes;          ///< float32 [K, C + 1, 4], or [K, 1, 4] when class-agnostic; not clipped
  };

  /// `rois` are float32 [K, 4].
  Decoded decode(const Prediction& prediction, const at::Tensor& rois) const;

  /// With target_statistics finds and takes them, see target_statistics() and
  /// BoxPredictorImpl::normalise_targets(), and warns of classes with too few targets; otherwise does
  /// nothing. `plain` has names of the box predictor's parameters: "bbox_pred.weight".
  void begin_training(const TrainingSet& images, const boxes::MatcherOptions& matcher,
                      std::span<const std::string> plain);

  /// Takes the statistics that another branch of the same classes has taken in begin_training(), if it has,
  /// so that both have the same targets. `plain`: see there.
  void share_statistics(const BoxBranchImpl& other, std::span<const std::string> plain);

  const BoxBranchOptions& options() const { return options_; }

 private:
  /// What losses are taken of.
  struct Compared {
    at::Tensor labels;     // int64 [K]
    at::Tensor positives;  // int64 [P], places among the K
    at::Tensor deltas;     // [P, 4], of the own class
    at::Tensor targets;    // [P, 4]
  };
  Compared compare(const Prediction& prediction, const RoiBatch& rois) const;

  BoxBranchOptions options_;
  boxes::BoxCoder coder_;
  std::shared_ptr<BoxHeadImpl> head_;
  BoxPredictor predictor_;
};
TORCH_MODULE(BoxBranch);

}  // namespace rcnn::nn
