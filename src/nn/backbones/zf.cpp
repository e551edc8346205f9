#include <algorithm>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/nn/backbones/zf.h>

namespace rcnn::nn {
namespace {

constexpr size_t kPooledConvs = 2;  // conv1 and conv2
constexpr int64_t kPublishedWidth = 96;

torch::nn::Conv2d zf_conv(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding) {
  torch::nn::Conv2d layer(torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(padding));
  torch::nn::init::normal_(layer->weight, 0, 0.01);
  torch::nn::init::zeros_(layer->bias);
  return layer;
}

std::shared_ptr<BackboneImpl> make_of(const config::Node& node, ZfOptions options) {
  int64_t width = kPublishedWidth;
  node.read("width", width, {.min = 1});
  node.read("frozen_stages", options.frozen_stages, {.min = 0, .max = 5});
  for (auto& channels : options.channels) channels = std::max<int64_t>(channels * width / kPublishedWidth, 1);
  return std::make_shared<ZfImpl>(options);
}

}  // namespace

ZfImpl::ZfImpl(const ZfOptions& options) : options_(options) {
  const auto& c = options.channels;
  const std::array layers = {zf_conv(3, c[0], 7, 2, options.conv1_padding),
                             zf_conv(c[0], c[1], 5, 2, options.conv2_padding), zf_conv(c[1], c[2], 3, 1, 1),
                             zf_conv(c[2], c[3], 3, 1, 1), zf_conv(c[3], c[4], 3, 1, 1)};
  for (const auto& layer : layers) {
    convs_.emplace_back(layer, NormOptions{.type = Norm::none});
    convs_.back().register_in(*this, fmt::format("conv{}", convs_.size()), "");
    if (std::ssize(convs_) <= options.frozen_stages) convs_.back().freeze();
  }
}

std::vector<at::Tensor> ZfImpl::forward(const at::Tensor& images) {
  const auto margin = [&](int64_t side) { return std::max<int64_t>(options_.least_side - side, 0); };
  const auto below = margin(images.size(2)), beside = margin(images.size(3));
  auto x = below + beside > 0 ? at::constant_pad_nd(images, {0, beside, 0, below}) : images;
  for (size_t i = 0; i < convs_.size(); ++i) {
    x = convs_[i].relu(x);
    if (i >= kPooledConvs) continue;
    x = at::max_pool2d(local_response_norm(x, options_.norm), 3, 2, options_.pool_padding, 1,
                       /*ceil_mode=*/true);
  }
  return {x};
}

void ZfImpl::fuse(Precision precision) {
  for (auto& layer : convs_) layer.fuse(precision);
}

std::shared_ptr<BackboneImpl> make_zf(const config::Node& node) {
  return make_of(node, {});
}

std::shared_ptr<BackboneImpl> make_vgg_cnn_m_1024(const config::Node& node) {
  return make_of(node, {.channels = {96, 256, 512, 512, 512},
                        .conv1_padding = 0,
                        .conv2_padding = 1,
                        .pool_padding = 0,
                        .norm = {.size = 5, .alpha = 5e-4, .k = 2},
                        .least_side = 25,
                        .frozen_stages = 1});
}

}  // namespace rcnn::nn
