#include <array>

#include <torch/torch.h>

#include <rcnn/nn/backbones/vgg.h>

namespace rcnn::nn {
namespace {

constexpr std::array kConvsOfStage = {2, 2, 3, 3, 3};
constexpr std::array kWidthOfStage = {1, 2, 4, 8, 8};

torch::nn::Conv2d conv(int64_t in, int64_t out) {
  torch::nn::Conv2d layer(torch::nn::Conv2dOptions(in, out, 3).padding(1));
  torch::nn::init::kaiming_normal_(layer->weight, 0, torch::kFanOut, torch::kReLU);
  torch::nn::init::zeros_(layer->bias);
  return layer;
}

std::shared_ptr<BackboneImpl> make(const config::Node& node, VggOptions options) {
  node.read("width", options.width, {.min = 1});
  if (options.norm.type != Norm::none) options.norm.read(node, options.width);
  node.read("frozen_stages", options.frozen_stages, {.min = 0, .max = 5});
  return std::make_shared<VggImpl>(options);
}

}  // namespace

VggImpl::VggImpl(const VggOptions& options) {
  const auto features = register_module("features", std::make_shared<torch::nn::Module>());
  channels_ = 3;
  int place = 0;  // torchvision counts ReLUs and poolings too
  for (size_t stage = 0; stage < kConvsOfStage.size(); ++stage) {
    auto& convs = stages_.emplace_back();
    for (int i = 0; i < kConvsOfStage[stage]; ++i) {
      convs.emplace_back(conv(channels_, kWidthOfStage[stage] * options.width), options.norm);
      convs.back().register_in(*features, std::to_string(place), std::to_string(place + 1));
      if (static_cast<int64_t>(stage) < options.frozen_stages) convs.back().freeze();
      channels_ = kWidthOfStage[stage] * options.width;
      place += options.norm.type == Norm::none ? 2 : 3;
    }
    ++place;
  }
}

std::vector<at::Tensor> VggImpl::forward(const at::Tensor& images) {
  auto x = images;
  for (size_t stage = 0; stage < stages_.size(); ++stage) {
    if (stage > 0) x = at::max_pool2d(x, 2, 2, 0, 1, rounds_up_);
    for (auto& layer : stages_[stage]) x = layer.relu(x);
  }
  return {x};
}

void VggImpl::fuse(Precision precision) {
  for (auto& stage : stages_) {
    for (auto& layer : stage) layer.fuse(precision);
  }
}

std::shared_ptr<BackboneImpl> make_vgg16(const config::Node& node) {
  return make(node, {});
}

std::shared_ptr<BackboneImpl> make_vgg16_bn(const config::Node& node) {
  return make(node, {.norm = {.type = Norm::frozen}});
}

}  // namespace rcnn::nn
