#pragma once

#include <ATen/core/Tensor.h>

#include <rcnn/detection.h>

namespace rcnn::nn {

/// What PIL.Image.resize(size, BILINEAR) gives, byte for byte (Pillow 13, src/libImaging/Resample.c): along
/// each axis a triangle as wide as two pixels of the smaller of both images, in fixed point, rounded to bytes
/// after each axis. Pillow before 13 always begins with rows; where the height loses more than twice as many
/// pixels as the width, its values differ from these by 1 here and there.
///
/// image    uint8 [H, W, 3] on the CPU, contiguous and not empty
/// returns  uint8 [size.height, size.width, 3], contiguous; `image` itself when it has the size
at::Tensor resize_as_pillow(const at::Tensor& image, ImageSize size);

}  // namespace rcnn::nn
