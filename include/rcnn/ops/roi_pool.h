#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include <rcnn/export.h>

namespace rcnn::ops {

/// Max-pools each RoI into a fixed grid (Fast R-CNN, section 2.1), in Caffe's arithmetic: corners times
/// spatial_scale are rounded half away from zero, both ends inclusive, bins by floor and ceil in float.
///
/// features       [N, C, H, W] float32, float64 or bfloat16; contiguous and channels_last are not copied
/// rois           [K, 5] = (batch index, x1, y1, x2, y2) in image pixels; float32, or the features' dtype
/// height, width  of the grid
/// spatial_scale  feature cells per image pixel, 1/16 for VGG16 conv5_3
/// returns        [K, C, height, width] in the features' dtype and memory format; an empty bin is 0 and
///                passes no gradient; a RoI with a NaN coordinate or an index outside the batch gives zeros
/// throws         c10::Error when a shape, dtype or device disagrees
///
/// Differentiable once, in `features` only: the gradient goes to each bin's first maximum in row-major order.
/// On the CPU the result does not depend on the number of threads. On CUDA the gradient is summed by
/// floating-point atomics and its last bits vary; when torch's deterministic algorithms are asked for
/// (at::globalContext().setDeterministicAlgorithms) it has the same bits every time, for 8 bytes of scratch a
/// feature, and is NaN everywhere if any element of the incoming gradient is not finite. Everything else is
/// deterministic.
RCNN_EXPORT at::Tensor roi_pool(const at::Tensor& features, const at::Tensor& rois, int64_t height,
                                int64_t width, double spatial_scale);

}  // namespace rcnn::ops
