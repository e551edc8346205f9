#pragma once

#include <ATen/core/Tensor.h>

/// LibTorch's matrix products as parts of an operator: without gradients, in the precision of what they are
/// given whatever autocast says, unseen by profilers. On the CPU with the same bits on any number of threads.
namespace rcnn::ops {

/// out [n, m] = a [n, k] times b [k, m], plus `addend` if that is defined: out itself, or what expands to its
/// shape.
void multiply(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, const at::Tensor& addend);

/// The sum of the rows of a [n, m].
at::Tensor sum_of_rows(const at::Tensor& a);

}  // namespace rcnn::ops
