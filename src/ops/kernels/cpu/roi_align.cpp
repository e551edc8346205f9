#include "ops/kernels/roi_align.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "ops/kernels/cpu/lists.h"
#include "ops/kernels/cpu/roi_align_plan.h"
#include "ops/kernels/cpu/scratch.h"
#include "ops/kernels/cpu/simd/dispatch.h"

namespace rcnn::ops::kernels::cpu {
namespace {

using simd::Cells;

template <class Cell>
Cells<Cell> cells_of(const Pyramid<Cell>& pyramid, int level, int64_t image) {
  const Level<Cell>& map = pyramid.levels[level];
  return {map.cells + image * pyramid.channels * map.height * map.width, map.width, pyramid.channels};
}

template <class Cell>
Cells<Cell> plane_of(const Pyramid<Cell>& pyramid, int level, int64_t image, int64_t channel) {
  const Level<Cell>& map = pyramid.levels[level];
  return {map.cells + (image * pyramid.channels + channel) * map.height * map.width, map.width, 1};
}

/// Whether output row i reads anything.
template <class Real>
bool reads(const PlacedRoi<Real>& roi, int64_t i) {
  return roi.level >= 0 && roi.rows[i]->index != simd::kOutside;
}

/// Pieces of `rows` rows of the maps of all levels and images, numbered through.
template <class Cell>
class Bands {
 public:
  Bands(const Pyramid<Cell>& pyramid, int64_t rows) : pyramid_(pyramid), rows_(rows) {
    for (int level = 0; level < pyramid.level_count; ++level)
      begins_[level + 1] = begins_[level] + pyramid.images * bands_of_map(level);
  }

  struct Band {
    int level;
    int64_t image, begin, end;  ///< rows begin..end-1
  };

  int64_t rows() const { return rows_; }
  int64_t count() const { return begins_[pyramid_.level_count]; }
  int64_t number(int level, int64_t image, int64_t row) const {
    return begins_[level] + image * bands_of_map(level) + row / rows_;
  }
  Band operator[](int64_t i) const {
    const auto level =
        static_cast<int>(std::upper_bound(begins_, begins_ + pyramid_.level_count + 1, i) - begins_ - 1);
    const int64_t inside = i - begins_[level], row = inside % bands_of_map(level) * rows_;
    return {level, inside / bands_of_map(level), row, std::min(row + rows_, pyramid_.levels[level].height)};
  }

 private:
  int64_t bands_of_map(int level) const { return (pyramid_.levels[level].height + rows_ - 1) / rows_; }

