#pragma once

#include <span>
#include <string>
#include <vector>

#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn::vis {

/// Draws boxes with "name 0.93" labels onto a copy of `image` (uint8 [H, W, 3] RGB on the CPU), the first
/// detection on top. Line width and text follow the image's size; a class keeps its colour; labels are
/// legible on any background and stay inside the image. One that would be too small to read, or would cover a
/// better one wherever along the box it were put, is left out. The font has ASCII only: each other character
/// of a name is a '?'.
///
/// Without detections the copy is returned as it is. Throws c10::Error for another kind of image, a label
/// outside 1..C and a box that is not finite.
RCNN_EXPORT at::Tensor draw_detections(const at::Tensor& image, std::span<const Detection> detections,
                                       const std::vector<Category>& categories);

}  // namespace rcnn::vis
