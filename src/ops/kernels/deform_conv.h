#pragma once

#include <cstdint>

#include "ops/kernels/cpu/instruction_set.h"
#include "ops/kernels/cpu/parallel.h"
#include "ops/kernels/geometry.h"
#include "ops/kernels/real.h"

struct CUstream_st;

/// What is special about a deformable convolution: its taps read into columns that a matrix product takes,
/// and the way back from the columns' gradient. The products are others' work.
namespace rcnn::ops::kernels {

/// Features [images, height, width, channels], dense.
struct DeformConvShape {
  int64_t images, channels, height, width;
  int64_t out_height, out_width;
  int64_t kernel_height, kernel_width;
  int64_t stride_y, stride_x, padding_y, padding_x, dilation_y, dilation_x;
  int64_t groups, offset_groups;  ///< each divides the channels

  RCNN_HOST_DEVICE int64_t taps() const { return kernel_height * kernel_width; }
  RCNN_HOST_DEVICE int64_t positions() const { return images * out_height * out_width; }
  RCNN_HOST_DEVICE int64_t cells() const { return height * width; }
};

/// Output positions first..first+count-1, counted row by row through all images.
struct Positions {
  int64_t first, count;
};

/// Where a tap reads at one position: four corners around a point. Corner i has the lower of the two rows if
/// i < 2, and the lower of the two columns if i is even.
template <class Real>
struct DeformSample {
  PaddedTaps<Real> y, x;

  RCNN_HOST_DEVICE Real weight(int corner) const {
    return (corner < 2 ? y.low_weight : y.high_weight) * (corner % 2 == 0 ? x.low_weight : x.high_weight);
  }
  /// Its cell on a map, -1 for none.
  RCNN_HOST_DEVICE int64_t cell(int corner, int64_t width) const {
    const bool on_map = (corner < 2 ? y.has_low : y.has_high) && (corner % 2 == 0 ? x.has_low : x.has_high);
    return on_map ? (y.low + corner / 2) * width + x.low + corner % 2 : -1;
  }
};

/// One tap of one offset group at one position.
struct DeformTapIndex {
  int64_t out_y, out_x;
  int64_t kernel_y, kernel_x;
};

/// moved: the tap's (dy, dx), of offsets [images, out_height, out_width, offset_groups, kernel_height,
/// kernel_width, 2].
template <class Real>
RCNN_HOST_DEVICE inline DeformSample<Real> deform_sample(const DeformConvShape& shape,
                                                         const DeformTapIndex& at, const Real* moved) {
  const int64_t y = at.out_y * shape.stride_y - shape.padding_y + at.kernel_y * shape.dilation_y;
  const int64_t x = at.out_x * shape.stride_x - shape.padding_x + at.kernel_x * shape.dilation_x;
  return {padded_taps(static_cast<Real>(y) + moved[0], shape.height),
          padded_taps(static_cast<Real>(x) + moved[1], shape.width)};
}

namespace cpu {

/// What the taps read: columns [groups, count, taps, channels / groups].
template <class T>
void deform_conv_columns(const DeformConvShape& shape, const Real<T>* offsets, const T* features,
                         Positions positions, Real<T>* columns, const Parallel& parallel,
                         InstructionSet instruction_set = best_instruction_set());

/// The gradient of these positions' offsets; overwrites it, and leaves those of others in grad_offsets alone.
template <class T>
void deform_conv_backward_offsets(const DeformConvShape& shape, const Real<T>* offsets, const T* features,
                                  Positions positions, const Real<T>* grad_columns, Real<T>* grad_offsets,
                                  const Parallel& parallel,
                                  InstructionSet instruction_set = best_instruction_set());

/// Adds to grad_features what these positions contribute.
template <class Real>
void deform_conv_backward_features(const DeformConvShape& shape, const Real* offsets, Positions positions,
                                   const Real* grad_columns, Real* grad_features, const Parallel& parallel,
                                   InstructionSet instruction_set = best_instruction_set());

}  // namespace cpu

/// The results are cudaError_t.
namespace cuda {

template <class T>
int deform_conv_columns(const DeformConvShape& shape, const Real<T>* offsets, const T* features,
                        Positions positions, Real<T>* columns, CUstream_st* stream);

template <class T>
int deform_conv_backward_offsets(const DeformConvShape& shape, const Real<T>* offsets, const T* features,
                                 Positions positions, const Real<T>* grad_columns, Real<T>* grad_offsets,
                                 CUstream_st* stream);

/// Elements of the scratch that makes deform_conv_backward_features deterministic.
constexpr int64_t scratch_size(const DeformConvShape& shape) {
  return 1 + shape.images * shape.channels * shape.height * shape.width;
}

/// With scratch, of any content, the sums of these positions are taken in fixed point: the same bits every
/// time, and NaN in every cell if any element of grad_columns is not finite. Null: in floating point by
/// atomics, whose order varies.
template <class Real>
int deform_conv_backward_features(const DeformConvShape& shape, const Real* offsets, Positions positions,
                                  const Real* grad_columns, Real* grad_features, int64_t* scratch,
                                  CUstream_st* stream);

}  // namespace cuda
}  // namespace rcnn::ops::kernels
