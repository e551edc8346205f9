#include <array>

#include <torch/torch.h>

#include <rcnn/nn/backbones/vgg.h>

namespace rcnn::nn {
namespace {

constexpr std::array kConvsOfStage = {2, 2, 3, 3, 3};
constexpr std::array kWidthOfStage = {1, 2, 4, 8, 8};

}  // namespace

VggImpl::VggImpl(const VggOptions& options) {
  int64_t channels = 3;
  for (size_t stage = 0; stage < kConvsOfStage.size(); ++stage) {
    if (stage > 0) layers_->push_back(torch::nn::MaxPool2d(torch::nn::MaxPool2dOptions(2)));
    for (int i = 0; i < kConvsOfStage[stage]; ++i) {
      torch::nn::Conv2d conv(
          torch::nn::Conv2dOptions(channels, kWidthOfStage[stage] * options.width, 3).padding(1));
      torch::nn::init::kaiming_normal_(conv->weight, 0, torch::kFanOut, torch::kReLU);
      torch::nn::init::zeros_(conv->bias);
      if (static_cast<int64_t>(stage) < options.frozen_stages) {
        conv->weight.set_requires_grad(false);
        conv->bias.set_requires_grad(false);
      }
      channels = conv->options.out_channels();
      layers_->push_back(conv);
      layers_->push_back(torch::nn::ReLU(torch::nn::ReLUOptions(true)));
    }
  }
  channels_ = channels;
  register_module("features", layers_);
}

std::vector<at::Tensor> VggImpl::forward(const at::Tensor& images) {
  return {layers_->forward(images)};
}

std::shared_ptr<BackboneImpl> make_vgg16(const config::Node& node) {
  VggOptions options;
  node.read("width", options.width, {.min = 1});
  node.read("frozen_stages", options.frozen_stages, {.min = 0, .max = 5});
  return std::make_shared<VggImpl>(options);
}

}  // namespace rcnn::nn
