#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/types.h>

namespace rcnn::nn {

/// The images that a model is about to learn from, as far as their boxes go.
struct TrainingSet {
  /// What is known of an image, at its own scale, on the CPU.
  struct Boxes {
    at::Tensor proposals;  ///< float32 [P, 4]
    Target target;
  };

  int64_t size = 0;                                ///< how many images
  std::function<Boxes(int64_t image)> boxes = {};  ///< of one of them
  double flip = 0;                                 ///< how likely it is to be flipped, left to right
  std::vector<std::string> classes = {};           ///< names for messages, in label order; empty: unknown
};

}  // namespace rcnn::nn
