#pragma once

#include <ATen/core/Reduction.h>
#include <ATen/core/Tensor.h>

#include <rcnn/export.h>

namespace rcnn::losses {

/// Sum over all elements of 0.5 x^2 / beta where |x| < beta and |x| - 0.5 beta elsewhere, x = input - target
/// (Fast R-CNN, equation 3, with beta = 1 / sigma^2). beta 0 is the plain L1 distance. Empty inputs give 0.
/// With at::Reduction::None the elements themselves. Differentiable in `input`. Throws c10::Error for two
/// shapes and for a beta below 0.
RCNN_EXPORT at::Tensor smooth_l1(const at::Tensor& input, const at::Tensor& target, double beta,
                                 int64_t reduction = at::Reduction::Sum);

}  // namespace rcnn::losses
