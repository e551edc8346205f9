#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/error.h>
#include <rcnn/nn/layers/conv_aws.h>
#include <rcnn/nn/layers/conv_norm.h>
#include <rcnn/nn/layers/switchable_atrous_conv.h>

#include "nn/layers/fused_conv.h"

namespace rcnn::nn {

void NormOptions::read(const config::Node& node, int64_t channels) {
  if (type != Norm::frozen) {
    node.read(
        "norm", type,
        {{"none", Norm::none}, {"frozen", Norm::frozen}, {"batch", Norm::batch}, {"group", Norm::group}});
  } else {
    node.read("norm", type, {{"frozen", Norm::frozen}, {"batch", Norm::batch}, {"group", Norm::group}});
  }
  if (type != Norm::none) node.read("norm_eps", eps, {.min = 0, .max = 1});
  if (type != Norm::group) return;
  node.read("norm_groups", groups, {.min = 1});
  if (channels % groups != 0) {
    throw node.error(
        "norm_groups",
        fmt::format("must divide the number of channels: {} groups of {} channels", groups, channels));
  }
}

ConvNorm::ConvNorm(torch::nn::Conv2d conv, const NormOptions& norm)
    : conv_(std::move(conv)),
      aws_(std::dynamic_pointer_cast<ConvAwsImpl>(conv_.ptr())),
      sac_(std::dynamic_pointer_cast<SwitchableAtrousConvImpl>(aws_)) {
  const auto channels = conv_->options.out_channels();
  if (norm.type == Norm::frozen) {
    frozen_ = FrozenBatchNorm(channels, norm.eps);
  } else if (norm.type == Norm::batch) {
    batch_ =
        torch::nn::BatchNorm2d(torch::nn::BatchNorm2dOptions(channels).eps(norm.eps).momentum(norm.momentum));
  } else if (norm.type == Norm::group) {
    TORCH_CHECK(channels % norm.groups == 0, "ConvNorm: norm: expected groups that divide ", channels,
                " channels, got ", norm.groups);
    group_ = torch::nn::GroupNorm(torch::nn::GroupNormOptions(norm.groups, channels).eps(norm.eps));
  }
}

std::shared_ptr<torch::nn::Module> ConvNorm::norm() const {
  if (frozen_) return frozen_.ptr();
  if (batch_) return batch_.ptr();
  if (group_) return group_.ptr();
  return nullptr;
}

void ConvNorm::register_in(torch::nn::Module& owner, const std::string& conv, const std::string& norm) const {
  owner.register_module(conv, conv_);
  if (const auto module = this->norm()) owner.register_module(norm, module);
}

std::shared_ptr<torch::nn::Module> ConvNorm::block() const {
  const auto module = std::make_shared<torch::nn::Module>();
  register_in(*module, "0", "1");
  return module;
}

void ConvNorm::freeze() const {
  for (const auto& parameter : block()->parameters()) parameter.set_requires_grad(false);
}

/// In the type of the norm's parameters, which stay float32 where the convolution's become bfloat16.
at::Tensor ConvNorm::group_normalised(const at::Tensor& y) {
  return group_->forward(y.to(group_->weight.scalar_type())).to(y.scalar_type());
}

/// What the convolution computes with.
at::Tensor ConvNorm::weight() const {
  return aws_ ? aws_->standardised() : conv_->weight;
}

at::Tensor ConvNorm::operator()(const at::Tensor& x) {
  if (frozen_ && !sac_) return conv_norm(conv_, frozen_, x, weight());
  const auto y = fused_ ? (*fused_)(x) : aws_ ? aws_->forward(x) : conv_->forward(x);
  if (frozen_) return frozen_->forward(y);
  if (group_) return group_normalised(y);
  if (!batch_) return y;
  if (batch_->is_training() && y.numel() == y.size(1)) {
    throw ConfigError(
        "batch normalisation learns from more than one value a channel, and one image of this batch gives a "
        "level of one cell: take norm group, larger images (data.min_size) or more of them "
        "(train.batch_size)");
  }
  return batch_->forward(y);
}

at::Tensor ConvNorm::relu(const at::Tensor& x) {
  return fused_ && !group_ ? fused_->relu(x) : (*this)(x).relu_();
}

at::Tensor ConvNorm::add_relu(const at::Tensor& x, const at::Tensor& sum) {
  return fused_ && !group_ ? fused_->add_relu(x, sum) : ((*this)(x) += sum).relu_();
}

void ConvNorm::fuse(Precision precision) {
  if (fused_) return;
  if (sac_) return sac_->fuse(precision);
  const torch::NoGradGuard no_grad;
  auto weight = this->weight();
  at::Tensor bias = conv_->bias.defined() ? conv_->bias : at::zeros({weight.size(0)}, weight.options());
  if (frozen_ || batch_) {
    const auto [scale, shift] = frozen_ ? frozen_->factors()
                                        : NormFactors::of(batch_->weight, batch_->bias, batch_->running_mean,
                                                          batch_->running_var, batch_->options.eps());
    weight = weight * scale.view({-1, 1, 1, 1});
    bias = bias * scale + shift;
  }
  const auto type = precision == Precision::bf16 ? at::kBFloat16 : weight.scalar_type();
  fused_ = std::make_shared<FusedConv>(weight.to(type), bias.to(type), conv_->options);
  conv_->weight.set_data(at::empty({0}, weight.options()));
  frozen_ = nullptr;
  batch_ = nullptr;
}

}  // namespace rcnn::nn
