#include <torch/torch.h>

#include <rcnn/nn/conv_norm.h>

namespace rcnn::nn {

ConvNorm::ConvNorm(torch::nn::Conv2d conv, Norm norm) : conv_(std::move(conv)) {
  const auto channels = conv_->options.out_channels();
  if (norm == Norm::frozen) {
    frozen_ = FrozenBatchNorm(channels);
  } else {
    batch_ = torch::nn::BatchNorm2d(channels);
  }
}

std::shared_ptr<torch::nn::Module> ConvNorm::norm() const {
  if (frozen_) return frozen_.ptr();
  return batch_.ptr();
}

at::Tensor ConvNorm::operator()(const at::Tensor& x) {
  return frozen_ ? conv_norm(conv_, frozen_, x) : batch_->forward(conv_->forward(x));
}

}  // namespace rcnn::nn
