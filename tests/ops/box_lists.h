#pragma once

#include <vector>

#include <torch/torch.h>

namespace rcnn::ops {

/// float32 [count, 4] with corners in a square of the extent, many of which overlap.
inline at::Tensor random_boxes(int64_t count, double extent) {
  const at::Tensor corner = at::rand({count, 2}) * extent;
  return at::cat({corner, corner + at::rand({count, 2}) * extent * 0.4 + 1}, 1);
}

inline at::Tensor indices(const std::vector<int64_t>& values) {
  return torch::tensor(values, at::kLong);
}

}  // namespace rcnn::ops
