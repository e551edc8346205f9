#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include <rcnn/export.h>

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
///
/// Its size is known to the device first: on a GPU the host waits for it. On a GPU it takes 256 MiB at most.
RCNN_EXPORT at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold,
                           int64_t max_kept = -1);

/// The same within groups: boxes of different groups (classes, pyramid levels, images) never suppress each
/// other. Groups are compared as numbers in the kernel; coordinates stay as they are.
///
/// groups         int64 [N]; for two kinds at once number the pairs: image * classes + class
RCNN_EXPORT at::Tensor batched_nms(const at::Tensor& boxes, const at::Tensor& scores,
                                   const at::Tensor& groups, double iou_threshold, int64_t max_kept = -1);

/// What padded_nms keeps of each image.
struct PaddedNms {
  at::Tensor indices;  ///< int64 [B, max_kept], into the image's boxes by falling score, -1 after the last
  at::Tensor counts;   ///< int64 [B], how many there are
};

/// nms of the boxes of several images in one call, with a result of fixed size: the host never waits for the
/// device, and shapes never change from call to call.
///
/// boxes          float32 or float64 [B, N, 4], any strides
/// scores         [B, N], same dtype and device; -infinity or NaN marks a slot without a box, never kept
/// groups         int64 [B, N], as in batched_nms; undefined ({}): one group an image
/// iou_threshold  0..1
/// max_kept       of each image, 0 or more
/// returns        indices all -1 and counts 0 for an image without boxes
/// throws         c10::Error when a shape, dtype or device disagrees
RCNN_EXPORT PaddedNms padded_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& groups,
                                 double iou_threshold, int64_t max_kept);

}  // namespace rcnn::ops
