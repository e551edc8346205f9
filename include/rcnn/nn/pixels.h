#pragma once

#include <array>

#include <ATen/core/Tensor.h>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// What the network makes of pixels before its first layer.
struct RCNN_EXPORT PixelOptions {
  enum class Order { rgb, bgr } order = Order::rgb;  ///< of the input channels, and so of mean and std
  double range = 1;                                  ///< the brightest pixel's value before mean and std
  std::array<double, 3> mean = {0.485, 0.456, 0.406};
  std::array<double, 3> std = {0.229, 0.224, 0.225};

  /// Keys: order (rgb, bgr), range, mean, std.
  static PixelOptions from(const config::Node& node);
};

/// Makes the network's input of images, in the order in which torchvision does it: normalises each,
/// (pixel * range / 255 - mean) / std, resizes it bilinearly without antialiasing (pixel centres at half
/// integers), and puts it at the top left of zeros.
///
/// batch     at least one image, on any device; images are uploaded as they are
/// returns   [N, 3, H, W] of `like`'s dtype and device, float32 or float64, channels_last; H and W are
///           batch.largest_size() rounded up to multiples of `size_divisor`
/// Throws c10::Error for what is no image.
RCNN_EXPORT at::Tensor network_input(const ImageBatch& batch, const PixelOptions& options,
                                     int64_t size_divisor, const at::TensorOptions& like);

}  // namespace rcnn::nn
