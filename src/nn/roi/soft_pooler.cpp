#include <algorithm>

#include <torch/torch.h>

#include <rcnn/nn/roi/soft_pooler.h>

namespace rcnn::nn {

SoftPoolerImpl::SoftPoolerImpl(const std::vector<FeatureSpec>& features, const RoiPoolerOptions& options)
    : levels_(features, options),
      fusion_(register_module("spatial_attention_conv",
                              AdaptiveSpatialFusion(features.front().channels, std::ssize(features)))) {}

std::vector<at::Tensor> SoftPoolerImpl::forward(const std::vector<at::Tensor>& maps,
                                                const std::vector<at::Tensor>& boxes) {
  return {fusion_->forward(levels_->forward(maps, boxes))};
}

std::shared_ptr<RoiPoolerImpl> make_soft_pooler(const config::Node& node,
                                                const std::vector<FeatureSpec>& features) {
  const auto channels = features.front().channels;
  if (features.size() < 2) {
    throw node.error("type", "soft selects among several levels, and RoIs are pooled from one: take align");
  }
  if (!std::ranges::all_of(features, [&](const auto& level) { return level.channels == channels; })) {
    throw node.error("type", "soft sums levels of the same channels, as a neck gives them");
  }
  RoiPoolerOptions options;
  options.read(node);
  return std::make_shared<SoftPoolerImpl>(features, options);
}

}  // namespace rcnn::nn
