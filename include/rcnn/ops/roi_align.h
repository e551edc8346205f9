#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/export.h>

namespace rcnn::ops {

/// The grid and where its samples lie.
struct RoiAlignOptions {
  int64_t height = 7;  ///< of the output grid
  int64_t width = 7;
  int64_t sampling_ratio = 2;  ///< samples a bin along each axis; 0: ceil(RoI size / grid) for each RoI
  bool aligned = false;  ///< subtract half a cell and keep tiny RoIs tiny (detectron2), or not (torchvision)
};

/// Averages bilinear samples of each RoI bin (He et al. 2017, Mask R-CNN, section 3).
///
/// features       [N, C, H, W] float32, float64 or bfloat16; contiguous and channels_last are not copied
/// rois           [K, 5] = (batch index, x1, y1, x2, y2) in image pixels; float32, or the features' dtype
/// spatial_scale  feature cells per image pixel
/// returns        [K, C, height, width] in the features' dtype and memory format; samples further than one
///                cell outside the map count as 0; a RoI with a NaN coordinate or an index outside the batch
///                gives zeros
/// throws         c10::Error when a shape, dtype or device disagrees
///
/// Differentiable once, in `features`, and in the corners of `rois` where these require a gradient: then the
/// features are kept for the backward pass. That gradient is the derivative of what is computed here: 0 of
/// samples that are outside or moved to a border cell, and of the upper edge of a RoI that is held at the
/// size of one cell (not aligned); the number of samples and the batch index are constants. On the CPU the
/// result does not depend on the number of threads. On CUDA the features' gradient is summed by
/// floating-point atomics and its last bits vary; when torch's deterministic algorithms are asked for
/// (at::globalContext().setDeterministicAlgorithms) it has the same bits every time, for 8 bytes of scratch a
/// feature, and is NaN everywhere if any element of the incoming gradient is not finite. Everything else is
/// deterministic.
RCNN_EXPORT at::Tensor roi_align(const at::Tensor& features, const at::Tensor& rois, double spatial_scale,
                                 const RoiAlignOptions& options = {});

/// The same over a pyramid in one call: RoI k is pooled from features[levels[k]] with
/// spatial_scales[levels[k]]. All levels, at most 8, have the same N, C and dtype; one in another memory
/// format than the first is copied.
///
/// levels         int64 [K], 0-based; a RoI of any other level gives zeros
RCNN_EXPORT at::Tensor roi_align(std::span<const at::Tensor> features, const at::Tensor& rois,
                                 const at::Tensor& levels, std::span<const double> spatial_scales,
                                 const RoiAlignOptions& options = {});

}  // namespace rcnn::ops
