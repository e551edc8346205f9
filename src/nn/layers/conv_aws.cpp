#include <torch/torch.h>

#include <rcnn/nn/layers/conv_aws.h>

namespace rcnn::nn {
namespace {

/// Of each output channel's weights, [out, 1, 1, 1].
struct Spread {
  at::Tensor mean, deviation;
};

Spread spread_of(const at::Tensor& weight) {
  const auto [variance, mean] =
      at::var_mean(weight, at::IntArrayRef{1, 2, 3}, /*unbiased=*/true, /*keepdim=*/true);
  return {mean, (variance + 1e-5).sqrt()};
}

}  // namespace

ConvAwsImpl::ConvAwsImpl(const torch::nn::Conv2dOptions& options) : Conv2dImpl(options) {
  TORCH_CHECK(weight[0].numel() > 1, "ConvAws: options: expected two weights an output channel at least");
  weight_gamma = register_buffer("weight_gamma", at::ones({weight.size(0), 1, 1, 1}));
  weight_beta = register_buffer("weight_beta", at::zeros({weight.size(0), 1, 1, 1}));
  take_factors();
}

at::Tensor ConvAwsImpl::standardised() const {
  const auto [mean, deviation] = spread_of(weight);
  return weight_gamma * ((weight - mean) / deviation) + weight_beta;
}

void ConvAwsImpl::take_factors() {
  const torch::NoGradGuard no_grad;
  const auto [mean, deviation] = spread_of(weight);
  weight_gamma.copy_(deviation);
  weight_beta.copy_(mean);
}

at::Tensor ConvAwsImpl::forward(const at::Tensor& x) {
  return at::conv2d(x, standardised(), bias, options.stride(),
                    std::get<torch::ExpandingArray<2>>(options.padding()), options.dilation(),
                    options.groups());
}

void ConvAwsImpl::derive(const std::string& prefix, TensorMap& tensors) const {
  const auto found = tensors.find(prefix + "weight");
  if (found == tensors.end() || found->second.sizes() != weight.sizes()) return;
  const auto [mean, deviation] = spread_of(found->second.to(weight.scalar_type()));
  tensors.emplace(prefix + "weight_gamma", deviation);
  tensors.emplace(prefix + "weight_beta", mean);
}

}  // namespace rcnn::nn