  const Pyramid<Cell>& pyramid_;
  int64_t rows_;
  int64_t begins_[kMaxLevels + 1] = {};
};

template <class Real>
Scratch<Real> scratch_for(const RoiAlignPlan<Real>& plan, int64_t bytes_of_column) {
  return Scratch<Real>((plan.most_columns() + 1) * bytes_of_column / static_cast<int64_t>(sizeof(Real)));
}

template <class Isa, class T>
void forward_in_cells(const RoiAlignPlan<Real<T>>& plan, const RoiAlignSpec<Real<T>>& spec,
                      const Pyramid<const T>& features, T* output, const Parallel& parallel) {
  // Output rows in the order of the map's rows that they read: each finds in the cache what the last one left
  // there.
  const Bands rows(features, 1);
  const Lists by_map_row(rows.count() + 1, [&](auto put) {  // what reads nothing comes last
    for (int64_t k = 0; k < plan.count(); ++k) {
      const PlacedRoi<Real<T>> roi = plan[k];
      for (int64_t i = 0; i < spec.out_height; ++i) {
        const int64_t row =
            reads(roi, i) ? rows.number(roi.level, roi.image, roi.rows[i]->index) : rows.count();
        put(row, k * spec.out_height + i);
      }
    }
  });
  const std::vector<int64_t>& order = by_map_row.items();
  const int64_t row_size = spec.out_width * features.channels;
  parallel(static_cast<int64_t>(order.size()), 1, [&](int64_t begin, int64_t end) {
    Scratch<Real<T>> scratch = scratch_for(plan, simd::kBlockBytes);
    for (int64_t n = begin; n < end; ++n) {
      const PlacedRoi<Real<T>> roi = plan[order[n] / spec.out_height];
      const int64_t i = order[n] % spec.out_height;
      T* to = output + order[n] * row_size;
      if (reads(roi, i)) {
        simd::average_row<Isa, T>(cells_of(features, roi.level, roi.image), roi.rows[i], roi.rows.count,
                                  roi.bins, roi.columns, scratch.data(), to);
      } else {
        std::fill_n(to, row_size, T{});
      }
    }
  });
}

template <class Isa, class T>
void backward_in_cells(const RoiAlignPlan<Real<T>>& plan, const RoiAlignSpec<Real<T>>& spec,
                       const T* grad_output, const Pyramid<Real<T>>& grad_features,
                       const Parallel& parallel) {
  // A band stays in the cache from its zeros to its last sum, and no two threads write to one.
  const Bands bands(grad_features, 4);
  const Lists rows_of_band(bands.count(), [&](auto put) {
    for (int64_t k = 0; k < plan.count(); ++k) {
      const PlacedRoi<Real<T>> roi = plan[k];
      for (int64_t i = 0; i < spec.out_height; ++i) {
        if (!reads(roi, i)) continue;
        const int64_t last = roi.rows[i][roi.rows.count - 1].index;
        for (int64_t y = roi.rows[i]->index; y <= last; y += bands.rows() - y % bands.rows())
          put(bands.number(roi.level, roi.image, y), k * spec.out_height + i);
      }
    }
  });
  const int64_t row_size = spec.out_width * grad_features.channels;
  share_items(parallel, bands.count(), [&](auto next) {
    Scratch<Real<T>> scratch = scratch_for(plan, simd::kBlockBytes);
    for (int64_t b; (b = next()) < bands.count();) {
      const auto band = bands[b];
      const Cells<Real<T>> map = cells_of(grad_features, band.level, band.image);
      std::fill(map.first + band.begin * map.width * map.channels,
                map.first + band.end * map.width * map.channels, Real<T>(0));
      for (auto n = rows_of_band.begin(b); n != rows_of_band.end(b); ++n) {
        const PlacedRoi<Real<T>> roi = plan[*n / spec.out_height];
        const auto *first = roi.rows[*n % spec.out_height], *last = first + roi.rows.count;
        while (first != last && first->index < band.begin) ++first;
        while (first != last && (last - 1)->index >= band.end) --last;
        simd::spread_row<Isa, T>(map, first, last - first, roi.bins, roi.columns, scratch.data(),
                                 grad_output + *n * row_size);
      }
    }
  });
}

/// Calls start(level, image, channel) for every plane, and then visit(channel, scratch, k) for each RoI k
/// that reads it.
template <class Real, class Cell, class Start, class Visit>
void for_each_plane(const RoiAlignPlan<Real>& plan, const Pyramid<Cell>& pyramid, const Parallel& parallel,
                    Start start, Visit visit) {
  const Lists by_map(pyramid.level_count * pyramid.images, [&](auto put) {
    for (int64_t k = 0; k < plan.count(); ++k)
      if (const auto roi = plan[k]; roi.level >= 0) put(roi.level * pyramid.images + roi.image, k);
  });
  share_items(parallel, pyramid.channels, [&](auto next) {
    Scratch<Real> scratch = scratch_for(plan, sizeof(Real));
    for (int64_t c; (c = next()) < pyramid.channels;) {
      for (int64_t map = 0; map < by_map.count(); ++map) {
        start(static_cast<int>(map / pyramid.images), map % pyramid.images, c);
        for (auto k = by_map.begin(map); k != by_map.end(map); ++k) visit(c, scratch.data(), *k);
      }
    }
  });
}

template <class Isa, class T>
void forward_in_planes(const RoiAlignPlan<Real<T>>& plan, const RoiAlignSpec<Real<T>>& spec,
                       const Pyramid<const T>& features, T* output, const Parallel& parallel) {
  const int64_t channels = features.channels, bins = spec.out_height * spec.out_width;
  for (int64_t k = 0; k < plan.count(); ++k)
    if (plan[k].level < 0) std::fill_n(output + k * channels * bins, channels * bins, T{});
  for_each_plane(
      plan, features, parallel, [](int, int64_t, int64_t) {},
      [&](int64_t c, Real<T>* scratch, int64_t k) {
        const PlacedRoi<Real<T>> roi = plan[k];
        simd::average_plane<Isa, T>(plane_of(features, roi.level, roi.image, c), roi.rows, roi.bins,
                                    roi.columns, scratch, output + (k * channels + c) * bins);
      });
}

template <class Isa, class T>
void backward_in_planes(const RoiAlignPlan<Real<T>>& plan, const RoiAlignSpec<Real<T>>& spec,
                        const T* grad_output, const Pyramid<Real<T>>& grad_features,
                        const Parallel& parallel) {
  const int64_t channels = grad_features.channels, bins = spec.out_height * spec.out_width;
  for_each_plane(
      plan, grad_features, parallel,
      [&](int level, int64_t image, int64_t c) {
        const Level<Real<T>>& map = grad_features.levels[level];
        std::fill_n(plane_of(grad_features, level, image, c).first, map.height * map.width, Real<T>(0));
      },
      [&](int64_t c, Real<T>* scratch, int64_t k) {
        const PlacedRoi<Real<T>> roi = plan[k];
        simd::spread_plane<Isa, T>(plane_of(grad_features, roi.level, roi.image, c), roi.rows, roi.bins,
                                   roi.columns, scratch, grad_output + (k * channels + c) * bins);
      });
}

/// The gradients of the two edges of a RoI along an axis of a map of `length` cells, in cells. of_weight(bin,
/// cell) is the gradient of the weight that a bin gives to a cell.
template <class Real, class OfWeight>
std::pair<double, double> differentiate_edges(const AlignAxis<Real>& axis, int64_t bins, int64_t length,
                                              OfWeight of_weight) {
  double lower = 0, upper = 0;
  for (int64_t bin = 0; bin < bins; ++bin) {
    for (int sample = 0; sample < axis.samples(); ++sample) {
      const Real position = axis.position(bin, sample);
      if (!follows_position(position, length)) continue;
      const auto cell = static_cast<int64_t>(position);
      const double slope = of_weight(bin, cell + 1) - of_weight(bin, cell);
      const double share = axis.share_of_upper_edge(bin, sample);
      lower += slope * (1 - share);
      upper += slope * share;
    }
  }
  return {lower, upper};
}

/// The tap of a bin that has this index; there is one.
template <class Real, class IndexOf>
int64_t tap_at(const simd::BinTaps<Real>& taps, int64_t bin, int64_t index, IndexOf index_of) {
  const auto *first = taps[bin], *last = first + taps.count;
  const auto* found = std::lower_bound(
      first, last, index, [&](const simd::Tap<Real>& tap, int64_t i) { return index_of(tap) < i; });
  return bin * taps.count + (found - first);
}

/// A gradient of RoI k's corners, [4], from its output's.
template <class Isa, class T>
void differentiate_roi(const RoiAlignSpec<Real<T>>& spec, const Pyramid<const T>& features,
                       const PlacedRoi<Real<T>>& roi, const Real<T>* corners, const T* grad_output,
                       Real<T>* scratch, Real<T>* grad_corners) {
  constexpr int64_t kLanes = simd::kSumLanes<Real<T>>;
  const int64_t row_taps = spec.out_height * roi.rows.count, bin_taps = spec.out_width * roi.bins.count;
  Scratch<Real<T>> sums((row_taps + bin_taps) * kLanes);
  Real<T>*of_rows = sums.data(), *of_bins = of_rows + row_taps * kLanes;
  const Cells<const T> map = cells_of(features, roi.level, roi.image);
  for (int64_t i = 0; i < spec.out_height; ++i) {
    if (!reads(roi, i)) continue;
    simd::differentiate_taps<Isa, T>(map, roi.rows[i], roi.rows.count, roi.bins, roi.columns, scratch,
                                     grad_output + i * spec.out_width * features.channels,
                                     of_rows + i * roi.rows.count * kLanes, of_bins);
  }
  const auto total = [&](const Real<T>* lanes) { return std::accumulate(lanes, lanes + kLanes, 0.0); };

  const Level<const T>& level = features.levels[roi.level];
  const auto scale = static_cast<Real<T>>(level.spatial_scale);
  const AlignAxis<Real<T>> x(corners[0], corners[2], scale, spec.out_width, spec.sampling_ratio,
                             spec.aligned);
  const AlignAxis<Real<T>> y(corners[1], corners[3], scale, spec.out_height, spec.sampling_ratio,
                             spec.aligned);
  const auto [x1, x2] = differentiate_edges(x, spec.out_width, level.width, [&](int64_t bin, int64_t cell) {
    const int64_t tap =
        tap_at(roi.bins, bin, cell, [&](const auto& t) { return roi.columns.listed[t.index]; });
    return total(of_bins + tap * kLanes);
  });
  const auto [y1, y2] = differentiate_edges(y, spec.out_height, level.height, [&](int64_t bin, int64_t cell) {
    return total(of_rows + tap_at(roi.rows, bin, cell, [](const auto& t) { return t.index; }) * kLanes);
  });
  const double of_row = level.spatial_scale / sample_count(y, x);  // rows' weights are divided by the samples
  grad_corners[0] = static_cast<Real<T>>(x1 * level.spatial_scale);
  grad_corners[1] = static_cast<Real<T>>(y1 * of_row);
  grad_corners[2] = static_cast<Real<T>>(x2 * level.spatial_scale);
  grad_corners[3] = static_cast<Real<T>>(y2 * of_row);
}

}  // namespace

template <class T>
void roi_align_forward(const RoiAlignSpec<Real<T>>& spec, const Pyramid<const T>& features, T* output,
                       const Parallel& parallel, InstructionSet instruction_set) {
  const RoiAlignPlan<Real<T>> plan(spec, features);
  with_instruction_set(instruction_set, [&]<class Isa>(Isa) {
    if (features.channels_last) {
      forward_in_cells<Isa>(plan, spec, features, output, parallel);
    } else {
      forward_in_planes<Isa>(plan, spec, features, output, parallel);
    }
  });
}

template <class T>
void roi_align_backward(const RoiAlignSpec<Real<T>>& spec, const T* grad_output,
                        const Pyramid<Real<T>>& grad_features, const Parallel& parallel,
                        InstructionSet instruction_set) {
  const RoiAlignPlan<Real<T>> plan(spec, grad_features);
  with_instruction_set(instruction_set, [&]<class Isa>(Isa) {
    if (grad_features.channels_last) {
      backward_in_cells<Isa>(plan, spec, grad_output, grad_features, parallel);
    } else {
      backward_in_planes<Isa>(plan, spec, grad_output, grad_features, parallel);
    }
  });
}

template <class T>
void roi_align_backward_rois(const RoiAlignSpec<Real<T>>& spec, const Pyramid<const T>& features,
                             const T* grad_output, Real<T>* grad_rois, const Parallel& parallel,
                             InstructionSet instruction_set) {
  const RoiAlignPlan<Real<T>> plan(spec, features);
  const int64_t output_size = spec.out_height * spec.out_width * features.channels;
  std::fill_n(grad_rois, 5 * spec.roi_count, Real<T>(0));
  with_instruction_set(instruction_set, [&]<class Isa>(Isa) {
    share_items(parallel, spec.roi_count, [&](auto next) {
      auto scratch = scratch_for(plan, 2 * simd::kSumLanes<Real<T>> * sizeof(Real<T>));
      for (int64_t k; (k = next()) < spec.roi_count;) {
        const PlacedRoi<Real<T>> roi = plan[k];
        if (roi.level < 0) continue;
        differentiate_roi<Isa, T>(spec, features, roi, spec.rois + 5 * k + 1, grad_output + k * output_size,
                                  scratch.data(), grad_rois + 5 * k + 1);
      }
    });
  });
}

template void roi_align_forward(const RoiAlignSpec<float>&, const Pyramid<const float>&, float*,
                                const Parallel&, InstructionSet);
template void roi_align_forward(const RoiAlignSpec<double>&, const Pyramid<const double>&, double*,
                                const Parallel&, InstructionSet);
template void roi_align_forward(const RoiAlignSpec<float>&, const Pyramid<const BFloat16>&, BFloat16*,
                                const Parallel&, InstructionSet);
template void roi_align_backward<float>(const RoiAlignSpec<float>&, const float*, const Pyramid<float>&,
                                        const Parallel&, InstructionSet);
template void roi_align_backward<double>(const RoiAlignSpec<double>&, const double*, const Pyramid<double>&,
                                         const Parallel&, InstructionSet);
template void roi_align_backward<BFloat16>(const RoiAlignSpec<float>&, const BFloat16*, const Pyramid<float>&,
                                           const Parallel&, InstructionSet);
template void roi_align_backward_rois(const RoiAlignSpec<float>&, const Pyramid<const float>&, const float*,
                                      float*, const Parallel&, InstructionSet);
template void roi_align_backward_rois(const RoiAlignSpec<double>&, const Pyramid<const double>&,
                                      const double*, double*, const Parallel&, InstructionSet);
template void roi_align_backward_rois(const RoiAlignSpec<float>&, const Pyramid<const BFloat16>&,
                                      const BFloat16*, float*, const Parallel&, InstructionSet);

}  // namespace rcnn::ops::kernels::cpu
