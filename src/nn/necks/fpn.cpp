#include <torch/torch.h>

#include <rcnn/nn/necks/fpn.h>

namespace rcnn::nn {
namespace {

ConvNorm conv(int64_t in, int64_t out, int64_t kernel, const NormOptions& norm) {
  torch::nn::Conv2d layer(
      torch::nn::Conv2dOptions(in, out, kernel).padding(kernel / 2).bias(norm.type == Norm::none));
  torch::nn::init::kaiming_uniform_(layer->weight, 1);
  if (layer->bias.defined()) torch::nn::init::zeros_(layer->bias);
  return {layer, norm};
}

}  // namespace

FpnImpl::FpnImpl(const std::vector<FeatureSpec>& inputs, const FpnOptions& options) {
  const auto inner_blocks = register_module("inner_blocks", std::make_shared<torch::nn::Module>());
  const auto layer_blocks = register_module("layer_blocks", std::make_shared<torch::nn::Module>());
  for (const auto& input : inputs) {
    const auto name = std::to_string(inner_.size());
    inner_.push_back(conv(input.channels, options.channels, 1, options.norm));
    layer_.push_back(conv(options.channels, options.channels, 3, options.norm));
    inner_blocks->register_module(name, inner_.back().block());
    layer_blocks->register_module(name, layer_.back().block());
    features_.push_back({{'p', input.name.back()}, options.channels, input.stride});
  }
  const auto coarsest = features_.back();
  const char next = static_cast<char>(coarsest.name.back() + 1);
  features_.push_back({{'p', next}, options.channels, 2 * coarsest.stride, /*for_rois=*/false});
}

std::vector<at::Tensor> FpnImpl::forward(const std::vector<at::Tensor>& maps) {
  std::vector<at::Tensor> outputs(maps.size());
  at::Tensor sum;
  for (size_t i = maps.size(); i-- > 0;) {
    auto lateral = inner_[i](maps[i]);
    if (sum.defined()) lateral += at::upsample_nearest2d(sum, lateral.sizes().slice(2));
    sum = lateral;
    outputs[i] = layer_[i](sum);
  }
  outputs.push_back(at::max_pool2d(outputs.back(), 1, 2));
  return outputs;
}

void FpnImpl::fuse(Precision precision) {
  for (auto& layer : inner_) layer.fuse(precision);
  for (auto& layer : layer_) layer.fuse(precision);
}

std::shared_ptr<NeckImpl> make_fpn(const config::Node& node, const NeckInputs& inputs) {
  FpnOptions options;
  node.read("channels", options.channels, {.min = 1});
  options.norm.read(node);
  return std::make_shared<FpnImpl>(inputs.features, options);
}

}  // namespace rcnn::nn
