#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include <rcnn/export.h>

namespace rcnn::nn {

/// Local response normalisation as Caffe has it, with a size, an alpha, a beta and a k.
struct LocalResponseNormOptions {
  /// What a value is divided by: the squares of the same cell in the channels around it (Krizhevsky et al.
  /// 2012, section 3.3), or of the cells around it in its own channel.
  enum class Region { across_channels, within_channel } region = Region::across_channels;
  int64_t size = 5;  ///< channels, or cells in each direction; odd
  double alpha = 1e-4, beta = 0.75, k = 1;
};

/// x / (k + alpha * mean of x^2 over the region)^beta, where what lies outside of the map counts as 0 and the
/// mean is always over `size`, or `size` x `size`, values. torch.nn.LocalResponseNorm is the one across
/// channels.
///
/// x        floating point [N, C, H, W], contiguous or channels_last, on any device; may be empty
/// returns  the same; bfloat16 is computed in float32. Differentiable, deterministic.
RCNN_EXPORT at::Tensor local_response_norm(const at::Tensor& x, const LocalResponseNormOptions& options);

}  // namespace rcnn::nn
