#pragma once

#include <string>
#include <vector>

#include <rcnn/export.h>
#include <rcnn/nn/weights/weights.h>

namespace rcnn::nn {

/// A tensor that both sides have and that is not the same in both.
struct ChangedTensor {
  std::string name;
  at::Tensor a, b;
  /// The largest absolute difference of two elements, and that divided by the largest absolute value of `a`;
  /// infinite where only one side is not a number. Without meaning for another shape.
  double absolute = 0, relative = 0;

  bool other_shape() const { return a.sizes() != b.sizes(); }
  bool other_type() const { return a.scalar_type() != b.scalar_type(); }
};

/// How two sets of weights differ.
struct WeightDiff {
  std::vector<std::string> only_a, only_b;
  std::vector<ChangedTensor> changed;  ///< in shape, type or values
  int64_t equal = 0;                   ///< tensors that are the same, NaNs in the same places included

  bool same() const { return only_a.empty() && only_b.empty() && changed.empty(); }
};

/// Compares tensors of the same name, all on the CPU.
RCNN_EXPORT WeightDiff diff_weights(const TensorMap& a, const TensorMap& b);

}  // namespace rcnn::nn
