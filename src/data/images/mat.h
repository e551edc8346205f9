#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <opencv2/core.hpp>

#include <rcnn/types.h>

namespace rcnn::data {

/// An image for OpenCV to read or write in place; the tensor keeps the memory.
inline cv::Mat as_mat(const at::Tensor& image) {
  TORCH_CHECK(image.dim() == 3 && image.size(2) == 3 && image.scalar_type() == at::kByte && image.is_cpu() &&
                  image.is_contiguous(),
              "an image must be contiguous uint8 [H, W, 3] on the CPU, got ", image.scalar_type(), " ",
              image.sizes());
  return {static_cast<int>(image.size(0)), static_cast<int>(image.size(1)), CV_8UC3,
          image.data_ptr<uint8_t>()};
}

inline at::Tensor empty_image(ImageSize size) {
  return at::empty({size.height, size.width, 3}, at::kByte);
}

}  // namespace rcnn::data
