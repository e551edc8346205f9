#include <torch/torch.h>

#include <rcnn/nn/layers/adaptive_spatial_fusion.h>

namespace rcnn::nn {
namespace {

ConvNorm xavier_conv(int64_t in, int64_t out, int64_t kernel) {
  torch::nn::Conv2d layer(torch::nn::Conv2dOptions(in, out, kernel).padding(kernel / 2));
  torch::nn::init::xavier_uniform_(layer->weight);
  torch::nn::init::zeros_(layer->bias);
  return {layer, {.type = Norm::none}};
}

}  // namespace

AdaptiveSpatialFusionImpl::AdaptiveSpatialFusionImpl(int64_t channels, int64_t maps)
    : squeeze_(xavier_conv(maps * channels, channels, 1)), weigh_(xavier_conv(channels, maps, 3)) {
  register_module("0", squeeze_.conv());
  register_module("2", weigh_.conv());
}

at::Tensor AdaptiveSpatialFusionImpl::forward(const std::vector<at::Tensor>& maps) {
  const auto weights = weigh_(squeeze_.relu(at::cat(maps, 1))).sigmoid();
  at::Tensor sum;
  for (size_t i = 0; i < maps.size(); ++i) {
    const auto weighted = weights.narrow(1, static_cast<int64_t>(i), 1) * maps[i];
    sum = sum.defined() ? sum.add_(weighted) : weighted;
  }
  return sum;
}

void AdaptiveSpatialFusionImpl::fuse(Precision precision) {
  squeeze_.fuse(precision);
  weigh_.fuse(precision);
}

}  // namespace rcnn::nn
