#include "ops/kernels/nms.h"

#include <cmath>
#include <limits>

#include <ATen/ops/empty.h>
#include <ATen/ops/sort.h>

#include <rcnn/ops/nms.h>

#include "ops/device.h"

namespace rcnn::ops {
namespace {

constexpr const char* kOp = "nms";

/// The highest T that is not above `value`: an IoU in T is above the one exactly when it is above the other.
template <class T>
T round_down(double value) {
  const T rounded = static_cast<T>(value);
  return rounded > value ? std::nextafter(rounded, std::numeric_limits<T>::lowest()) : rounded;
}

void check(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold, int64_t max_kept) {
  TORCH_CHECK(boxes.dim() == 2 && boxes.size(1) == 4, kOp, ": boxes: expected [N, 4], got ", boxes.sizes());
  TORCH_CHECK(boxes.scalar_type() == at::kFloat || boxes.scalar_type() == at::kDouble, kOp,
              ": boxes: expected float32 or float64, got ", boxes.scalar_type());
  TORCH_CHECK(scores.dim() == 1 && scores.size(0) == boxes.size(0), kOp,
              ": scores: expected [N] for boxes [N, 4], got ", scores.sizes(), " and ", boxes.sizes());
  TORCH_CHECK(scores.scalar_type() == boxes.scalar_type(), kOp, ": scores: expected the boxes' dtype ",
              boxes.scalar_type(), ", got ", scores.scalar_type());
  TORCH_CHECK(scores.device() == boxes.device(), kOp, ": scores: expected the boxes' device ", boxes.device(),
              ", got ", scores.device());
  TORCH_CHECK(iou_threshold >= 0 && iou_threshold <= 1, kOp, ": iou_threshold: expected 0 to 1, got ",
              iou_threshold);
  check_device(kOp, boxes.device());  // before the sort, which other devices may have or not
  TORCH_CHECK(max_kept >= -1, kOp, ": max_kept: expected -1 or a count, got ", max_kept);
}

/// `groups` undefined: all in one.
at::Tensor suppress(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& groups,
                    double iou_threshold, int64_t max_kept) {
  check(boxes, scores, iou_threshold, max_kept);
  const int64_t count = boxes.size(0);
  const auto integers = boxes.options().dtype(at::kLong).requires_grad(false);
  if (count == 0 || max_kept == 0) return at::empty({0}, integers);

  // A rising sort of the negated scores puts NaN last; a falling sort of the scores would put it first.
  const at::Tensor order =
      std::get<1>(at::sort(-scores.detach(), /*stable=*/true, /*dim=*/0, /*descending=*/false));
  const at::Tensor coordinates = boxes.detach().index_select(0, order).t().contiguous();
  const at::Tensor sorted_groups = groups.defined() ? groups.index_select(0, order) : at::Tensor();
  const at::Tensor kept = at::empty({count}, integers);
  int64_t kept_count = 0;
  with_element_type(boxes.scalar_type(), [&]<class T>(T) {
    if constexpr (!std::is_same_v<T, kernels::BFloat16>) {
      const kernels::SortedBoxes<T> sorted{
          const_data<T>(coordinates), groups.defined() ? const_data<int64_t>(sorted_groups) : nullptr, count};
      const T threshold = round_down<T>(iou_threshold);
      const int64_t limit = max_kept < 0 ? count : max_kept;
      int64_t* to = mutable_data<int64_t>(kept);
      on_device(
          kOp, boxes.device(), [&] { kept_count = kernels::cpu::nms(sorted, threshold, limit, to); },
          [&](auto stream) {
            const int64_t tiles = (count + kernels::cuda::kNmsTile - 1) / kernels::cuda::kNmsTile;
            const at::Tensor mask = at::empty({count + 1, tiles}, integers);
            const at::Tensor device_count = at::empty({1}, integers);
            const int error =
                kernels::cuda::nms(sorted, threshold, limit, to, mutable_data<int64_t>(device_count),
                                   mutable_data<uint64_t>(mask), stream);
            if (error == 0) kept_count = device_count.item<int64_t>();
            return error;
          });
    }
  });
  return order.index_select(0, kept.narrow(0, 0, kept_count));
}

}  // namespace

at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold, int64_t max_kept) {
  return suppress(boxes, scores, {}, iou_threshold, max_kept);
}

at::Tensor batched_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& groups,
                       double iou_threshold, int64_t max_kept) {
  TORCH_CHECK(boxes.dim() == 2 && groups.dim() == 1 && groups.size(0) == boxes.size(0), kOp,
              ": groups: expected [N] for boxes [N, 4], got ", groups.sizes(), " and ", boxes.sizes());
  TORCH_CHECK(groups.scalar_type() == at::kLong, kOp, ": groups: expected int64, got ", groups.scalar_type());
  TORCH_CHECK(groups.device() == boxes.device(), kOp, ": groups: expected the boxes' device ", boxes.device(),
              ", got ", groups.device());
  return suppress(boxes, scores, groups, iou_threshold, max_kept);
}

}  // namespace rcnn::ops
