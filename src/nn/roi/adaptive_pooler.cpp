#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/nn/roi/adaptive_pooler.h>
#include <rcnn/ops/roi_align.h>

namespace rcnn::nn {

AdaptivePoolerImpl::AdaptivePoolerImpl(const std::vector<FeatureSpec>& features,
                                       const RoiPoolerOptions& options)
    : options_(options), features_(features) {}

std::vector<at::Tensor> AdaptivePoolerImpl::forward(const std::vector<at::Tensor>& maps,
                                                    const std::vector<at::Tensor>& boxes) {
  TORCH_CHECK(maps.size() == features_.size(), "AdaptivePooler: maps: expected ", features_.size(), ", got ",
              maps.size());
  const auto rois = boxes::to_rois(boxes);
  std::vector<at::Tensor> grids;
  for (size_t i = 0; i < maps.size(); ++i) {
    grids.push_back(ops::roi_align(maps[i], rois, 1.0 / static_cast<double>(features_[i].stride),
                                   {.height = options_.size,
                                    .width = options_.size,
                                    .sampling_ratio = options_.sampling_ratio,
                                    .aligned = options_.aligned}));
  }
  return grids;
}

std::vector<GridSpec> AdaptivePoolerImpl::grids() const {
  std::vector<GridSpec> grids;
  for (const auto& feature : features_) grids.push_back({feature.channels, options_.size});
  return grids;
}

std::shared_ptr<RoiPoolerImpl> make_adaptive_pooler(const config::Node& node,
                                                    const std::vector<FeatureSpec>& features) {
  RoiPoolerOptions options;
  options.read(node);
  return std::make_shared<AdaptivePoolerImpl>(features, options);
}

}  // namespace rcnn::nn
