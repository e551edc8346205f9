#pragma once

#include <memory>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/layers/adaptive_spatial_fusion.h>
#include <rcnn/nn/roi/adaptive_pooler.h>

namespace rcnn::nn {

/// Soft RoI selection (AugFPN, Guo et al. 2020, section 3.3): RoIAlign of every RoI on every level, and the
/// adaptive spatial fusion of its grids into one, so that any box head takes it. The RoI's size decides
/// nothing, and the levels' strides may be any. Parameters: spatial_attention_conv.{0,2}.*, the authors'
/// names.
class RCNN_EXPORT SoftPoolerImpl : public RoiPoolerImpl, public Fusible {
 public:
  /// Levels of the same channels. The options' kind is of no account.
  SoftPoolerImpl(const std::vector<FeatureSpec>& features, const RoiPoolerOptions& options);

  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& maps,
                                  const std::vector<at::Tensor>& boxes) override;
  bool is_differentiable_in_boxes() const override { return true; }
  std::vector<GridSpec> grids() const override { return {levels_->grids().front()}; }

  void fuse(Precision precision) override { fusion_->fuse(precision); }

 private:
  AdaptivePooler levels_;
  AdaptiveSpatialFusion fusion_;
};
TORCH_MODULE(SoftPooler);

/// Keys: those of RoiPoolerOptions. Throws ConfigError for a single level, and for levels whose channels
/// differ.
RCNN_EXPORT std::shared_ptr<RoiPoolerImpl> make_soft_pooler(const config::Node& node,
                                                            const std::vector<FeatureSpec>& features);

}  // namespace rcnn::nn
