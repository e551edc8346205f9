#include "ops/kernels/roi_align.h"

#include <algorithm>
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

}  // namespace rcnn::ops::kernels::cpu
