#pragma once

#include <array>
#include <cstdint>

#include <ATen/core/Tensor.h>

#include <rcnn/export.h>

namespace rcnn::ops {

/// A convolution's; each pair is (y, x).
struct DeformConvOptions {
  std::array<int64_t, 2> stride{1, 1};
  std::array<int64_t, 2> padding{0, 0};
  std::array<int64_t, 2> dilation{1, 1};
  int64_t groups = 1;  ///< of channels, as in a convolution
};

/// Deformable convolution (Dai et al. 2017, Deformable Convolutional Networks, section 2.1): a convolution
/// each of whose taps reads where an offset moves it to, by bilinear interpolation on a map that goes on with
/// zeros on all sides. Offsets of 0 give the convolution. Numbers and layouts are those of torchvision's
/// deform_conv2d without a mask.
///
/// input    [N, C, H, W] float32, float64 or bfloat16, channels_last is not copied
/// offset   [N, 2 * G * kh * kw, H', W'] float32 or the input's dtype, in cells: for each of the G groups of
///          offsets and each tap (dy, dx). G is what the number of channels says, and divides C; group g
///          moves the channels from g * C / G on. H' = (H + 2 * padding - dilation * (kh - 1) - 1) / stride +
///          1, rounded down, W' likewise
/// weight   [O, C / groups, kh, kw] float32 or the input's dtype
/// bias     [O] likewise, or undefined
/// returns  [N, O, H', W'] in the input's dtype and memory format, computed in float32 where that is
///          bfloat16; empty where N or O is 0. A NaN offset gives NaN in the outputs that read by it, one of
///          any size beyond the map, infinity included, reads zeros
/// throws   c10::Error when a shape, dtype, device or option disagrees
///
/// Differentiable once, in all four. At whole positions, where interpolation has a kink, an offset's gradient
/// is the slope towards higher coordinates. On the CPU the result does not depend on the number of threads.
/// On CUDA the input's gradient is summed by floating-point atomics and its last bits vary; when torch's
/// deterministic algorithms are asked for (at::globalContext().setDeterministicAlgorithms) it has the same
/// bits every time, for 8 bytes of scratch a cell of the input, and is NaN everywhere if any number that is
/// summed is not finite. Everything else is deterministic.
///
/// What the taps read is laid out for a matrix product, for so many output positions at a time that it takes
/// 16 MiB at most (on CUDA 128 MiB; one position where that is more), whatever the size of the map and in
/// both passes. LibTorch's dispatcher knows the operator as rcnn::deform_conv.
RCNN_EXPORT at::Tensor deform_conv(const at::Tensor& input, const at::Tensor& offset,
                                   const at::Tensor& weight, const at::Tensor& bias = {},
                                   const DeformConvOptions& options = {});

}  // namespace rcnn::ops
