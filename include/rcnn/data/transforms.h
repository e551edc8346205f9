#pragma once

#include <cstdint>

#include <rcnn/config/node.h>
#include <rcnn/data/dataset.h>

namespace rcnn::data {

struct TransformOptions {
  int64_t min_size = 800;   ///< the shorter side after resizing ...
  int64_t max_size = 1333;  ///< ... unless the longer one would pass this
  double flip = 0.0;        ///< probability of a horizontal flip
};

/// An image at network scale with its ground truth.
struct Sample {
  at::Tensor image;  ///< uint8 [H, W, 3] RGB
  Target target;
  ImageSize original_size;
};

/// The size that an image of `size` is resized to: scaled by min(min_size / shorter, max_size / longer), each
/// side rounded down, as torchvision does, but never to 0.
ImageSize resized(ImageSize size, int64_t min_size, int64_t max_size);

/// Bilinear resize without antialiasing (pixel centres at half integers).
at::Tensor resize(const at::Tensor& image, ImageSize size);

/// Resizes, and flips with the given probability; boxes follow by the ratio of the sizes. Ignored objects go
/// to target.ignore. Random choices depend on `seed` alone.
Sample transform(const at::Tensor& image, const Record& record, const TransformOptions& options,
                 uint64_t seed);

}  // namespace rcnn::data
