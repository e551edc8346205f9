#pragma once

#include <ATen/core/Tensor.h>

#include <rcnn/detection.h>

namespace rcnn::nn {

/// What cv::resize(INTER_LINEAR) gives, byte for byte (OpenCV 4 and 5, modules/imgproc/src/resize.cpp on a
/// CPU): bilinear without antialiasing, weights of 11 bits; but the mean of four pixels where both sides are
/// halved.
///
/// image    uint8 [H, W, 3] on the CPU, contiguous and not empty
/// returns  uint8 [size.height, size.width, 3], contiguous; `image` itself when it has the size
at::Tensor resize_as_opencv(const at::Tensor& image, ImageSize size);

}  // namespace rcnn::nn
