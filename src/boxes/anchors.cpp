#include <cmath>

#include <torch/torch.h>

#include <rcnn/boxes/anchors.h>

namespace rcnn::boxes {
namespace {

constexpr size_t kRecentSizes = 16;

at::Tensor cell_anchors(const std::vector<double>& sizes, const std::vector<double>& ratios) {
  std::vector<float> corners;
  for (const double ratio : ratios) {
    const auto height_ratio = std::sqrt(static_cast<float>(ratio));
    for (const double size : sizes) {
      const auto half_width = std::nearbyint(1 / height_ratio * static_cast<float>(size) / 2);
      const auto half_height = std::nearbyint(height_ratio * static_cast<float>(size) / 2);
      corners.insert(corners.end(), {-half_width, -half_height, half_width, half_height});
    }
  }
  return at::tensor(corners).view({-1, 4});
}

at::Tensor shift(const at::Tensor& cell, ImageSize map, int64_t stride) {
  const auto x = at::arange(map.width, at::kFloat) * stride, y = at::arange(map.height, at::kFloat) * stride;
  const auto grid = at::meshgrid({y, x}, "ij");
  const auto offsets = at::stack({grid[1], grid[0], grid[1], grid[0]}, -1).view({-1, 1, 4});
  return (offsets + cell).view({-1, 4});
}

}  // namespace

AnchorGenerator::AnchorGenerator(const AnchorOptions& options, std::vector<int64_t> strides)
    : strides_(std::move(strides)) {
  if (strides_.size() == 1) {
    cells_ = {cell_anchors(options.sizes, options.ratios)};
    return;
  }
  TORCH_CHECK(options.sizes.size() == strides_.size(), "anchors: a pyramid of ", strides_.size(),
              " levels needs as many sizes, got ", options.sizes.size());
  for (const double size : options.sizes) cells_.push_back(cell_anchors({size}, options.ratios));
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
    anchors.push_back(shift(cells_[level], maps[level], strides_[level]).to(device));
  }
  if (recent_.size() == kRecentSizes) recent_.pop_front();
  recent_.push_back({maps, device, anchors});
  return anchors;
}

}  // namespace rcnn::boxes
