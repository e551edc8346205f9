#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace rcnn::ops {

/// Greedy non-maximum suppression: takes boxes by falling score and drops each whose IoU with a kept one is
/// greater than the threshold. Equal scores go by index, on every device. A box with a NaN coordinate
/// suppresses nothing.
///
/// boxes          float32 or float64 [N, 4], any strides
/// scores         [N], same dtype and device
/// iou_threshold  0..1
/// max_kept       stop after so many; -1 for all
/// returns        int64 [K], indices of the kept boxes by falling score; [0] when N is 0
/// throws         c10::Error when a shape, dtype or device disagrees
at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold,
               int64_t max_kept = -1);

/// The same within groups: boxes of different groups (classes, pyramid levels, images) never suppress each
/// other. Groups are compared as numbers in the kernel; coordinates stay as they are.
///
/// groups         int64 [N]
at::Tensor batched_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& groups,
                       double iou_threshold, int64_t max_kept = -1);

}  // namespace rcnn::ops
