#pragma once

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include <rcnn/nn/frozen_batch_norm.h>

namespace rcnn::nn {

/// Whether batch normalisation uses the statistics it was loaded with, as detectors that start from ImageNet
/// weights do, or learns, which training from scratch needs.
enum class Norm { frozen, batch };

/// A convolution without bias and the normalisation behind it. No module itself: the owner registers both
/// under the names that its weights have.
class ConvNorm {
 public:
  ConvNorm(torch::nn::Conv2d conv, Norm norm);

  const torch::nn::Conv2d& conv() const { return conv_; }
  std::shared_ptr<torch::nn::Module> norm() const;

  /// A frozen norm is folded into the convolution's weights: a pass over these instead of two over the
  /// activations.
  at::Tensor operator()(const at::Tensor& x);

 private:
  torch::nn::Conv2d conv_;
  FrozenBatchNorm frozen_ = nullptr;
  torch::nn::BatchNorm2d batch_ = nullptr;  // one of the two is there
};

}  // namespace rcnn::nn
