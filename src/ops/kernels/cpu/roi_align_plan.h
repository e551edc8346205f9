#pragma once

#include <algorithm>
#include <vector>

#include "ops/kernels/cpu/simd/roi_align.h"
#include "ops/kernels/cpu/whole_vectors.h"
#include "ops/kernels/geometry.h"
#include "ops/kernels/roi_align.h"

namespace rcnn::ops::kernels::cpu {

/// What a RoI reads of which map.
template <class Real>
struct PlacedRoi {
  int level;  ///< -1: it lies on no map and reads nothing
  int64_t image;
  simd::BinTaps<Real> rows, bins;
  simd::Columns columns;
};

/// The taps of all RoIs, which every channel shares.
template <class Real>
class RoiAlignPlan {
 public:
  template <class Cell>
  RoiAlignPlan(const RoiAlignSpec<Real>& spec, const Pyramid<Cell>& pyramid) {
    rois_.reserve(spec.roi_count);
    for (int64_t k = 0; k < spec.roi_count; ++k) {
      const Real* roi = spec.rois + 5 * k;
      const int64_t level = spec.levels ? spec.levels[k] : 0;
      if (!roi_is_valid(roi, pyramid.images) || level < 0 || level >= pyramid.level_count) {
        rois_.push_back(
            {.level = -1, .image = 0, .rows = {}, .bins = {}, .columns = 0, .first = 0, .count = 0});
        continue;
      }
      const Level<Cell>& map = pyramid.levels[level];
      const auto scale = static_cast<Real>(map.spatial_scale);
      const AlignAxis<Real> x(roi[1], roi[3], scale, spec.out_width, spec.sampling_ratio, spec.aligned);
      const AlignAxis<Real> y(roi[2], roi[4], scale, spec.out_height, spec.sampling_ratio, spec.aligned);
      Roi placed{.level = static_cast<int>(level),
                 .image = static_cast<int64_t>(roi[0]),
                 .rows = add_axis(y, spec.out_height, map.height, sample_count(y, x)),
                 .bins = add_axis(x, spec.out_width, map.width, Real(1)),
                 .columns = static_cast<int64_t>(columns_.size()),
                 .first = 0,
                 .count = 0};
      if (pyramid.channels_last) {
        list_columns(map.width, placed);
      } else {
        span_columns(map.width, placed);
      }
      most_columns_ = std::max(most_columns_, placed.count);
      rois_.push_back(placed);
    }
  }

  PlacedRoi<Real> operator[](int64_t k) const {
    const Roi& roi = rois_[k];
    const auto taps = [&](const Axis& axis) {
      return simd::BinTaps<Real>{taps_.data() + axis.begin, axis.bins, axis.count};
    };
    return {roi.level,
            roi.image,
            taps(roi.rows),
            taps(roi.bins),
            {columns_.data() + roi.columns, roi.first, roi.count}};
  }

  int64_t count() const { return static_cast<int64_t>(rois_.size()); }
  int64_t most_columns() const { return most_columns_; }

 private:
  using Tap = simd::Tap<Real>;

  struct Axis {
    int64_t begin, bins, count;  ///< taps_[begin..begin + bins * count - 1]
  };
  struct Roi {
    int level;
    int64_t image;
    Axis rows, bins;
    int64_t columns, first, count;
  };

  /// Samples that share a cell share one tap.
  Axis add_axis(const AlignAxis<Real>& axis, int64_t bins, int64_t length, Real divisor) {
    sums_.clear();
    ends_.clear();
    int64_t most = 1;
    for (int64_t bin = 0; bin < bins; ++bin) {
      const auto begin = static_cast<std::ptrdiff_t>(sums_.size());
      const auto add = [&](int64_t cell, Real weight) {  // in rising order; what is new belongs near the end
        auto at = sums_.end();
        while (at != sums_.begin() + begin && (at - 1)->index > cell) --at;
        if (at != sums_.begin() + begin && (at - 1)->index == cell) {
          (at - 1)->weight += weight;
        } else {
          sums_.insert(at, {static_cast<int32_t>(cell), weight});
        }
      };
      for (int sample = 0; sample < axis.samples(); ++sample) {
        const LinearTaps<Real> pair = linear_taps(axis.position(bin, sample), length);
        if (!pair.inside) continue;
        add(pair.low, pair.low_weight);
        add(pair.high, pair.high_weight);
      }
      ends_.push_back(static_cast<int64_t>(sums_.size()));
      most = std::max(most, ends_.back() - begin);
    }
    const Axis added{static_cast<int64_t>(taps_.size()), bins, most};
    for (int64_t bin = 0, i = 0; bin < bins; ++bin) {
      for (int64_t t = 0; t < most; ++t) {
        if (i < ends_[bin]) {
          taps_.push_back({sums_[i].index, sums_[i].weight / divisor});
          ++i;
        } else {
          taps_.push_back({t == 0 ? simd::kOutside : taps_.back().index, 0});
        }
      }
    }
    return added;
  }

  /// The columns from the first that the RoI reads to the last; -1 and -1 if there are none.
  CellRange columns_of(const Roi& roi) const {
    CellRange range{-1, -1};
    for (int64_t i = 0; i < roi.bins.bins * roi.bins.count; ++i) {
      const int64_t x = taps_[roi.bins.begin + i].index;
      if (x == simd::kOutside) continue;
      range = {range.begin < 0 ? x : std::min(range.begin, x), std::max(range.end, x + 1)};
    }
    return range;
  }

  /// Makes the taps point into the columns, whose places are place(x).
  template <class Place>
  void point_taps(const Roi& roi, Place place) {
    for (int64_t i = 0; i < roi.bins.bins * roi.bins.count; ++i) {
      int32_t& index = taps_[roi.bins.begin + i].index;
      index = static_cast<int32_t>(index == simd::kOutside ? roi.count : place(index));
    }
  }

  /// One by one.
  void list_columns(int64_t width, Roi& roi) {
    constexpr int64_t kUnused = -1;
    place_of_.assign(width, kUnused);
    for (int64_t i = 0; i < roi.bins.bins * roi.bins.count; ++i) {
      const int64_t x = taps_[roi.bins.begin + i].index;
      if (x != simd::kOutside) place_of_[x] = 0;
    }
    const CellRange range = columns_of(roi);
    for (int64_t x = range.begin; x < range.end; ++x) {
      if (place_of_[x] == kUnused) continue;
      columns_.push_back(x);
      place_of_[x] = roi.count++;
    }
    point_taps(roi, [&](int64_t x) { return place_of_[x]; });
  }

  /// As whole vectors where the map is wide enough for some columns more.
  void span_columns(int64_t width, Roi& roi) {
    constexpr int64_t kWhole = 16;
    const CellRange range = columns_of(roi);
    if (range.begin >= 0) {
      const CellRange read = in_whole_vectors(range, kWhole, width);
      roi.first = read.begin;
      roi.count = read.end - read.begin;
    }
    point_taps(roi, [&](int64_t x) { return x - roi.first; });
  }

  std::vector<Roi> rois_;
  std::vector<Tap> taps_;
  std::vector<int64_t> columns_;
  int64_t most_columns_ = 0;
  // For one axis at a time.
  std::vector<Tap> sums_;
  std::vector<int64_t> ends_, place_of_;
};

}  // namespace rcnn::ops::kernels::cpu
