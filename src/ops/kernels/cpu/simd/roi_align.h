#pragma once

#include <cstdint>

#include "ops/kernels/cpu/simd/vec.h"

/// The inner loops of RoIAlign. A bin's average of bilinear samples is separable: the weight of cell (y, x)
/// is the product of its weights along y and x. So an output row is made in two steps, along y into one value
/// a column and from those along x into the bins; the gradient goes the same way back.
namespace rcnn::ops::kernels::cpu::simd {

/// One of the values that a bin sums up along an axis.
template <class Real>
struct Tap {
  int32_t index;  ///< of the row, or of the column in Columns; as small as the weight, since the caches hold
                  ///< few taps
  Real weight;
};

/// The taps of each bin along an axis, the same number for each, so that a RoI's loops all run equally long:
/// shorter ones end in taps of weight 0 that repeat the last index.
template <class Real>
struct BinTaps {
  const Tap<Real>* taps;  ///< [bins, count]
  int64_t bins, count;

  [[gnu::always_inline]] const Tap<Real>* operator[](int64_t bin) const { return taps + bin * count; }
};

/// Row taps of an output row that lies outside the map have this index.
constexpr int32_t kOutside = -1;

/// The columns of the map that a RoI reads. In channels_last they are listed one by one; a plane is read as
/// vectors, all columns from the first on. Column taps of a bin that lies outside the map have the index
/// `count`.
struct Columns {
  const int64_t* listed;
  int64_t first, count;
};

/// A map [height, width, channels] (channels_last) or one plane [height, width].
template <class Cell>
struct Cells {
  Cell* first;
  int64_t width, channels;
};

/// One output row [bins, channels] from a channels_last map. scratch: kBlockBytes for each of the columns and
/// one more.
template <class Isa, class T>
void average_row(const Cells<const T>& map, const Tap<Real<T>>* rows, int64_t row_count,
                 const BinTaps<Real<T>>& bins, const Columns& columns, Real<T>* scratch, T* output);

/// Adds the gradient of one output row to a channels_last map.
template <class Isa, class T>
void spread_row(const Cells<Real<T>>& map, const Tap<Real<T>>* rows, int64_t row_count,
                const BinTaps<Real<T>>& bins, const Columns& columns, Real<T>* scratch, const T* grad_output);

/// Gradients of the weights of an output row's taps, added to of_rows [row_count, kSumLanes] and of_bins
/// [bins.bins, bins.count, kSumLanes]. scratch: 2 * kSumLanes for each of the columns and one more.
template <class Isa, class T>
void differentiate_taps(const Cells<const T>& map, const Tap<Real<T>>* rows, int64_t row_count,
                        const BinTaps<Real<T>>& bins, const Columns& columns, Real<T>* scratch,
                        const T* grad_output, Real<T>* of_rows, Real<T>* of_bins);

/// One output plane [rows.bins, bins.bins] from a plane. scratch: one for each of the columns and one more.
template <class Isa, class T>
void average_plane(const Cells<const T>& plane, const BinTaps<Real<T>>& rows, const BinTaps<Real<T>>& bins,
                   const Columns& columns, Real<T>* scratch, T* output);

/// Adds the gradient of one output plane to a plane.
template <class Isa, class T>
void spread_plane(const Cells<Real<T>>& plane, const BinTaps<Real<T>>& rows, const BinTaps<Real<T>>& bins,
                  const Columns& columns, Real<T>* scratch, const T* grad_output);

}  // namespace rcnn::ops::kernels::cpu::simd
