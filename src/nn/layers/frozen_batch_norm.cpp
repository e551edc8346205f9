#include <torch/torch.h>

#include <rcnn/nn/layers/frozen_batch_norm.h>

namespace rcnn::nn {

NormFactors NormFactors::of(const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& mean,
                            const at::Tensor& variance, double eps) {
  const auto scale = weight * (variance + eps).rsqrt();
  return {scale, bias - mean * scale};
}

FrozenBatchNormImpl::FrozenBatchNormImpl(int64_t channels, double eps) : eps_(eps) {
  weight = register_buffer("weight", torch::ones(channels));
  bias = register_buffer("bias", torch::zeros(channels));
  running_mean = register_buffer("running_mean", torch::zeros(channels));
  running_var = register_buffer("running_var", torch::ones(channels));
}

NormFactors FrozenBatchNormImpl::factors() const {
  return NormFactors::of(weight, bias, running_mean, running_var, eps_);
}

at::Tensor FrozenBatchNormImpl::forward(const at::Tensor& x) {
  const auto [scale, shift] = factors();
  std::vector<int64_t> shape(x.dim(), 1);
  shape[1] = -1;
  const auto as_x = [&](const at::Tensor& factor) { return factor.view(shape).to(x.scalar_type()); };
  return at::addcmul(as_x(shift), x, as_x(scale));
}

at::Tensor conv_norm(const torch::nn::Conv2d& conv, const FrozenBatchNorm& norm, const at::Tensor& x,
                     const at::Tensor& weight) {
  const auto [scale, shift] = norm->factors();
  const auto& options = conv->options;
  const auto bias = conv->bias.defined() ? conv->bias * scale + shift : shift;
  return at::conv2d(x, weight * scale.view({-1, 1, 1, 1}), bias, options.stride(),
                    std::get<torch::ExpandingArray<2>>(options.padding()), options.dilation(),
                    options.groups());
}

}  // namespace rcnn::nn
