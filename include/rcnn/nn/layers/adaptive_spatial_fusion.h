#pragma once

#include <vector>

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <rcnn/export.h>
#include <rcnn/nn/layers/conv_norm.h>

namespace rcnn::nn {

/// Adaptive spatial fusion (AugFPN, Guo et al. 2020, section 3.2): several maps of one size become one, the
/// sum of them weighted at every place alike for all channels. The weights are what all of the maps together
/// give through a 1x1 convolution, a ReLU, a 3x3 convolution to one channel a map, and a sigmoid each, so
/// that they need not sum to 1. Parameters, in the authors' names: 0.* and 2.*, the convolutions.
class RCNN_EXPORT AdaptiveSpatialFusionImpl : public torch::nn::Module, public Fusible {
 public:
  /// For so many maps of so many channels, with Xavier-uniform weights and biases 0, as published.
  AdaptiveSpatialFusionImpl(int64_t channels, int64_t maps);

  /// [N, channels, H, W] each, as many as it was made for, N may be 0 -> [N, channels, H, W]
  at::Tensor forward(const std::vector<at::Tensor>& maps);

  void fuse(Precision precision) override;

 private:
  ConvNorm squeeze_, weigh_;
};
TORCH_MODULE(AdaptiveSpatialFusion);

}  // namespace rcnn::nn
