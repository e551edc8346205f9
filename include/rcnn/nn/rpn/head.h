#pragma once

#include <vector>

#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>

namespace rcnn::nn {

/// What the RPN says of every anchor of every level.
struct RpnPrediction {
  std::vector<at::Tensor>
      objectness;                  ///< [N, A_level] logits, a level each; anchors in the generator's order
  std::vector<at::Tensor> deltas;  ///< [N, A_level, 4]
};

/// 3x3 convolution, ReLU, and two sibling 1x1 convolutions, shared by all levels (Faster R-CNN, section 3.1).
/// torchvision's names: conv.0.0, cls_logits, bbox_pred. Weights start as N(0, 0.01), biases as 0.
class RpnHeadImpl : public torch::nn::Module {
 public:
  RpnHeadImpl(int64_t channels, int64_t anchors_per_cell);
  RpnPrediction forward(const std::vector<at::Tensor>& maps);

 private:
  torch::nn::Conv2d conv_, cls_logits_, bbox_pred_;
};
TORCH_MODULE(RpnHead);

}  // namespace rcnn::nn
