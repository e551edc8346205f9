#include <limits>

#include <torch/torch.h>

#include <rcnn/nn/weights/weight_diff.h>

namespace rcnn::nn {
namespace {

void measure(ChangedTensor& changed) {
  if (changed.other_shape() || changed.a.numel() == 0) return;
  const auto a = changed.a.to(at::kDouble), b = changed.b.to(at::kDouble);
  // The same infinity or NaN on both sides is no difference; inf - inf would be one.
  const auto same = (a == b).logical_or(a.isnan().logical_and(b.isnan()));
  const double infinity = std::numeric_limits<double>::infinity();
  const auto difference = at::where(same, 0, (a - b).abs()).nan_to_num(infinity, infinity);
  changed.absolute = difference.max().item<double>();
  const double scale = a.abs().nan_to_num(0, 0, 0).max().item<double>();
  changed.relative = scale > 0 ? changed.absolute / scale : changed.absolute;
}

}  // namespace

WeightDiff diff_weights(const TensorMap& a, const TensorMap& b) {
  WeightDiff diff;
  for (const auto& [name, tensor] : a) {
    const auto other = b.find(name);
    if (other == b.end()) {
      diff.only_a.push_back(name);
      continue;
    }
    ChangedTensor changed{name, tensor, other->second};
    measure(changed);
    if (changed.other_shape() || changed.other_type() || changed.absolute > 0) {
      diff.changed.push_back(std::move(changed));
    } else {
      ++diff.equal;
    }
  }
  for (const auto& [name, tensor] : b) {
    if (!a.contains(name)) diff.only_b.push_back(name);
  }
  return diff;
}

}  // namespace rcnn::nn
