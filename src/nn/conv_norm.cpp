#include <torch/torch.h>

#include <rcnn/nn/conv_norm.h>

namespace rcnn::nn {

void NormOptions::read(const config::Node& node) {
  if (type == Norm::none) {
    node.read("norm", type, {{"none", Norm::none}, {"frozen", Norm::frozen}, {"batch", Norm::batch}});
  } else {
    node.read("norm", type, {{"frozen", Norm::frozen}, {"batch", Norm::batch}});
  }
  if (type != Norm::none) node.read("norm_eps", eps, {.min = 0, .max = 1});
}

ConvNorm::ConvNorm(torch::nn::Conv2d conv, const NormOptions& norm) : conv_(std::move(conv)) {
  const auto channels = conv_->options.out_channels();
  if (norm.type == Norm::frozen) {
    frozen_ = FrozenBatchNorm(channels, norm.eps);
  } else if (norm.type == Norm::batch) {
    batch_ = torch::nn::BatchNorm2d(torch::nn::BatchNorm2dOptions(channels).eps(norm.eps));
  }
}

std::shared_ptr<torch::nn::Module> ConvNorm::norm() const {
  if (frozen_) return frozen_.ptr();
  if (batch_) return batch_.ptr();
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

at::Tensor ConvNorm::operator()(const at::Tensor& x) {
  if (frozen_) return conv_norm(conv_, frozen_, x);
  const auto y = conv_->forward(x);
  return batch_ ? batch_->forward(y) : y;
}

}  // namespace rcnn::nn
