#pragma once

#include <memory>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/roi/pooler.h>

namespace rcnn::nn {

/// Adaptive feature pooling's first half (PANet, Liu et al. 2018, section 3.2): RoIAlign of every RoI on
/// every level, a grid a level, for a box head that fuses them, such as adaptive. The RoI's size decides
/// nothing, and the levels' strides may be any. Has no parameters.
class RCNN_EXPORT AdaptivePoolerImpl : public RoiPoolerImpl {
 public:
  /// The options' kind is of no account.
  AdaptivePoolerImpl(const std::vector<FeatureSpec>& features, const RoiPoolerOptions& options);

  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& maps,
                                  const std::vector<at::Tensor>& boxes) override;
  bool is_differentiable_in_boxes() const override { return true; }
  std::vector<GridSpec> grids() const override;

 private:
  RoiPoolerOptions options_;
  std::vector<FeatureSpec> features_;
};
TORCH_MODULE(AdaptivePooler);

/// Keys: those of RoiPoolerOptions.
RCNN_EXPORT std::shared_ptr<RoiPoolerImpl> make_adaptive_pooler(const config::Node& node,
                                                                const std::vector<FeatureSpec>& features);

}  // namespace rcnn::nn
