#pragma once

#include <span>
#include <string>
#include <vector>

#include <rcnn/types.h>

namespace rcnn::vis {

/// Draws boxes with "name 0.93" labels onto a copy of `image` (uint8 [H, W, 3] RGB). Line width and text
/// follow the image's size; a class keeps its colour; labels are legible on any background and stay inside
/// the image.
at::Tensor draw_detections(const at::Tensor& image, std::span<const Detection> detections,
                           const std::vector<Category>& categories);

}  // namespace rcnn::vis
