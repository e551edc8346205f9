#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include <rcnn/export.h>

namespace rcnn::boxes {

/// How many candidates of an image a loss is taken of.
struct SamplerOptions {
  int64_t count = 256;             ///< candidates an image
  double positive_fraction = 0.5;  ///< at most this share of them positive
};

/// Indices into the candidates, int64.
struct Sampled {
  at::Tensor positive;
  at::Tensor negative;
};

/// Draws candidates of one image without replacement, positives first, negatives for the rest (Fast R-CNN,
/// section 2.3). `labels` is int64 [N]: positive above 0, negative at 0, anything below is left out. There
/// may be fewer than `count`, and none. Draws from the device's default generator. Throws c10::Error.
RCNN_EXPORT Sampled sample(const at::Tensor& labels, const SamplerOptions& options);

}  // namespace rcnn::boxes
