#pragma once

#include <cstdint>

#include "ops/kernels/cpu/simd/vec.h"

/// The inner loops of a deformable convolution, over the channels of what a position's taps read.
namespace rcnn::ops::kernels::cpu::simd {

/// Where a tap reads: DeformSample with what the loops need looked up.
template <class Real>
struct DeformTap {
  int64_t corners[4];  ///< cells of the map, -1 for none
  Real weights[4];     ///< of the corners
  Real low_x, high_x, low_y, high_y;
};

/// Neighbouring channels of a map [cells, channels]; `outside`: so many numbers in a corner's place that is
/// none, 0 where they are read.
template <class Cell>
struct ChannelRange {
  Cell* first;  ///< the first of them in the first cell
  Cell* outside;
  int64_t channels, count;
};

/// Bilinear samples of the taps, tap i's in columns + i * stride.
template <class Isa, class T>
void sample_taps(const ChannelRange<const T>& map, const DeformTap<Real<T>>* taps, int64_t tap_count,
                 Real<T>* columns, int64_t stride);

/// Adds the gradients of these samples to the map.
template <class Isa, class Real>
void spread_taps(const ChannelRange<Real>& map, const DeformTap<Real>* taps, int64_t tap_count,
                 const Real* grad_columns, int64_t stride);

/// Adds the gradients of the taps' positions to sums [tap_count, 2 (y, x), kSumLanes].
template <class Isa, class T>
void move_taps(const ChannelRange<const T>& map, const DeformTap<Real<T>>* taps, int64_t tap_count,
               const Real<T>* grad_columns, int64_t stride, Real<T>* sums);

}  // namespace rcnn::ops::kernels::cpu::simd
