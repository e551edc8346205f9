#pragma once

#include <span>

#include <rcnn/types.h>

namespace rcnn::data {

/// Puts images (uint8 [H, W, 3]) of different sizes into one, each at the top left, padded with zeros to the
/// largest height and width rounded up to a multiple of `pad_to`.
ImageBatch collate(std::span<const at::Tensor> images, int64_t pad_to = 1);

}  // namespace rcnn::data
