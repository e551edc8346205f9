#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include <rcnn/export.h>

namespace rcnn::data {

/// How far colours are moved, as torchvision's ColorJitter takes it; 0 leaves them alone.
struct ColorJitterOptions {
  double brightness = 0;  ///< the factor is drawn from [max(0, 1 - brightness), 1 + brightness]
  double contrast = 0;    ///< likewise
  double saturation = 0;  ///< likewise
  double hue = 0;         ///< the turn is drawn from [-hue, hue]; 0.5 is half of the circle
  bool operator==(const ColorJitterOptions&) const = default;
};

/// torchvision's adjustments of uint8 tensors, its roundings too, of an image uint8 [H, W, 3] RGB, contiguous
/// on the CPU, in place. Brightness 0 is black, contrast 0 the mean of the grey image, saturation 0 the grey
/// image; 1 changes nothing. A turn of the hue is from -0.5 to 0.5.
RCNN_EXPORT void adjust_brightness(at::Tensor& image, double factor);
/// See adjust_brightness().
RCNN_EXPORT void adjust_contrast(at::Tensor& image, double factor);
/// See adjust_brightness().
RCNN_EXPORT void adjust_saturation(at::Tensor& image, double factor);
/// See adjust_brightness().
RCNN_EXPORT void adjust_hue(at::Tensor& image, double turn);

/// The adjustments whose option is not 0, in random order, in place. Order and factors depend on `seed`
/// alone.
RCNN_EXPORT void jitter_color(at::Tensor& image, const ColorJitterOptions& options, uint64_t seed);

}  // namespace rcnn::data
