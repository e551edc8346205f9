#pragma once

#include <torch/nn/modules/conv.h>

namespace rcnn::nn {

/// A convolution that gives `bias` whatever it sees, until it learns: its weights are 0.
torch::nn::Conv2d constant_conv(const torch::nn::Conv2dOptions& options, double bias = 0);

}  // namespace rcnn::nn
