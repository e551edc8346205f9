#pragma once

#include <cmath>
#include <cstdint>

#include "ops/kernels/real.h"

/// The geometry that decides which cells a RoI or a moved tap reads and which boxes overlap: one copy for
/// both twins. Comparisons are written so that a NaN takes the harmless branch.
namespace rcnn::ops::kernels {

template <class Number>
RCNN_HOST_DEVICE inline Number smaller(Number a, Number b) {
  return a < b ? a : b;
}

template <class Number>
RCNN_HOST_DEVICE inline Number larger(Number a, Number b) {
  return a > b ? a : b;
}

// ---- boxes; Real may be a vector of numbers, computed lane by lane

template <class Real>
struct Corners {
  Real x1, y1, x2, y2;
};

template <class Real>
RCNN_HOST_DEVICE inline Real area(const Corners<Real>& box) {
  return (box.x2 - box.x1) * (box.y2 - box.y1);
}

template <class Real>
RCNN_HOST_DEVICE inline Real intersection(const Corners<Real>& a, const Corners<Real>& b) {
  const Real width = smaller(a.x2, b.x2) - larger(a.x1, b.x1);
  const Real height = smaller(a.y2, b.y2) - larger(a.y1, b.y1);
  return larger(width, Real{}) * larger(height, Real{});
}

/// part / whole, and 0 where that is not a positive number (empty, inverted or NaN boxes).
template <class Real>
RCNN_HOST_DEVICE inline Real share(Real part, Real whole) {
  return larger(part / whole, Real{});
}

template <class Real>
RCNN_HOST_DEVICE inline Real iou(const Corners<Real>& a, Real area_a, const Corners<Real>& b, Real area_b) {
  const Real common = intersection(a, b);
  return share(common, area_a + area_b - common);
}

// ---- RoIs: (batch index, x1, y1, x2, y2)

template <class Real>
RCNN_HOST_DEVICE inline bool roi_is_valid(const Real* roi, int64_t images) {
  const bool inside_batch = roi[0] >= 0 && roi[0] < static_cast<Real>(images);
  return inside_batch && roi[1] == roi[1] && roi[2] == roi[2] && roi[3] == roi[3] && roi[4] == roi[4];
}

/// Cells begin..end-1 along one axis.
struct CellRange {
  int64_t begin, end;
};

/// RoIPool's bins along one axis.
template <class Real>
class PoolAxis {
 public:
  RCNN_HOST_DEVICE PoolAxis(Real low, Real high, Real scale, int64_t bins)
      : start_(nearest_cell(low * scale)) {
    const int64_t size = larger<int64_t>(nearest_cell(high * scale) - start_ + 1, 1);
    bin_size_ = static_cast<Real>(size) / static_cast<Real>(bins);
  }

  /// Of bin `bin`, clipped to a map of `length` cells. The lone product is rounded and the offset added
  /// afterwards, so that no rounding of a sum can move an edge.
  RCNN_HOST_DEVICE CellRange cells(int64_t bin, int64_t length) const {
    const auto begin = static_cast<int64_t>(std::floor(static_cast<Real>(bin) * bin_size_));
    const auto end = static_cast<int64_t>(std::ceil(static_cast<Real>(bin + 1) * bin_size_));
    return {clip(begin + start_, length), clip(end + start_, length)};
  }

 private:
  /// Half away from zero, as C's round. Far off the map stays far off the map, whatever the conversion can
  /// hold.
  RCNN_HOST_DEVICE static int64_t nearest_cell(Real position) {
    const Real far = static_cast<Real>(int64_t{1} << 40);
    return static_cast<int64_t>(std::round(larger(smaller(position, far), -far)));
  }
  RCNN_HOST_DEVICE static int64_t clip(int64_t cell, int64_t length) {
    return smaller(larger<int64_t>(cell, 0), length);
  }

