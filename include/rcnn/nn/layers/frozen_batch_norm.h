#pragma once

#include <torch/nn/modules/conv.h>

#include <rcnn/export.h>

namespace rcnn::nn {

/// Batch normalisation that does not learn is scale * x + shift, each [channels].
struct NormFactors {
  at::Tensor scale, shift;

  /// All are [channels]: of a norm y = weight * (x - mean) / sqrt(variance + eps) + bias.
  RCNN_EXPORT static NormFactors of(const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& mean,
                                    const at::Tensor& variance, double eps);
};

/// Batch normalisation with fixed statistics: y = weight * (x - running_mean) / sqrt(running_var + eps) +
/// bias. All four are buffers [channels] under torchvision's names; nothing is trained. A new one is the
/// identity up to eps.
class RCNN_EXPORT FrozenBatchNormImpl : public torch::nn::Module {
 public:
  explicit FrozenBatchNormImpl(int64_t channels, double eps = 1e-5);

  /// x is [N, channels, ...]; the result is of its type.
  at::Tensor forward(const at::Tensor& x);

  NormFactors factors() const;

  at::Tensor weight, bias, running_mean, running_var;

 private:
  double eps_;
};
TORCH_MODULE(FrozenBatchNorm);

/// norm(conv(x)) as one convolution with weights scale * w and bias scale * b + shift: the scaling costs a
/// pass over the weights instead of two over the activations. `weight`, of the convolution's shape, stands in
/// the place of its own. Differentiable in x, in the weight and in the convolution's bias.
RCNN_EXPORT at::Tensor conv_norm(const torch::nn::Conv2d& conv, const FrozenBatchNorm& norm,
                                 const at::Tensor& x, const at::Tensor& weight);

}  // namespace rcnn::nn
