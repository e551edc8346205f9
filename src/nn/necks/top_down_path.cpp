#include <string>

#include <torch/torch.h>

#include <rcnn/nn/necks/top_down_path.h>

#include "nn/necks/pyramid.h"

namespace rcnn::nn {

TopDownPath::TopDownPath(torch::nn::Module& owner, const std::vector<FeatureSpec>& inputs, int64_t channels,
                         const NormOptions& norm, bool rectified)
    : rectified_(rectified) {
  const auto inner_blocks = owner.register_module("inner_blocks", std::make_shared<torch::nn::Module>());
  const auto layer_blocks = owner.register_module("layer_blocks", std::make_shared<torch::nn::Module>());
  for (const auto& input : inputs) {
    const auto name = std::to_string(inner_.size());
    inner_.push_back(neck_conv(input.channels, channels, 1, norm));
    layer_.push_back(neck_conv(channels, channels, 3, norm));
    inner_blocks->register_module(name, inner_.back().block());
    layer_blocks->register_module(name, layer_.back().block());
  }
}

TopDownPath::Maps TopDownPath::operator()(const std::vector<at::Tensor>& maps, const at::Tensor& augmentation,
                                          Laterals laterals) {
  const auto apply = [&](ConvNorm& layer, const at::Tensor& x) {
    return rectified_ ? layer.relu(x) : layer(x);
  };
  Maps result{.laterals = {},
              .sums = std::vector<at::Tensor>(maps.size()),
              .outputs = std::vector<at::Tensor>(maps.size())};
  if (laterals == Laterals::keep) result.laterals.resize(maps.size());
  for (size_t i = maps.size(); i-- > 0;) {
    auto& sum = result.sums[i];
    sum = apply(inner_[i], maps[i]);
    if (laterals == Laterals::keep) {
      result.laterals[i] = sum;
      sum = sum.clone();
    }
    const auto above =
        i + 1 < maps.size() ? at::upsample_nearest2d(result.sums[i + 1], sum.sizes().slice(2)) : augmentation;
    // A ReLU's output is kept for its gradient.
    if (above.defined()) sum = rectified_ ? sum + above : sum.add_(above);
    result.outputs[i] = apply(layer_[i], sum);
  }
  return result;
}

void TopDownPath::fuse(Precision precision) {
  for (auto& layer : inner_) layer.fuse(precision);
  for (auto& layer : layer_) layer.fuse(precision);
}

}  // namespace rcnn::nn
