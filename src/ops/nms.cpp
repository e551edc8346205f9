#include "ops/kernels/nms.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <rcnn/ops/nms.h>

#include "ops/device.h"
#include "ops/nms_checks.h"
#include "ops/parallel.h"

namespace rcnn::ops {
namespace {

constexpr int64_t kMostMaskWords = int64_t{1} << 25;  // 256 MiB of a GPU's memory

/// The highest T that is not above `value`: an IoU in T is above the one exactly when it is above the other.
template <class T>
T round_down(double value) {
  const T rounded = static_cast<T>(value);
  return rounded > value ? std::nextafter(rounded, std::numeric_limits<T>::lowest()) : rounded;
}

/// boxes [B, N, 4], scores and groups [B, N], valid [B] or undefined for N; B, N and max_kept at least 1.
PaddedNms suppress(const char* op, const at::Tensor& boxes, const at::Tensor& scores,
                   const at::Tensor& groups, const at::Tensor& valid, double iou_threshold,
                   int64_t max_kept) {
  const int64_t images = boxes.size(0), count = boxes.size(1);
  const auto integers = boxes.options().dtype(at::kLong).requires_grad(false);
  // A rising sort of the negated scores puts NaN last; a falling sort of the scores would put it first.
  const at::Tensor order =
      std::get<1>(at::sort(-scores.detach(), /*stable=*/true, /*dim=*/1, /*descending=*/false));
  const at::Tensor coordinates =
      boxes.detach().gather(1, order.unsqueeze(2).expand({-1, -1, 4})).transpose(1, 2).contiguous();
  const at::Tensor sorted_groups = groups.defined() ? groups.gather(1, order) : at::Tensor();
  const at::Tensor positions = at::empty({images, max_kept}, integers),
                   counts = at::empty({images}, integers);
  const auto run = [&]<class T>(T) {
    const kernels::SortedBoxes<T> sorted{
        const_data<T>(coordinates), groups.defined() ? const_data<int64_t>(sorted_groups) : nullptr,
        valid.defined() ? const_data<int64_t>(valid) : nullptr, images, count};
    const kernels::KeptBoxes kept{mutable_data<int64_t>(positions), mutable_data<int64_t>(counts), max_kept};
    const T threshold = round_down<T>(iou_threshold);
    on_device(
        op, boxes.device(), [&] { kernels::cpu::nms(sorted, threshold, kept, parallel); },
        [&](auto stream) {
          const auto shape = kernels::cuda::nms_mask(images, count, kMostMaskWords);
          const at::Tensor mask = at::empty({images, shape.words_of_image()}, integers);
          return kernels::cuda::nms(sorted, threshold, kept, shape, mutable_data<uint64_t>(mask), stream);
        });
  };
  if (boxes.scalar_type() == at::kFloat) {
    run(float{});
  } else {
    run(double{});
  }
  return {at::where(positions >= 0, order.gather(1, positions.clamp_min(0)), positions), counts};
}

/// `groups` undefined: all in one.
at::Tensor nms_of_one_image(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& groups,
                            double iou_threshold, int64_t max_kept) {
  constexpr const char* kOp = "nms";
  check_nms(kOp, "N", 1, boxes, scores, groups, iou_threshold);
  TORCH_CHECK(max_kept >= -1, kOp, ": max_kept: expected -1 or a count, got ", max_kept);
  const int64_t count = boxes.size(0), most = max_kept < 0 ? count : std::min(max_kept, count);
  if (most == 0) return at::empty({0}, boxes.options().dtype(at::kLong).requires_grad(false));
  const PaddedNms kept = suppress(kOp, boxes.unsqueeze(0), scores.unsqueeze(0),
                                  groups.defined() ? groups.unsqueeze(0) : groups, {}, iou_threshold, most);
  return kept.indices[0].narrow(0, 0, kept.counts.item<int64_t>());
}

}  // namespace

at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold, int64_t max_kept) {
  return nms_of_one_image(boxes, scores, {}, iou_threshold, max_kept);
}

at::Tensor batched_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& groups,
                       double iou_threshold, int64_t max_kept) {
  TORCH_CHECK(groups.defined(), "nms: groups: expected a tensor, got none");
  return nms_of_one_image(boxes, scores, groups, iou_threshold, max_kept);
}

PaddedNms padded_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& groups,
                     double iou_threshold, int64_t max_kept) {
  constexpr const char* kOp = "padded_nms";
  check_nms(kOp, "B, N", 2, boxes, scores, groups, iou_threshold);
  TORCH_CHECK(max_kept >= 0, kOp, ": max_kept: expected a count, got ", max_kept);
  const int64_t images = boxes.size(0), count = boxes.size(1);
  const auto integers = boxes.options().dtype(at::kLong).requires_grad(false);
  if (images == 0 || count == 0 || max_kept == 0)
    return {at::full({images, max_kept}, -1, integers), at::zeros({images}, integers)};
  const at::Tensor valid = (scores.detach() > -std::numeric_limits<double>::infinity()).sum(1);
  return suppress(kOp, boxes, scores, groups, valid, iou_threshold, max_kept);
}

}  // namespace rcnn::ops
