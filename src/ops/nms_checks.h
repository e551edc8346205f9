#pragma once

#include <ATen/core/Tensor.h>

namespace rcnn::ops {

/// What all kinds of NMS demand, else c10::Error: floating boxes [..., 4], scores of their dtype beside them,
/// groups int64 or undefined, one device that has an implementation, a threshold from 0 to 1. `shape` are the
/// letters of the `dims` sizes before the 4 of the boxes, "N" or "B, N".
void check_nms(const char* op, const char* shape, int64_t dims, const at::Tensor& boxes,
               const at::Tensor& scores, const at::Tensor& groups, double iou_threshold);

}  // namespace rcnn::ops
