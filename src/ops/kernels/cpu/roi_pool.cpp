#include "ops/kernels/roi_pool.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "ops/kernels/cpu/lists.h"
#include "ops/kernels/cpu/scratch.h"
#include "ops/kernels/cpu/simd/dispatch.h"
#include "ops/kernels/cpu/simd/roi_pool.h"
#include "ops/kernels/cpu/whole_vectors.h"
#include "ops/kernels/geometry.h"

namespace rcnn::ops::kernels::cpu {
namespace {

using simd::PoolWindow;

bool empty(CellRange range) {
  return range.begin >= range.end;
}

/// The cells of every RoI's bins along both axes; none for a RoI that is invalid.
template <class Real>
class Plan {
 public:
  Plan(const RoiPoolShape& shape, const Real* rois) : shape_(shape), image_(shape.rois) {
    rows_.reserve(shape.rois * shape.out_height);
    columns_.reserve(shape.rois * shape.out_width);
    const auto scale = static_cast<Real>(shape.spatial_scale);
    for (int64_t k = 0; k < shape.rois; ++k) {
      const Real* roi = rois + 5 * k;
      const bool valid = roi_is_valid(roi, shape.images);
      image_[k] = valid ? static_cast<int64_t>(roi[0]) : 0;
      const PoolAxis<Real> x(roi[1], roi[3], scale, shape.out_width),
          y(roi[2], roi[4], scale, shape.out_height);
      for (int64_t i = 0; i < shape.out_height; ++i)
        rows_.push_back(valid ? y.cells(i, shape.height) : CellRange{0, 0});
      for (int64_t j = 0; j < shape.out_width; ++j)
        columns_.push_back(valid ? x.cells(j, shape.width) : CellRange{0, 0});
    }
  }

  int64_t image(int64_t k) const { return image_[k]; }
  /// Of RoI k's output rows.
  const CellRange* rows(int64_t k) const { return rows_.data() + k * shape_.out_height; }
  /// Of its bins from left to right.
  const CellRange* columns(int64_t k) const { return columns_.data() + k * shape_.out_width; }

 private:
  RoiPoolShape shape_;
  std::vector<int64_t> image_;
  std::vector<CellRange> rows_, columns_;
};

/// The windows of all RoIs of a plan, which every plane shares.
class Windows {
 public:
  template <class Real>
  Windows(const RoiPoolShape& shape, const Plan<Real>& plan)
      : padded_width_(round_up(shape.out_width, PoolWindow::kBins)) {
    for (int64_t k = 0; k < shape.rois; ++k) {
      const CellRange *rows = plan.rows(k), *columns = plan.columns(k);
      PoolWindow window{.rows = rows,
                        .row_count = longest(rows, shape.out_height),
                        .columns = nullptr,
                        .column_count = longest(columns, shape.out_width),
                        .first = 0,
                        .width = 0,
                        .out_height = shape.out_height,
                        .out_width = shape.out_width};
      place(shape, columns, window);
      begins_.push_back(indices_.size());
      for (int64_t t = 0; t < window.column_count; ++t) {
        for (int64_t j = 0; j < padded_width_; ++j) {
          const bool none = j >= shape.out_width || empty(columns[j]);
          indices_.push_back(
              none ? -1
                   : static_cast<int32_t>(std::min(columns[j].begin + t, columns[j].end - 1) - window.first));
        }
      }
      windows_.push_back(window);
    }
  }

  PoolWindow operator[](int64_t k) const {
    PoolWindow window = windows_[k];
    window.columns = indices_.data() + begins_[k];
    return window;
  }

 private:
  static int64_t longest(const CellRange* ranges, int64_t count) {
    int64_t most = 1;
    for (int64_t i = 0; i < count; ++i) most = std::max(most, ranges[i].end - ranges[i].begin);
    return most;
  }

  /// From the first to the last column, in whole vectors where the map is wide enough for some columns more.
  static void place(const RoiPoolShape& shape, const CellRange* columns, PoolWindow& window) {
    int64_t begin = shape.width, end = 0;
    for (int64_t j = 0; j < shape.out_width; ++j)
      if (!empty(columns[j])) begin = std::min(begin, columns[j].begin), end = std::max(end, columns[j].end);
    if (begin >= end) return;
    const CellRange read = in_whole_vectors({begin, end}, PoolWindow::kBins, shape.width);
    window.first = read.begin;
    window.width = read.end - read.begin;
  }