  int64_t start_;
  Real bin_size_;
};

/// RoIAlign's samples along one axis, in cells.
template <class Real>
class AlignAxis {
 public:
  RCNN_HOST_DEVICE AlignAxis(Real low, Real high, Real scale, int64_t bins, int sampling_ratio,
                             bool aligned) {
    const Real shift = aligned ? Real(0.5) : Real(0);
    start_ = low * scale - shift;
    Real size = high * scale - shift - start_;
    held_ = !aligned && !(size > Real(1));
    if (!aligned) size = larger(size, Real(1));
    bins_ = static_cast<Real>(bins);
    bin_size_ = size / bins_;
    samples_ = sampling_ratio > 0 ? sampling_ratio : adaptive_samples(bin_size_);
  }

  /// In every bin; 0 for a RoI of no size when they adapt to it.
  RCNN_HOST_DEVICE int samples() const { return samples_; }

  RCNN_HOST_DEVICE Real position(int64_t bin, int sample) const {
    return start_ + static_cast<Real>(bin) * bin_size_ +
           (static_cast<Real>(sample) + Real(0.5)) * bin_size_ / static_cast<Real>(samples_);
  }

  /// The position's derivative in the upper edge; in the lower one it is the rest of 1. 0 where the RoI is
  /// held at the size of one cell, which follows its lower edge alone. The number of samples is a constant.
  RCNN_HOST_DEVICE Real share_of_upper_edge(int64_t bin, int sample) const {
    if (held_) return 0;
    return (static_cast<Real>(bin) + (static_cast<Real>(sample) + Real(0.5)) / static_cast<Real>(samples_)) /
           bins_;
  }

 private:
  /// One a cell. The limit only binds for bins wider than any map, and keeps the loops of such a RoI finite.
  RCNN_HOST_DEVICE static int adaptive_samples(Real bin_size) {
    constexpr int kMost = 1 << 16;
    if (!(bin_size < Real(kMost))) return kMost;
    return bin_size > 0 ? static_cast<int>(std::ceil(bin_size)) : 0;
  }

  Real start_, bins_, bin_size_;
  int samples_;
  bool held_;
};

/// The number that a bin's sum of samples is divided by.
template <class Real>
RCNN_HOST_DEVICE inline Real sample_count(const AlignAxis<Real>& y, const AlignAxis<Real>& x) {
  return larger(static_cast<Real>(y.samples()) * static_cast<Real>(x.samples()), Real(1));
}

/// The two cells around a sample along one axis and their weights.
template <class Real>
struct LinearTaps {
  int64_t low, high;
  Real low_weight, high_weight;
  bool inside;  ///< false: further than one cell outside the map, counts as 0
};

template <class Real>
RCNN_HOST_DEVICE inline LinearTaps<Real> linear_taps(Real position, int64_t length) {
  if (!(position >= Real(-1) && position <= static_cast<Real>(length))) return {0, 0, 0, 0, false};
  position = larger(position, Real(0));
  const auto low = static_cast<int64_t>(position);
  if (low >= length - 1) return {length - 1, length - 1, 1, 0, true};
  const Real fraction = position - static_cast<Real>(low);
  return {low, low + 1, Real(1) - fraction, fraction, true};
}

/// Whether a sample's value follows its position: the weights of its cells have the derivatives -1 and 1, or
/// 0 where it is outside or moved to a cell at the border.
template <class Real>
RCNN_HOST_DEVICE inline bool follows_position(Real position, int64_t length) {
  return position > 0 && position < static_cast<Real>(length - 1);
}

// ---- deformable convolution: a map goes on with zeros on all sides

/// The two neighbouring cells around a sample along one axis, the weights of both, and whether they lie on
/// the map.
template <class Real>
struct PaddedTaps {
  int64_t low;                   ///< the other one is low + 1
  Real low_weight, high_weight;  ///< NaN where the position is, 0 where no cell is near
  bool has_low, has_high;
};

/// Unlike linear_taps, which moves what is outside to the border.
template <class Real>
RCNN_HOST_DEVICE inline PaddedTaps<Real> padded_taps(Real position, int64_t length) {
  if (!(position >= Real(-1) && position < static_cast<Real>(length))) {
    const Real none = position == position ? Real(0) : position;
    return {-1, none, none, false, false};
  }
  const Real floor = std::floor(position), fraction = position - floor;
  const auto low = static_cast<int64_t>(floor);
  return {low, Real(1) - fraction, fraction, low >= 0, low + 1 < length};
}

}  // namespace rcnn::ops::kernels
