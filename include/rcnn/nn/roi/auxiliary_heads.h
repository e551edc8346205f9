#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/feature_extractor.h>
#include <rcnn/nn/loss.h>
#include <rcnn/nn/roi/adaptive_pooler.h>
#include <rcnn/nn/roi/box_branch.h>
#include <rcnn/nn/roi/roi_batch.h>

namespace rcnn::nn {

/// The name under which a model has its auxiliary heads.
inline constexpr std::string_view kAuxiliaryHeads = "auxiliary_heads";

/// What supervises the maps that a pyramid is made from.
struct AuxiliaryHeadsOptions {
  RoiPoolerOptions pooler = {};  ///< RoIAlign, whatever the kind
  double weight = 0.25;          ///< of the losses of each level
};

/// Consistent supervision (AugFPN, Guo et al. 2020, section 3.1): in training every RoI that the second stage
/// learns from is pooled from every lateral of the pyramid, and one box branch, shared by the levels, learns
/// to say of each what the second stage has to say. For the losses alone: nothing of it serves inference.
///
/// Parameters: box_head.*, box_predictor.*
class RCNN_EXPORT AuxiliaryHeadsImpl : public torch::nn::Module {
 public:
  /// `laterals` are the extractor's, of the same channels; the branch's head is made for one grid of one of
  /// them. Its parts become its own, under their names; the head's fully connected layers are
  /// Xavier-uniform, biases 0, as published.
  AuxiliaryHeadsImpl(const std::vector<FeatureSpec>& laterals, BoxBranch branch,
                     const AuxiliaryHeadsOptions& options);

  /// loss_classifier_aux and loss_box_reg_aux: those of the branch, see BoxBranchImpl::losses(), times the
  /// weight, summed over the levels.
  ///
  /// laterals   [N, C, H, W], one a level: Features::laterals of a model in training mode
  /// rois       those that the second stage learns from
  /// boxes      [B, S, 4], where they are pooled from: see RoiHeadsImpl::losses()
  /// throws     c10::Error for another number of laterals, and after drop()
  std::vector<Loss> losses(const std::vector<at::Tensor>& laterals, const RoiBatch& rois,
                           const at::Tensor& boxes);

  /// Normalises box targets as the second stage does, see BoxBranchImpl::share_statistics().
  void share_statistics(const BoxBranchImpl& second_stage, std::span<const std::string> plain);

  /// Gives up the branch and its parameters, for inference.
  void drop();

 private:
  AuxiliaryHeadsOptions options_;
  AdaptivePooler pooler_;
  BoxBranch branch_;  // null after drop()
};
TORCH_MODULE(AuxiliaryHeads);

/// Key "auxiliary" of a config's model.roi: {weight = 0.25, head {type = mlp, ...}}, of which {} is enough;
/// null where it is absent. They pool with the size, sampling_ratio and aligned of roi.pooler, and `branch`
/// are the second stage's options. Throws ConfigError for an extractor without laterals, and MemoryError with
/// what to lower.
RCNN_EXPORT AuxiliaryHeads make_auxiliary_heads(const config::Node& model,
                                                const FeatureExtractorImpl& extractor, int64_t num_classes,
                                                BoxBranchOptions branch);

/// Whether a parameter is one of a model's auxiliary heads, by its name.
RCNN_EXPORT bool is_of_auxiliary_heads(std::string_view name);

/// ModelImpl::depends_on_classes() of auxiliary heads.
RCNN_EXPORT bool auxiliary_heads_depend_on_classes(std::string_view name);

}  // namespace rcnn::nn
