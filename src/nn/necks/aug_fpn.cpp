#include <algorithm>
#include <cmath>
#include <string>

#include <torch/torch.h>

#include <rcnn/nn/necks/aug_fpn.h>

#include "nn/necks/pyramid.h"

namespace rcnn::nn {
namespace {

/// "m2" of "c2", as the paper calls the laterals.
std::vector<FeatureSpec> lateral_specs(const std::vector<FeatureSpec>& inputs, int64_t channels) {
  std::vector<FeatureSpec> specs;
  for (const auto& input : inputs) specs.push_back({{'m', input.name.back()}, channels, input.stride});
  return specs;
}

void initialise_as_published(const torch::nn::Module& neck) {
  for (const auto& module : neck.modules(/*include_self=*/false)) {
    const auto* const conv = module->as<torch::nn::Conv2d>();
    if (conv) torch::nn::init::xavier_uniform_(conv->weight);
  }
}

}  // namespace

int64_t pooled_side(int64_t side, double ratio) {
  // More than the roundings of a ratio and of a product of some thousands, less than any ratio's next cell.
  constexpr double kRounding = 1e-9;
  return std::max<int64_t>(1,
                           static_cast<int64_t>(std::floor(ratio * static_cast<double>(side) + kRounding)));
}

AugFpnImpl::AugFpnImpl(const std::vector<FeatureSpec>& inputs, const AugFpnOptions& options)
    : FpnImpl(inputs, options.fpn),
      ratios_(options.ratios),
      laterals_(lateral_specs(inputs, options.fpn.channels)),
      fusion_(options.fpn.channels, std::ssize(options.ratios)) {
  const auto list = register_module("high_lateral_conv", std::make_shared<torch::nn::Module>());
  for (size_t i = 0; i < ratios_.size(); ++i) {
    high_lateral_.push_back(neck_conv(inputs.back().channels, options.fpn.channels, 1, {.type = Norm::none}));
    list->register_module(std::to_string(i), high_lateral_.back().conv());
  }
  register_module("high_lateral_conv_attention", fusion_);
  initialise_as_published(*this);
}

at::Tensor AugFpnImpl::augmentation(const at::Tensor& coarsest) {
  const auto height = coarsest.size(2), width = coarsest.size(3);
  std::vector<at::Tensor> maps;
  for (size_t i = 0; i < high_lateral_.size(); ++i) {
    const auto ratio = ratios_[i];
    const auto pooled =
        at::adaptive_avg_pool2d(coarsest, {pooled_side(height, ratio), pooled_side(width, ratio)});
    maps.push_back(
        at::upsample_bilinear2d(high_lateral_[i](pooled), {height, width}, /*align_corners=*/true));
  }
  return fusion_->forward(maps);
}

Features AugFpnImpl::pyramid(const std::vector<at::Tensor>& maps, TopDownPath::Laterals laterals) {
  auto path = top_down_(maps, augmentation(maps.back()), laterals);
  extra_.append_to(path.outputs, maps.back(), path.sums.back());
  return {.maps = std::move(path.outputs), .laterals = std::move(path.laterals)};
}

std::vector<at::Tensor> AugFpnImpl::forward(const std::vector<at::Tensor>& maps) {
  return pyramid(maps, TopDownPath::Laterals::drop).maps;
}

Features AugFpnImpl::extract(const at::Tensor& images, BackboneImpl& body) {
  return pyramid(body.forward(images),
                 is_training() ? TopDownPath::Laterals::keep : TopDownPath::Laterals::drop);
}

void AugFpnImpl::fuse(Precision precision) {
  FpnImpl::fuse(precision);
  for (auto& layer : high_lateral_) layer.fuse(precision);
  fusion_->fuse(precision);
}

std::shared_ptr<NeckImpl> make_aug_fpn(const config::Node& node, const NeckInputs& inputs) {
  check_inputs(node, inputs.features, 1);
  AugFpnOptions options;
  options.fpn.read(node, inputs.features.size());
  node.read("ratios", options.ratios, {.min = 1e-3, .max = 1});
  if (options.ratios.empty()) throw node.error("ratios", "must be one number at least, each up to 1");
  return std::make_shared<AugFpnImpl>(inputs.features, options);
}

}  // namespace rcnn::nn
