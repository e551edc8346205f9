#include "ops/kernels/soft_nms.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/ops/empty.h>

#include <rcnn/ops/soft_nms.h>

#include "ops/device.h"
#include "ops/nms_checks.h"
#include "ops/parallel.h"

namespace rcnn::ops {
namespace {

constexpr const char* kSoftNms = "soft_nms";

void check(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& groups,
           const SoftNmsOptions& options) {
  check_nms(kSoftNms, "N", 1, boxes, scores, groups, options.iou_threshold);
  TORCH_CHECK(options.sigma > 0, kSoftNms, ": sigma: expected a number above 0, got ", options.sigma);
  TORCH_CHECK(options.min_score >= 0, kSoftNms, ": min_score: expected 0 or more, got ", options.min_score);
  TORCH_CHECK(options.max_kept >= -1, kSoftNms, ": max_kept: expected -1 or a count, got ", options.max_kept);
}

/// The lowest T that is not below `value`: an IoU in T is at the one or above it exactly when it is at the
/// other.
template <class T>
T round_up(double value) {
  const T rounded = static_cast<T>(value);
  return rounded < value ? std::nextafter(rounded, std::numeric_limits<T>::max()) : rounded;
}

template <class T>
SoftNms run(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& groups,
            const SoftNmsOptions& options) {
  const int64_t count = boxes.size(0);
  const int64_t most = options.max_kept < 0 ? count : std::min(options.max_kept, count);
  const at::Tensor indices = at::empty({most}, at::kLong), left = at::empty({most}, scores.options());
  const int64_t kept =
      kernels::cpu::soft_nms<T>({const_data<T>(boxes), const_data<T>(scores),
                                 groups.defined() ? const_data<int64_t>(groups) : nullptr, count},
                                {options.decay == SoftNmsOptions::Decay::gaussian,
                                 round_up<T>(options.iou_threshold), static_cast<T>(options.sigma)},
                                static_cast<T>(options.min_score),
                                {mutable_data<int64_t>(indices), mutable_data<T>(left), most}, parallel);
  return {indices.narrow(0, 0, kept), left.narrow(0, 0, kept)};
}

}  // namespace

SoftNms soft_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& groups,
                 const SoftNmsOptions& options) {
  check(boxes, scores, groups, options);
  const auto here = [](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.detach().cpu().contiguous() : tensor;
  };
  const auto compute = boxes.scalar_type() == at::kFloat ? run<float> : run<double>;
  const SoftNms kept = compute(here(boxes), here(scores), here(groups), options);
  return {kept.indices.to(boxes.device()), kept.scores.to(boxes.device())};
}

}  // namespace rcnn::ops
