#pragma once

#include <array>

#include <ATen/core/Tensor.h>

#include <rcnn/boxes/convention.h>
#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/resize.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// What the network makes of pixels before its first layer.
struct RCNN_EXPORT PixelOptions {
  enum class Order { rgb, bgr } order = Order::rgb;  ///< of the input channels, and so of mean and std
  double range = 1;                                  ///< the brightest pixel's value before mean and std
  std::array<double, 3> mean = {0.485, 0.456, 0.406};
  std::array<double, 3> std = {0.229, 0.224, 0.225};
  Resize resize = Resize::torchvision;  ///< sizes are then data::resized()'s of the same name

  /// What py-faster-rcnn's networks are given: BGR from 0 to 255 less the mean of ImageNet, to sizes that
  /// OpenCV rounds to.
  static PixelOptions caffe();

  /// Keys: order (rgb, bgr), range, mean, std, resize (torchvision, pillow, opencv). Defaults are those
  /// above, or caffe()'s for a model of Convention::pixels.
  static PixelOptions from(const config::Node& node, boxes::Convention convention = boxes::Convention::edges);
};

/// Makes the network's input of images. Normalises each, (pixel * range / 255 - mean) / std, resizes it and
/// puts it at the top left of zeros. Resize::torchvision resizes after normalising, bilinearly without
/// antialiasing (pixel centres at half integers). Resize::pillow and Resize::opencv resize the bytes before,
/// exactly as these libraries do, on the CPU.
///
/// batch     at least one image, on any device; images are uploaded as they are, or as resized bytes
/// returns   [N, 3, H, W] of `like`'s dtype and device, float32 or float64, channels_last; H and W are
///           batch.largest_size(), or `least_side` where that is more, rounded up to multiples of
///           `size_divisor`
/// Throws c10::Error for what is no image.
RCNN_EXPORT at::Tensor network_input(const ImageBatch& batch, const PixelOptions& options,
                                     int64_t size_divisor, const at::TensorOptions& like,
                                     int64_t least_side = 1);

}  // namespace rcnn::nn
