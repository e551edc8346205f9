#pragma once

#include <string>

#include <torch/nn/modules/conv.h>

#include <rcnn/export.h>
#include <rcnn/nn/weights/weights.h>

namespace rcnn::nn {

/// A convolution with adaptively standardised weights (DetectoRS, Qiao et al. 2021, section 4.3): it computes
/// with weight_gamma * (weight - mean) / sqrt(variance + 1e-5) + weight_beta, the mean and the unbiased
/// variance being those of each output channel's weights. Both factors are buffers [out, 1, 1, 1] that do not
/// learn. Where a file has none they are taken from its weights, so that these stand at first for themselves.
/// Names are mmcv's.
class RCNN_EXPORT ConvAwsImpl : public torch::nn::Conv2dImpl, public DerivesWeights {
 public:
  /// Expects two weights an output channel at least, and zeros as padding.
  explicit ConvAwsImpl(const torch::nn::Conv2dOptions& options);

  /// What it computes with, of the weight's shape. Differentiable in the weight.
  at::Tensor standardised() const;

  /// Takes the factors from the weight as it stands: standardised() is the weight then.
  void take_factors();

  virtual at::Tensor forward(const at::Tensor& x);
  void derive(const std::string& prefix, TensorMap& tensors) const override;

  at::Tensor weight_gamma, weight_beta;
};

}  // namespace rcnn::nn
