#include <torch/torch.h>

#include <rcnn/nn/necks/panet.h>

#include "nn/necks/pyramid.h"

namespace rcnn::nn {

PanetImpl::PanetImpl(const std::vector<FeatureSpec>& inputs, const PanetOptions& options)
    : FpnImpl(inputs, options.fpn, options.form == PanetOptions::Form::pafpn && options.has_relus()),
      options_(options) {
  const auto& [channels, norm, extra, roi_levels] = options.fpn;
  const auto downsample_blocks = register_module("downsample_blocks", std::make_shared<torch::nn::Module>());
  const auto output_blocks = register_module("output_blocks", std::make_shared<torch::nn::Module>());
  for (size_t i = 0; i + 1 < inputs.size(); ++i) {
    downsample_.push_back(neck_conv(channels, channels, 3, norm, {.stride = 2}));
    output_.push_back(neck_conv(channels, channels, 3, norm));
    downsample_blocks->register_module(std::to_string(i), downsample_.back().block());
    output_blocks->register_module(std::to_string(i), output_.back().block());
  }
}

at::Tensor PanetImpl::apply(ConvNorm& layer, const at::Tensor& x) const {
  return options_.has_relus() ? layer.relu(x) : layer(x);
}

std::vector<at::Tensor> PanetImpl::forward(const std::vector<at::Tensor>& maps) {
  const auto [laterals, sums, pyramid] = top_down_(maps);
  std::vector<at::Tensor> outputs = {pyramid.front()};
  auto below = pyramid.front();
  for (size_t i = 0; i < output_.size(); ++i) {
    const auto sum = pyramid[i + 1] + apply(downsample_[i], below);
    outputs.push_back(apply(output_[i], sum));
    below = options_.form == PanetOptions::Form::paper ? outputs.back() : sum;
  }
  extra_.append_to(outputs, maps.back(), sums.back());
  return outputs;
}

void PanetImpl::fuse(Precision precision) {
  FpnImpl::fuse(precision);
  for (auto& layer : downsample_) layer.fuse(precision);
  for (auto& layer : output_) layer.fuse(precision);
}

std::shared_ptr<NeckImpl> make_panet(const config::Node& node, const NeckInputs& inputs) {
  check_inputs(node, inputs.features, 2);
  PanetOptions options;
  node.read("form", options.form,
            {{"paper", PanetOptions::Form::paper}, {"pafpn", PanetOptions::Form::pafpn}});
  if (node.has("activation")) options.rectified = node.one_of("activation", {"none", "relu"}) == 1;
  options.fpn.read(node, inputs.features.size());
  return std::make_shared<PanetImpl>(inputs.features, options);
}

}  // namespace rcnn::nn
