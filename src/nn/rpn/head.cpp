#include <torch/torch.h>

#include <rcnn/nn/rpn/head.h>

namespace rcnn::nn {
namespace {

torch::nn::Conv2d conv(int64_t in, int64_t out, int64_t kernel) {
  torch::nn::Conv2d layer(torch::nn::Conv2dOptions(in, out, kernel).padding(kernel / 2));
  torch::nn::init::normal_(layer->weight, 0, 0.01);
  torch::nn::init::zeros_(layer->bias);
  return layer;
}

/// [N, A * K, H, W] -> [N, H * W * A, K]
at::Tensor by_anchor(const at::Tensor& map, int64_t per_anchor) {
  return map.permute({0, 2, 3, 1}).reshape({map.size(0), -1, per_anchor});
}

}  // namespace

RpnHeadImpl::RpnHeadImpl(int64_t channels, int64_t anchors_per_cell, int64_t convs)
    : cls_logits_(conv(channels, anchors_per_cell, 1)), bbox_pred_(conv(channels, 4 * anchors_per_cell, 1)) {
  torch::nn::ModuleList blocks;
  for (int64_t i = 0; i < convs; ++i) {
    convs_.push_back(conv(channels, channels, 3));
    blocks->push_back(torch::nn::Sequential(convs_.back()));
  }
  register_module("conv", blocks);
  register_module("cls_logits", cls_logits_);
  register_module("bbox_pred", bbox_pred_);
}

RpnPrediction RpnHeadImpl::forward(const std::vector<at::Tensor>& maps) {
  RpnPrediction prediction;
  for (const auto& map : maps) {
    auto hidden = map;
    for (auto& layer : convs_) hidden = layer->forward(hidden).relu_();
    prediction.objectness.push_back(by_anchor(cls_logits_->forward(hidden), 1).squeeze(-1));
    prediction.deltas.push_back(by_anchor(bbox_pred_->forward(hidden), 4));
  }
  return prediction;
}

}  // namespace rcnn::nn
