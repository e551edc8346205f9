#pragma once

#include <array>

#include <ATen/core/Tensor.h>

namespace rcnn::nn {

/// What becomes of an image's pixels, for each channel of the network: pixel * scale + shift.
struct PixelScaling {
  bool bgr = false;  ///< the network's channels are the image's in the opposite order
  std::array<double, 3> scale, shift;
};

/// Scales an image's pixels and resizes it bilinearly, as at::upsample_bilinear2d does without align_corners,
/// in one pass on the CPU: several times as fast as by operators, which leave pixels of three channels to
/// plain loops.
///
/// image  uint8 [H, W, 3] on the CPU, not empty
/// out    float32 or float64 [3, h, w] with the pixels of a row side by side, as in a part of a channels_last
///        batch; overwritten
void resize_pixels(const at::Tensor& image, const PixelScaling& scaling, const at::Tensor& out);

}  // namespace rcnn::nn
