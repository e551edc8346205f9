#include <algorithm>
#include <cmath>

#include <torch/torch.h>

#include <rcnn/boxes/anchors.h>

namespace rcnn::boxes {
namespace {

/// py-faster-rcnn's, as edges.
at::Tensor cell_anchors_in_pixels(const std::vector<double>& sizes, const std::vector<double>& ratios,
                                  int64_t stride) {
  const auto side = static_cast<double>(stride), middle = (side - 1) / 2;
  std::vector<double> corners;
  for (const double ratio : ratios) {
    const double width = std::max(std::nearbyint(std::sqrt(side * side / ratio)), 1.0);
    const double height = std::max(std::nearbyint(width * ratio), 1.0);
    for (const double size : sizes) {
      const double half_width = (width * size / side - 1) / 2, half_height = (height * size / side - 1) / 2;
      corners.insert(corners.end(), {middle - half_width, middle - half_height, middle + half_width + 1,
                                     middle + half_height + 1});
    }
  }
  return at::tensor(corners, at::kFloat).view({-1, 4});
}

at::Tensor cell_anchors(const std::vector<double>& sizes, const AnchorOptions& options, int64_t stride) {
  if (options.convention == Convention::pixels) {
    return cell_anchors_in_pixels(sizes, options.ratios, stride);
  }
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

/// A level's, made where `cell` [A, 4] is.
at::Tensor shift(const at::Tensor& cell, ImageSize map, ImageSize spacing) {
  const auto x = at::arange(map.width, cell.options()) * spacing.width;
  const auto y = at::arange(map.height, cell.options()) * spacing.height;
  const auto corners = cell.view({-1, 2, 2});  // anchor, corner, x or y
  const auto anchors = at::empty({map.height, map.width, cell.size(0), 2, 2}, cell.options());
  anchors.select(4, 0).copy_(x.view({1, -1, 1, 1}) + corners.select(2, 0));
  anchors.select(4, 1).copy_(y.view({-1, 1, 1, 1}) + corners.select(2, 1));
  return anchors.view({-1, 4});
}

}  // namespace

AnchorGenerator::AnchorGenerator(const AnchorOptions& options, std::vector<int64_t> strides)
    : spacing_(options.spacing), strides_(std::move(strides)) {
  const auto are_positive = [](const auto& numbers) {
    return !numbers.empty() && std::all_of(numbers.begin(), numbers.end(), [](auto n) { return n > 0; });
  };
  TORCH_CHECK(are_positive(strides_), "anchors: strides: expected positive numbers, got ", strides_);
  TORCH_CHECK(are_positive(options.sizes), "anchors: sizes: expected positive numbers, got ", options.sizes);
  TORCH_CHECK(are_positive(options.ratios), "anchors: ratios: expected positive numbers, got ",
              options.ratios);
  const auto ratios = std::ssize(options.ratios);
  anchors_per_cell_ = strides_.size() == 1 ? ratios * std::ssize(options.sizes) : ratios;
  if (strides_.size() == 1) {
    cells_ = {cell_anchors(options.sizes, options, strides_.front())};
    return;
  }
  TORCH_CHECK(options.sizes.size() == strides_.size(), "anchors: a pyramid of ", strides_.size(),
              " levels needs as many sizes, got ", options.sizes.size());
  for (size_t level = 0; level < strides_.size(); ++level) {
    cells_.push_back(cell_anchors({options.sizes[level]}, options, strides_[level]));
  }
}

std::vector<at::Tensor> AnchorGenerator::cells_on(const at::Device& device) {
  const std::lock_guard lock(mutex_);
  if (cells_.front().device() != device) {
    for (auto& cell : cells_) cell = cell.to(device);
  }
  return cells_;
}

std::vector<at::Tensor> AnchorGenerator::anchors(const std::vector<ImageSize>& maps,
                                                 const at::Device& device) {
  TORCH_CHECK(maps.size() == strides_.size(), "anchors: expected ", strides_.size(), " maps, got ",
              maps.size());
  const auto cells = cells_on(device);
  std::vector<at::Tensor> anchors;
  for (size_t level = 0; level < maps.size(); ++level) {
    const auto map = maps[level];
    auto spacing = ImageSize{strides_[level], strides_[level]};
    if (spacing_ == AnchorOptions::Spacing::fitted && map.height > 0 && map.width > 0) {
      spacing = {strides_[0] * maps[0].height / map.height, strides_[0] * maps[0].width / map.width};
    }
    anchors.push_back(shift(cells[level], map, spacing));
  }
  return anchors;
}

}  // namespace rcnn::boxes