  int64_t padded_width_;
  std::vector<PoolWindow> windows_;
  std::vector<size_t> begins_;
  std::vector<int32_t> indices_;
};

template <class Isa, class T>
void forward_in_cells(const RoiPoolShape& shape, const Plan<Real<T>>& plan, const T* features, T* output,
                      int32_t* argmax, const Parallel& parallel) {
  const int64_t channels = shape.channels;
  parallel(shape.rois * shape.out_height, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t k = i / shape.out_height;
      const CellRange rows = plan.rows(k)[i % shape.out_height];
      const T* image = features + plan.image(k) * shape.height * shape.width * channels;
      for (int64_t j = 0; j < shape.out_width; ++j) {
        const CellRange columns = plan.columns(k)[j];
        const int64_t out = (i * shape.out_width + j) * channels;
        if (empty(rows) || empty(columns)) {
          std::fill_n(output + out, channels, T{});
          if (argmax) std::fill_n(argmax + out, channels, -1);
        } else {
          simd::max_of_bin<Isa, T>(image, shape.width, channels, rows, columns, output + out,
                                   argmax ? argmax + out : nullptr);
        }
      }
    }
  });
}

template <class Isa, class T>
void forward_in_planes(const RoiPoolShape& shape, const Plan<Real<T>>& plan, const T* features, T* output,
                       int32_t* argmax, const Parallel& parallel) {
  const Windows windows(shape, plan);
  const int64_t bins = shape.out_height * shape.out_width, padded_bins = bins + PoolWindow::kBins;
  const int64_t padded_width = shape.width + 2 * PoolWindow::kBins;
  // Channel after channel of a RoI: what the processor learned of its loops on the first plane serves the
  // others.
  parallel(shape.channels, 1, [&](int64_t begin, int64_t end) {
    Scratch<Real<T>> scratch(padded_width);
    Scratch<IntegerLike<Real<T>>> scratch_cells(padded_width);
    Scratch<T> values(padded_bins);
    Scratch<int32_t> cells(padded_bins);
    for (int64_t k = 0; k < shape.rois; ++k) {
      const PoolWindow window = windows[k];
      const int64_t end_of_range = (k * shape.channels + end) * bins;
      for (int64_t c = begin; c < end; ++c) {
        const T* plane = features + (plan.image(k) * shape.channels + c) * shape.height * shape.width;
        const int64_t out = (k * shape.channels + c) * bins;
        // What is written too far is written over with the next planes, if they are this thread's.
        const bool direct = out + padded_bins <= end_of_range;
        simd::max_in_plane<Isa, T>(plane, shape.width, window, scratch.data(), scratch_cells.data(),
                                   direct ? output + out : values.data(),
                                   argmax ? (direct ? argmax + out : cells.data()) : nullptr);
        if (direct) continue;
        std::copy_n(values.data(), bins, output + out);
        if (argmax) std::copy_n(cells.data(), bins, argmax + out);
      }
    }
  });
}

template <class Isa, class T>
void backward_in_cells(const RoiPoolShape& shape, const Plan<Real<T>>& plan, const T* grad_output,
                       const int32_t* argmax, Real<T>* grad_features, const Parallel& parallel) {
  // A band of rows stays in the cache from its zeros to its last sum, and no two threads write to one.
  constexpr int64_t kRowsOfBand = 2;
  const int64_t bands = (shape.height + kRowsOfBand - 1) / kRowsOfBand;
  const Lists rows_of_band(shape.images * bands, [&](auto put) {
    for (int64_t i = 0; i < shape.rois * shape.out_height; ++i) {
      const int64_t k = i / shape.out_height;
      const CellRange rows = plan.rows(k)[i % shape.out_height];
      for (int64_t y = rows.begin; y < rows.end; y += kRowsOfBand - y % kRowsOfBand)
        put(plan.image(k) * bands + y / kRowsOfBand, i);
    }
  });
  const int64_t row_size = shape.width * shape.channels;
  share_items(parallel, rows_of_band.count(), [&](auto next) {
    for (int64_t b; (b = next()) < rows_of_band.count();) {
      Real<T>* image = grad_features + b / bands * shape.height * row_size;
      const int64_t top = b % bands * kRowsOfBand;
      const CellRange band{top, std::min(top + kRowsOfBand, shape.height)};
      std::fill(image + band.begin * row_size, image + band.end * row_size, Real<T>(0));
      for (auto i = rows_of_band.begin(b); i != rows_of_band.end(b); ++i) {
        const int64_t k = *i / shape.out_height;
        const CellRange all = plan.rows(k)[*i % shape.out_height];
        const CellRange rows{std::max(all.begin, band.begin), std::min(all.end, band.end)};
        for (int64_t j = 0; j < shape.out_width; ++j) {
          const int64_t out = (*i * shape.out_width + j) * shape.channels;
          simd::add_to_maxima<Isa, T>(image, shape.width, shape.channels, rows, plan.columns(k)[j],
                                      grad_output + out, argmax + out);
        }
      }
    }
  });
}

