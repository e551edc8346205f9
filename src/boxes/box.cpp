#include <torch/torch.h>

#include <rcnn/boxes/box.h>

#include "boxes/box_checks.h"

namespace rcnn::boxes {
namespace {

/// What a box keeps when it is clipped.
int64_t least_side(Convention convention) {
  return convention == Convention::pixels ? 1 : 0;
}

}  // namespace

at::Tensor clip(const at::Tensor& boxes, ImageSize size, Convention convention) {
  check_boxes("clip", "boxes", boxes);
  const auto corners = boxes.unbind(-1);
  const auto width = static_cast<double>(size.width), height = static_cast<double>(size.height);
  const auto side = static_cast<double>(least_side(convention));
  return at::stack({corners[0].clamp(0, width - side), corners[1].clamp(0, height - side),
                    corners[2].clamp(side, width), corners[3].clamp(side, height)},
                   -1);
}

at::Tensor clip(const at::Tensor& boxes, const std::vector<ImageSize>& sizes, Convention convention) {
  check_boxes("clip", "boxes", boxes, 3);
  TORCH_CHECK(boxes.size(0) == std::ssize(sizes), "clip: sizes: expected one for each of ", boxes.size(0),
              " images, got ", sizes.size());
  // Filled where the boxes are: a copy from the host would wait for the device.
  const auto limits = at::empty({boxes.size(0), 1, 4}, boxes.options());
  for (size_t image = 0; image < sizes.size(); ++image) {
    const auto limit = limits[static_cast<int64_t>(image)];
    limit.slice(1, 0, 4, 2).fill_(sizes[image].width);
    limit.slice(1, 1, 4, 2).fill_(sizes[image].height);
  }
  if (convention == Convention::edges) return boxes.clamp_min(0).minimum(limits);
  const auto side = least_side(convention);
  limits.narrow(2, 0, 2).sub_(side);
  const auto least = at::zeros({4}, boxes.options());
  least.narrow(0, 2, 2).fill_(side);
  return boxes.maximum(least).minimum(limits);
}

at::Tensor large_enough(const at::Tensor& boxes, double min_size) {
  check_boxes("large_enough", "boxes", boxes);
  const auto corners = boxes.unbind(-1);
  return (corners[2] - corners[0] >= min_size).logical_and(corners[3] - corners[1] >= min_size);
}

at::Tensor inside(const at::Tensor& boxes, ImageSize size, Convention convention) {
  check_boxes("inside", "boxes", boxes);
  const auto corners = boxes.unbind(-1);
  if (convention == Convention::pixels) {
    return (corners[0] >= 0)
        .logical_and(corners[1] >= 0)
        .logical_and(corners[2] < size.width + 1)
        .logical_and(corners[3] < size.height + 1);
  }
  return (corners[0] >= 0)
      .logical_and(corners[1] >= 0)
      .logical_and(corners[2] <= size.width)
      .logical_and(corners[3] <= size.height);
}

at::Tensor rescale(const at::Tensor& boxes, ImageSize from, ImageSize to) {
  check_boxes("rescale", "boxes", boxes);
  TORCH_CHECK(from.height > 0 && from.width > 0, "rescale: from: expected a size with pixels, got ",
              from.width, " x ", from.height);
  const float x = static_cast<float>(to.width) / static_cast<float>(from.width);
  const float y = static_cast<float>(to.height) / static_cast<float>(from.height);
  return boxes * at::tensor({x, y, x, y}, boxes.options());
}

at::Tensor trim(const at::Tensor& boxes, double width, double height) {
  check_boxes("trim", "boxes", boxes);
  const auto corners = boxes.unbind(-1);
  return at::stack({corners[0], corners[1], corners[2] - width, corners[3] - height}, -1);
}

at::Tensor to_rois(const std::vector<at::Tensor>& boxes) {
  TORCH_CHECK(!boxes.empty(), "to_rois: boxes: expected those of one image or more, got none");
  std::vector<at::Tensor> rois;
  rois.reserve(boxes.size());
  for (size_t image = 0; image < boxes.size(); ++image) {
    check_boxes("to_rois", "boxes", boxes[image], 2);
    const auto index =
        at::full({boxes[image].size(0), 1}, static_cast<double>(image), boxes[image].options());
    rois.push_back(at::cat({index, boxes[image]}, 1));
  }
  return at::cat(rois);
}

}  // namespace rcnn::boxes
