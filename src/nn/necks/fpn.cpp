#include <torch/torch.h>

#include <rcnn/nn/necks/fpn.h>

namespace rcnn::nn {
namespace {

torch::nn::Conv2d conv(int64_t in, int64_t out, int64_t kernel) {
  torch::nn::Conv2d layer(torch::nn::Conv2dOptions(in, out, kernel).padding(kernel / 2));
  torch::nn::init::kaiming_uniform_(layer->weight, 1);
  torch::nn::init::zeros_(layer->bias);
  return layer;
}

}  // namespace

FpnImpl::FpnImpl(const std::vector<FeatureSpec>& inputs, const FpnOptions& options) {
  torch::nn::ModuleList inner_blocks, layer_blocks;
  for (const auto& input : inputs) {
    inner_.push_back(conv(input.channels, options.channels, 1));
    layer_.push_back(conv(options.channels, options.channels, 3));
    inner_blocks->push_back(torch::nn::Sequential(inner_.back()));
    layer_blocks->push_back(torch::nn::Sequential(layer_.back()));
    features_.push_back({{'p', input.name.back()}, options.channels, input.stride});
  }
  const auto coarsest = features_.back();
  const char next = static_cast<char>(coarsest.name.back() + 1);
  features_.push_back({{'p', next}, options.channels, 2 * coarsest.stride});
  register_module("inner_blocks", inner_blocks);
  register_module("layer_blocks", layer_blocks);
}

std::vector<at::Tensor> FpnImpl::forward(const std::vector<at::Tensor>& maps) {
  std::vector<at::Tensor> outputs(maps.size());
  at::Tensor sum;
  for (size_t i = maps.size(); i-- > 0;) {
    auto lateral = inner_[i]->forward(maps[i]);
    if (sum.defined()) lateral += at::upsample_nearest2d(sum, lateral.sizes().slice(2));
    sum = lateral;
    outputs[i] = layer_[i]->forward(sum);
  }
  outputs.push_back(at::max_pool2d(outputs.back(), 1, 2));
  return outputs;
}

std::shared_ptr<NeckImpl> make_fpn(const config::Node& node, const std::vector<FeatureSpec>& inputs) {
  FpnOptions options;
  node.read("channels", options.channels, {.min = 1});
  return std::make_shared<FpnImpl>(inputs, options);
}

}  // namespace rcnn::nn