template <class T>
void backward_in_planes(const RoiPoolShape& shape, const Plan<Real<T>>& plan, const T* grad_output,
                        const int32_t* argmax, Real<T>* grad_features, const Parallel& parallel) {
  const int64_t bins = shape.out_height * shape.out_width, plane_size = shape.height * shape.width;
  parallel(shape.channels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t image = 0; image < shape.images; ++image)
      std::fill_n(grad_features + (image * shape.channels + begin) * plane_size, (end - begin) * plane_size,
                  Real<T>(0));
    for (int64_t k = 0; k < shape.rois; ++k) {
      const auto add = [&]<int64_t Planes>(int64_t c, std::integral_constant<int64_t, Planes>) {
        Real<T>* plane = grad_features + (plan.image(k) * shape.channels + c) * plane_size;
        const int64_t first = (k * shape.channels + c) * bins;
        for (int64_t bin = first; bin < first + bins; ++bin) {
          for (int64_t p = 0; p < Planes; ++p) {
            const int32_t cell = argmax[bin + p * bins];
            if (cell >= 0) plane[p * plane_size + cell] += to_real(grad_output[bin + p * bins]);
          }
        }
      };
      // Neighbouring bins often share their maximum, and the second has to wait for the first: two planes at
      // a time.
      int64_t c = begin;
      for (; c + 2 <= end; c += 2) add(c, std::integral_constant<int64_t, 2>{});
      if (c < end) add(c, std::integral_constant<int64_t, 1>{});
    }
  });
}

}  // namespace

template <class T>
void roi_pool_forward(const RoiPoolShape& shape, const T* features, const Real<T>* rois, T* output,
                      int32_t* argmax, const Parallel& parallel, InstructionSet instruction_set) {
  const Plan<Real<T>> plan(shape, rois);
  with_instruction_set(instruction_set, [&]<class Isa>(Isa) {
    if (shape.channels_last) {
      forward_in_cells<Isa>(shape, plan, features, output, argmax, parallel);
    } else {
      forward_in_planes<Isa>(shape, plan, features, output, argmax, parallel);
    }
  });
}

template <class T>
void roi_pool_backward(const RoiPoolShape& shape, const T* grad_output, const Real<T>* rois,
                       const int32_t* argmax, Real<T>* grad_features, const Parallel& parallel,
                       InstructionSet instruction_set) {
  const Plan<Real<T>> plan(shape, rois);
  if (shape.channels_last) {
    with_instruction_set(instruction_set, [&]<class Isa>(Isa) {
      backward_in_cells<Isa>(shape, plan, grad_output, argmax, grad_features, parallel);
    });
  } else {
    backward_in_planes(shape, plan, grad_output, argmax, grad_features, parallel);
  }
}

template void roi_pool_forward(const RoiPoolShape&, const float*, const float*, float*, int32_t*,
                               const Parallel&, InstructionSet);
template void roi_pool_forward(const RoiPoolShape&, const double*, const double*, double*, int32_t*,
                               const Parallel&, InstructionSet);
template void roi_pool_forward(const RoiPoolShape&, const BFloat16*, const float*, BFloat16*, int32_t*,
                               const Parallel&, InstructionSet);
template void roi_pool_backward(const RoiPoolShape&, const float*, const float*, const int32_t*, float*,
                                const Parallel&, InstructionSet);
template void roi_pool_backward(const RoiPoolShape&, const double*, const double*, const int32_t*, double*,
                                const Parallel&, InstructionSet);
template void roi_pool_backward(const RoiPoolShape&, const BFloat16*, const float*, const int32_t*, float*,
                                const Parallel&, InstructionSet);

}  // namespace rcnn::ops::kernels::cpu
