#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/detection.h>

/// Conventions that every room keeps.
///
/// Boxes    (x1, y1, x2, y2) in pixels, x right and y down, measured along continuous edges: x2 and y2 are
///          exclusive and a box is x2 - x1 wide. A set of boxes is a float32 tensor [N, 4].
/// RoIs     float32 [K, 5] = (index of the image in its batch, x1, y1, x2, y2).
/// Labels   int64; 0 is background and 1..C are the classes in the data set's order. Outside the network
///          (results, files) a class is its name and the data set's own category id.
/// Images   uint8 [H, W, 3] RGB until they reach the device; resizing, normalising and padding happen there.
namespace rcnn {

/// Images for the network, which resizes, normalises and pads them itself, on its device.
struct ImageBatch {
  std::vector<at::Tensor> images;  ///< N images as above, of any sizes
  std::vector<ImageSize> sizes;    ///< what each is resized to: network scale
  /// What may be objects on each image, best first: float32 [P, 4] at network scale, P may be 0. Empty where
  /// no proposals come with the data.
  std::vector<at::Tensor> proposals = {};

  /// The greatest height and the greatest width of `sizes`.
  ImageSize largest_size() const {
    ImageSize largest;
    for (const auto& size : sizes) {
      largest = {std::max(largest.height, size.height), std::max(largest.width, size.width)};
    }
    return largest;
  }
};

/// Ground truth of one image, at network scale.
struct Target {
  at::Tensor boxes;   ///< float32 [M, 4]; M may be 0
  at::Tensor labels;  ///< int64 [M], 1..C
  at::Tensor ignore;  ///< float32 [I, 4], regions in which nothing counts as background (difficult, crowd)
};

/// Detections of one image as tensors, best score first.
struct Detections {
  at::Tensor boxes;   ///< float32 [D, 4]
  at::Tensor scores;  ///< float32 [D]
  at::Tensor labels;  ///< int64 [D], 1..C
};

}  // namespace rcnn
