#include "nn/layers/constant_conv.h"

#include <torch/torch.h>

namespace rcnn::nn {

torch::nn::Conv2d constant_conv(const torch::nn::Conv2dOptions& options, double bias) {
  torch::nn::Conv2d conv(options);
  torch::nn::init::zeros_(conv->weight);
  torch::nn::init::constant_(conv->bias, bias);
  return conv;
}

}  // namespace rcnn::nn
