#pragma once

#include <vector>

#include <rcnn/boxes/convention.h>
#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn::boxes {  // where boxes of another shape or type are a c10::Error

/// Moves coordinates that lie outside the image onto its border. `boxes` is float [..., 4]; differentiable.
RCNN_EXPORT at::Tensor clip(const at::Tensor& boxes, ImageSize size,
                            Convention convention = Convention::edges);

/// The same for a batch [B, N, 4], each image's boxes to its own size; for boxes without gradients.
RCNN_EXPORT at::Tensor clip(const at::Tensor& boxes, const std::vector<ImageSize>& sizes,
                            Convention convention = Convention::edges);

/// bool [...] of boxes [..., 4]: both sides are at least `min_size`. NaN sides are not.
RCNN_EXPORT at::Tensor large_enough(const at::Tensor& boxes, double min_size);

/// bool [N]: the whole box lies inside the image; by Convention::pixels, its last pixel's number is below the
/// image's width, and so for the height.
RCNN_EXPORT at::Tensor inside(const at::Tensor& boxes, ImageSize size,
                              Convention convention = Convention::edges);

/// Boxes of an image of size `from` in the pixels of the same image at size `to`.
RCNN_EXPORT at::Tensor rescale(const at::Tensor& boxes, ImageSize from, ImageSize to);

/// Boxes with x2 less `width` and y2 less `height`: those of Convention::pixels less one pixel are first and
/// last pixel as the Caffe era's codes write them. `boxes` is float [..., 4]; differentiable.
RCNN_EXPORT at::Tensor trim(const at::Tensor& boxes, double width, double height);

/// RoIs [K, 5] of a batch of one image or more: image i's boxes [N_i, 4] with i before them, in order.
RCNN_EXPORT at::Tensor to_rois(const std::vector<at::Tensor>& boxes);

}  // namespace rcnn::boxes
