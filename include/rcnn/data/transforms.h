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

/// An image with its ground truth.
struct Sample {
  at::Tensor image;  ///< uint8 [H, W, 3] RGB, at its own scale: the network resizes it
  ImageSize size;    ///< network scale
  Target target;     ///< at network scale
};

/// The size that an image of `size` is resized to: scaled by min(min_size / shorter, max_size / longer), each
/// side rounded down, as torchvision does, but never to 0.
ImageSize resized(ImageSize size, int64_t min_size, int64_t max_size);

/// Chooses the network's size for an image, scales the boxes by the ratio of the sizes, and flips both with
/// the given probability. Ignored objects go to target.ignore. Random choices depend on `seed` alone.
Sample transform(const at::Tensor& image, const Record& record, const TransformOptions& options,
                 uint64_t seed);

}  // namespace rcnn::data
