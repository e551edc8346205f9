#include <bit>
#include <cmath>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/nn/roi/pooler.h>
#include <rcnn/ops/roi_align.h>
#include <rcnn/ops/roi_pool.h>

namespace rcnn::nn {
namespace {

// FPN pools a box of ImageNet's size (224 pixels) from the map of stride 16.
constexpr double kCanonicalSize = 224, kCanonicalLevel = 4;
// mmdetection's finest_scale, the least size of what the second finest map is for being twice that.
constexpr double kFinestSize = 56;

/// The levels that the paper's equation numbers: each of twice the stride of the one before, powers of two.
bool are_of_a_pyramid(const std::vector<int64_t>& strides) {
  for (size_t i = 0; i < strides.size(); ++i) {
    if (strides[i] != strides.front() << i) return false;
  }
  return strides.front() > 0 && std::has_single_bit(static_cast<uint64_t>(strides.front()));
}

}  // namespace

at::Tensor RoiPoolerImpl::cells(const at::Tensor&) const {
  return {};
}

void RoiPoolerOptions::read(const config::Node& node) {
  node.read("size", size, {.min = 1});
  node.read("sampling_ratio", sampling_ratio, {.min = 0, .max = 1024});
  node.read("aligned", aligned);
}

LevelPoolerImpl::LevelPoolerImpl(const std::vector<FeatureSpec>& features, const RoiPoolerOptions& options)
    : options_(options), channels_(features.front().channels) {
  std::vector<int64_t> strides;
  for (const auto& feature : features) {
    strides.push_back(feature.stride);
    scales_.push_back(1.0 / static_cast<double>(feature.stride));
  }
  if (options.kind == RoiPoolerOptions::Kind::pool && scales_.size() > 1) {
    throw ConfigError("model.roi.pooler.type: pool takes one feature map, a pyramid needs align");
  }
  if (scales_.size() > 1 && !are_of_a_pyramid(strides)) {
    throw ConfigError(fmt::format(
        "model.roi: levels of strides {} are no pyramid to pool from, in which each has twice the "
        "stride of the one before: model.backbone.levels must leave none out between its first and "
        "its last, without c5_dilation",
        fmt::join(strides, ", ")));
  }
}

at::Tensor LevelPoolerImpl::levels(const at::Tensor& boxes) const {
  const auto corners = boxes.unbind(1);
  const auto size = at::sqrt((corners[2] - corners[0]) * (corners[3] - corners[1]));
  const auto coarsest = static_cast<double>(scales_.size()) - 1;
  if (options_.level_rule == RoiPoolerOptions::LevelRule::mmdetection) {
    return at::floor(at::log2(size / kFinestSize + 1e-6)).clamp(0, coarsest).to(at::kLong);
  }
  // torchvision's 1e-6 keeps exact powers (112, 224, ...) on the upper side of the floor.
  const auto level = at::floor(kCanonicalLevel + at::log2(size / kCanonicalSize) + 1e-6);
  const double finest = -std::log2(scales_.front());
  return (level.clamp(finest, finest + coarsest) - finest).to(at::kLong);
}

at::Tensor LevelPoolerImpl::cells(const at::Tensor& boxes) const {
  if (options_.kind != RoiPoolerOptions::Kind::pool) return {};
  // Half away from zero, as ops::roi_pool() rounds; in float32 a sum with a half would round by itself.
  const auto place = (boxes * scales_.front()).to(at::kDouble);
  return at::floor(place.abs() + 0.5) * place.sign();
}

std::vector<at::Tensor> LevelPoolerImpl::forward(const std::vector<at::Tensor>& maps,
                                                 const std::vector<at::Tensor>& boxes) {
  const auto rois = boxes::to_rois(boxes);
  if (options_.kind == RoiPoolerOptions::Kind::pool) {
    return {ops::roi_pool(maps.front(), rois, options_.size, options_.size, scales_.front())};
  }
  const ops::RoiAlignOptions align{.height = options_.size,
                                   .width = options_.size,
                                   .sampling_ratio = options_.sampling_ratio,
                                   .aligned = options_.aligned};
  if (maps.size() == 1) return {ops::roi_align(maps.front(), rois, scales_.front(), align)};
  return {ops::roi_align(maps, rois, levels(rois.narrow(1, 1, 4)), scales_, align)};
}

std::shared_ptr<RoiPoolerImpl> make_level_pooler(RoiPoolerOptions::Kind kind, const config::Node& node,
                                                 const std::vector<FeatureSpec>& features) {
  RoiPoolerOptions options{.kind = kind};
  options.read(node);
  using Rule = RoiPoolerOptions::LevelRule;
  if (kind == RoiPoolerOptions::Kind::align)
    node.read("level_rule", options.level_rule,
              {{"torchvision", Rule::torchvision}, {"mmdetection", Rule::mmdetection}});
  return std::make_shared<LevelPoolerImpl>(features, options);
}

}  // namespace rcnn::nn
