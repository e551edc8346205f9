#include <cmath>

#include <torch/torch.h>

#include <rcnn/boxes/anchors.h>

namespace rcnn::boxes {
namespace {

constexpr size_t kRecentSizes = 16;

at::Tensor cell_anchors(const std::vector<double>& sizes, const AnchorOptions& options) {
  std::vector<float> corners;
  for (const double ratio : options.ratios) {
    const auto height_ratio = std::sqrt(static_cast<float>(ratio));
    for (const double size : sizes) {
      float half_width = 1 / height_ratio * static_cast<float>(size) / 2;
      float half_height = height_ratio * static_cast<float>(size) / 2;
      if (options.rounded) {
        half_width = std::nearbyint(half_width);
        half_height = std::nearbyint(half_height);
      }
      corners.insert(corners.end(), {-half_width, -half_height, half_width, half_height});
    }
  }
  return at::tensor(corners).view({-1, 4});
}

at::Tensor shift(const at::Tensor& cell, ImageSize map, ImageSize spacing) {
  const auto x = at::arange(map.width, at::kFloat) * spacing.width;
  const auto y = at::arange(map.height, at::kFloat) * spacing.height;
  const auto grid = at::meshgrid({y, x}, "ij");
  const auto offsets = at::stack({grid[1], grid[0], grid[1], grid[0]}, -1).view({-1, 1, 4});
  return (offsets + cell).view({-1, 4});
}

}  // namespace

AnchorGenerator::AnchorGenerator(const AnchorOptions& options, std::vector<int64_t> strides)
    : spacing_(options.spacing), strides_(std::move(strides)) {
  if (strides_.size() == 1) {
    cells_ = {cell_anchors(options.sizes, options)};
    return;
  }
  TORCH_CHECK(options.sizes.size() == strides_.size(), "anchors: a pyramid of ", strides_.size(),
              " levels needs as many sizes, got ", options.sizes.size());
  for (const double size : options.sizes) cells_.push_back(cell_anchors({size}, options));
}

std::vector<at::Tensor> AnchorGenerator::anchors(const std::vector<ImageSize>& maps,
                                                 const at::Device& device) {
  TORCH_CHECK(maps.size() == strides_.size(), "anchors: expected ", strides_.size(), " maps, got ",
              maps.size());
  const std::lock_guard lock(mutex_);
  for (const auto& entry : recent_) {
    if (entry.maps == maps && entry.device == device) return entry.anchors;
  }
  std::vector<at::Tensor> anchors;
  for (size_t level = 0; level < maps.size(); ++level) {
    const auto map = maps[level];
    auto spacing = ImageSize{strides_[level], strides_[level]};
    if (spacing_ == AnchorOptions::Spacing::fitted && map.height > 0 && map.width > 0) {
      spacing = {strides_[0] * maps[0].height / map.height, strides_[0] * maps[0].width / map.width};
    }
    anchors.push_back(shift(cells_[level], map, spacing).to(device));
  }
  if (recent_.size() == kRecentSizes) recent_.pop_front();
  recent_.push_back({maps, device, anchors});
  return anchors;
}

}  // namespace rcnn::boxes
