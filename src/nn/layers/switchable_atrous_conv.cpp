#include <torch/torch.h>

#include <rcnn/nn/layers/switchable_atrous_conv.h>
#include <rcnn/ops/deform_conv.h>

#include "nn/layers/constant_conv.h"
#include "nn/layers/fused_conv.h"

namespace rcnn::nn {
namespace {

using ConvOptions = torch::nn::detail::ConvNdOptions<2>;

/// What says where the taps of a kernel lie: (dy, dx) of nine, at the places of such a convolution.
torch::nn::Conv2d offset_conv(int64_t channels, const ConvOptions& of) {
  return constant_conv(torch::nn::Conv2dOptions(channels, 18, 3).padding(1).stride(of.stride()));
}

/// `options`, with `spacing` times their dilation and their padding.
ConvOptions spaced(ConvOptions options, int64_t spacing) {
  auto dilation = options.dilation(), padding = std::get<torch::ExpandingArray<2>>(options.padding());
  for (size_t i = 0; i < 2; ++i) {
    dilation->at(i) *= spacing;
    padding->at(i) *= spacing;
  }
  return options.dilation(dilation).padding(padding);
}

/// Each channel's mean over the image, [N, C, 1, 1].
at::Tensor mean_of(const at::Tensor& x) {
  return at::adaptive_avg_pool2d(x, {1, 1});
}

}  // namespace

SwitchableAtrousConvImpl::SwitchableAtrousConvImpl(const torch::nn::Conv2dOptions& given, bool deformable)
    : ConvAwsImpl(given),
      switch_(constant_conv(torch::nn::Conv2dOptions(given.in_channels(), 1, 1).stride(options.stride()),
                            /*bias=*/1)),
      pre_context_(constant_conv({given.in_channels(), given.in_channels(), 1})),
      post_context_(constant_conv({given.out_channels(), given.out_channels(), 1})) {
  TORCH_CHECK(!bias.defined() && weight.size(2) == 3 && weight.size(3) == 3,
              "SwitchableAtrousConv: options: expected a 3x3 convolution without bias");
  register_module("switch", switch_);
  register_module("pre_context", pre_context_);
  register_module("post_context", post_context_);
  weight_diff_ = register_parameter("weight_diff", at::zeros_like(weight));
  if (!deformable) return;
  near_.offset = register_module("offset_s", offset_conv(given.in_channels(), options));
  far_.offset = register_module("offset_l", offset_conv(given.in_channels(), options));
}

at::Tensor SwitchableAtrousConvImpl::convolve(const Kernel& kernel, const at::Tensor& weight,
                                              const at::Tensor& x, const at::Tensor& surroundings) const {
  if (kernel.fused) return (*kernel.fused)(x);
  const auto its = spaced(options, kernel.spacing);
  const auto& padding = std::get<torch::ExpandingArray<2>>(its.padding());
  if (!kernel.offset) return at::conv2d(x, weight, {}, its.stride(), padding, its.dilation(), its.groups());
  auto offset = kernel.offset;
  return ops::deform_conv(
      x, offset(surroundings).to(x.scalar_type()), weight, {},
      {.stride = *its.stride(), .padding = *padding, .dilation = *its.dilation(), .groups = its.groups()});
}

at::Tensor SwitchableAtrousConvImpl::forward(const at::Tensor& given) {
  const auto x = given + pre_context_(mean_of(given));
  const auto surroundings = at::avg_pool2d(at::reflection_pad2d(x, {2, 2, 2, 2}), 5, 1);
  const auto weight = learns() ? standardised() : near_.weight;
  const auto near = convolve(near_, weight, x, surroundings);
  const auto far = convolve(far_, learns() ? weight + weight_diff_ : far_.weight, x, surroundings);
  const auto y = at::lerp(far, near, switch_(surroundings).to(near.scalar_type()));
  return y + post_context_(mean_of(y));
}

void SwitchableAtrousConvImpl::derive(const std::string& prefix, TensorMap& tensors) const {
  ConvAwsImpl::derive(prefix, tensors);
  if (!tensors.contains(prefix + "weight")) return;
  for (const auto& [name, tensor] : state_of(*this)) {
    tensors.emplace(prefix + name, name == "switch.bias" ? at::ones_like(tensor) : at::zeros_like(tensor));
  }
}

void SwitchableAtrousConvImpl::fuse(Kernel& kernel, const at::Tensor& weight) {
  if (kernel.offset) {
    kernel.weight = weight.contiguous(at::MemoryFormat::ChannelsLast);
  } else {
    kernel.fused = std::make_shared<FusedConv>(weight, at::zeros({weight.size(0)}, weight.options()),
                                               spaced(options, kernel.spacing));
  }
}

void SwitchableAtrousConvImpl::fuse(Precision precision) {
  if (!learns()) return;
  const torch::NoGradGuard no_grad;
  const auto type = precision == Precision::bf16 ? at::kBFloat16 : weight.scalar_type();
  const auto own = standardised();
  fuse(near_, own.to(type));
  fuse(far_, (own + weight_diff_).to(type));
  for (auto* gone : {&weight, &weight_diff_}) gone->set_data(at::empty({0}, gone->options()));
}

}  // namespace rcnn::nn
