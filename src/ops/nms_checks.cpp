#include "ops/nms_checks.h"

#include "ops/device.h"

namespace rcnn::ops {

void check_nms(const char* op, const char* shape, int64_t dims, const at::Tensor& boxes,
               const at::Tensor& scores, const at::Tensor& groups, double iou_threshold) {
  TORCH_CHECK(boxes.dim() == dims + 1 && boxes.size(dims) == 4, op, ": boxes: expected [", shape,
              ", 4], got ", boxes.sizes());
  TORCH_CHECK(boxes.scalar_type() == at::kFloat || boxes.scalar_type() == at::kDouble, op,
              ": boxes: expected float32 or float64, got ", boxes.scalar_type());
  const auto check_beside = [&](const char* name, const at::Tensor& tensor) {
    TORCH_CHECK(tensor.sizes() == boxes.sizes().slice(0, dims), op, ": ", name, ": expected [", shape,
                "] for boxes [", shape, ", 4], got ", tensor.sizes(), " and ", boxes.sizes());
    TORCH_CHECK(tensor.device() == boxes.device(), op, ": ", name, ": expected the boxes' device ",
                boxes.device(), ", got ", tensor.device());
  };
  check_beside("scores", scores);
  TORCH_CHECK(scores.scalar_type() == boxes.scalar_type(), op, ": scores: expected the boxes' dtype ",
              boxes.scalar_type(), ", got ", scores.scalar_type());
  if (groups.defined()) {
    check_beside("groups", groups);
    TORCH_CHECK(groups.scalar_type() == at::kLong, op, ": groups: expected int64, got ",
                groups.scalar_type());
  }
  TORCH_CHECK(iou_threshold >= 0 && iou_threshold <= 1, op, ": iou_threshold: expected 0 to 1, got ",
              iou_threshold);
  check_device(op, boxes.device());  // before the sort, which other devices may have or not
}

}  // namespace rcnn::ops
