#include "ops/kernels/roi_align.h"

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "ops/kernels/feature_map.h"
#include "ops/kernels/geometry.h"

namespace rcnn::ops::kernels::cpu {
namespace {

constexpr int64_t kChannelBlock = 32;

template <class Real>
struct Tap {
  int64_t cell;
  Real weight;
};

/// The cells that each bin reads along one axis. A bin's average of bilinear samples is separable: the weight
/// of cell (y, x) is the product of its weights along y and x, and samples that share a cell share one tap.
template <class Real>
class AxisTaps {
 public:
  void assign(const AlignAxis<Real>& axis, int64_t bins, int64_t length) {
    taps_.clear();
    ends_.clear();
    for (int64_t bin = 0; bin < bins; ++bin) {
      for (int sample = 0; sample < axis.samples(); ++sample) {
        const LinearTaps<Real> pair = linear_taps(axis.position(bin, sample), length);
        if (!pair.inside) continue;
        add(pair.low, pair.low_weight);
        add(pair.high, pair.high_weight);
      }
      ends_.push_back(taps_.size());
    }
  }

  std::span<const Tap<Real>> bin(int64_t i) const {
    const size_t begin = i == 0 ? 0 : ends_[i - 1];
    return {taps_.data() + begin, ends_[i] - begin};
  }

 private:
  void add(int64_t cell, Real weight) {
    const size_t begin = ends_.empty() ? 0 : ends_.back();
    if (taps_.size() > begin && taps_.back().cell == cell) {
      taps_.back().weight += weight;
    } else {
      taps_.push_back({cell, weight});
    }
  }

  std::vector<Tap<Real>> taps_;
  std::vector<size_t> ends_;
};

/// One RoI on its level.
template <class Cell>
struct PlacedRoi {
  Cell* image;
  CellLayout layout;
  Real<Cell> sample_count;
};

/// Finds RoI k's map and fills in its taps; nothing when it lies on no map.
template <class Cell>
std::optional<PlacedRoi<Cell>> place(const RoiAlignSpec<Real<Cell>>& spec, const Pyramid<Cell>& pyramid,
                                     int64_t k, AxisTaps<Real<Cell>>& y_taps, AxisTaps<Real<Cell>>& x_taps) {
  const Real<Cell>* roi = spec.rois + 5 * k;
  const int64_t index = spec.levels ? spec.levels[k] : 0;
  if (!roi_is_valid(roi, pyramid.images) || index < 0 || index >= pyramid.level_count) return std::nullopt;
  const Level<Cell>& level = pyramid.levels[index];
  const auto scale = static_cast<Real<Cell>>(level.spatial_scale);
  const AlignAxis<Real<Cell>> x(roi[1], roi[3], scale, spec.out_width, spec.sampling_ratio, spec.aligned);
  const AlignAxis<Real<Cell>> y(roi[2], roi[4], scale, spec.out_height, spec.sampling_ratio, spec.aligned);
  y_taps.assign(y, spec.out_height, level.height);
  x_taps.assign(x, spec.out_width, level.width);
  const CellLayout layout{pyramid.channels, level.height, level.width, pyramid.channels_last};
  return PlacedRoi<Cell>{level.cells + layout.offset(static_cast<int64_t>(roi[0]), 0, 0), layout,
                         sample_count(y, x)};
}

/// One bin, for `n` <= kChannelBlock channels that lie next to each other.
template <class T>
void average_bin(const T* image, const CellLayout& layout, std::span<const Tap<Real<T>>> rows,
                 std::span<const Tap<Real<T>>> columns, Real<T> sample_count, int64_t n,
                 T* __restrict output) {
  Real<T> sum[kChannelBlock] = {};
  for (const auto& row : rows) {
    for (const auto& column : columns) {
      const Real<T> weight = row.weight * column.weight;
      const T* cell = image + layout.offset(0, row.cell, column.cell);
      for (int64_t c = 0; c < n; ++c) sum[c] += weight * to_real(cell[c]);
    }
  }
  for (int64_t c = 0; c < n; ++c) output[c] = from_real<T>(sum[c] / sample_count);
}

/// The same for one channel whose cells lie next to each other.
template <class T>
T average_bin_in_plane(const T* plane, int64_t width, std::span<const Tap<Real<T>>> rows,
                       std::span<const Tap<Real<T>>> columns, Real<T> sample_count) {
  Real<T> sum = 0;
  for (const auto& row : rows) {
    for (const auto& column : columns)
      sum += row.weight * column.weight * to_real(plane[row.cell * width + column.cell]);
  }
  return from_real<T>(sum / sample_count);
}

}  // namespace

template <class T>
void roi_align_forward(const RoiAlignSpec<Real<T>>& spec, const Pyramid<const T>& features, T* output,
                       int64_t begin, int64_t end) {
  const int64_t channels = features.channels;
  const int64_t bins = spec.out_height * spec.out_width;
  AxisTaps<Real<T>> y_taps, x_taps;
  for (int64_t k = begin; k < end; ++k) {
    T* out = output + k * bins * channels;
    const auto roi = place<const T>(spec, features, k, y_taps, x_taps);
    if (!roi) {
      std::fill_n(out, bins * channels, T{});
    } else if (features.channels_last) {
      for (int64_t bin = 0; bin < bins; ++bin, out += channels) {
        const auto rows = y_taps.bin(bin / spec.out_width), columns = x_taps.bin(bin % spec.out_width);
        for (int64_t c = 0; c < channels; c += kChannelBlock) {
          average_bin(roi->image + c, roi->layout, rows, columns, roi->sample_count,
                      std::min(kChannelBlock, channels - c), out + c);
        }
      }
    } else {
      for (int64_t c = 0; c < channels; ++c, out += bins) {
        const T* plane = roi->image + c * roi->layout.channel_stride();
        for (int64_t bin = 0; bin < bins; ++bin) {
          out[bin] = average_bin_in_plane(plane, roi->layout.width, y_taps.bin(bin / spec.out_width),
                                          x_taps.bin(bin % spec.out_width), roi->sample_count);
        }
      }
    }
  }
}

template <class T>
void roi_align_backward(const RoiAlignSpec<Real<T>>& spec, const T* grad_output,
                        const Pyramid<Real<T>>& grad_features, int64_t begin, int64_t end) {
  const int64_t bins = spec.out_height * spec.out_width;
  const CellLayout grid{grad_features.channels, spec.out_height, spec.out_width, grad_features.channels_last};
  AxisTaps<Real<T>> y_taps, x_taps;
  std::vector<Real<T>> share(end - begin);  // of one bin's gradient, for each of its samples
  for (int64_t k = 0; k < spec.roi_count; ++k) {
    const auto roi = place<Real<T>>(spec, grad_features, k, y_taps, x_taps);
    if (!roi) continue;
    if (grad_features.channels_last) {
      for (int64_t bin = 0; bin < bins; ++bin) {
        const T* grad = grad_output + grid.offset(k, 0, bin) + begin;
        for (int64_t c = 0; c < end - begin; ++c) share[c] = to_real(grad[c]) / roi->sample_count;
        for (const auto& row : y_taps.bin(bin / spec.out_width)) {
          for (const auto& column : x_taps.bin(bin % spec.out_width)) {
            const Real<T> weight = row.weight * column.weight;
            const Real<T>* __restrict from = share.data();
            Real<T>* __restrict to = roi->image + roi->layout.offset(0, row.cell, column.cell) + begin;
            for (int64_t c = 0; c < end - begin; ++c) to[c] += weight * from[c];
          }
        }
      }
    } else {
      for (int64_t c = begin; c < end; ++c) {
        const T* grad = grad_output + grid.offset(k, 0, 0) + c * grid.channel_stride();
        Real<T>* plane = roi->image + c * roi->layout.channel_stride();
        for (int64_t bin = 0; bin < bins; ++bin) {
          const Real<T> share_of_bin = to_real(grad[bin]) / roi->sample_count;
          for (const auto& row : y_taps.bin(bin / spec.out_width)) {
            for (const auto& column : x_taps.bin(bin % spec.out_width))
              plane[row.cell * roi->layout.width + column.cell] += row.weight * column.weight * share_of_bin;
          }
        }
      }
    }
  }
}

template void roi_align_forward(const RoiAlignSpec<float>&, const Pyramid<const float>&, float*, int64_t,
                                int64_t);
template void roi_align_forward(const RoiAlignSpec<double>&, const Pyramid<const double>&, double*, int64_t,
                                int64_t);
template void roi_align_forward(const RoiAlignSpec<float>&, const Pyramid<const BFloat16>&, BFloat16*,
                                int64_t, int64_t);
template void roi_align_backward<float>(const RoiAlignSpec<float>&, const float*, const Pyramid<float>&,
                                        int64_t, int64_t);
template void roi_align_backward<double>(const RoiAlignSpec<double>&, const double*, const Pyramid<double>&,
                                         int64_t, int64_t);
template void roi_align_backward<BFloat16>(const RoiAlignSpec<float>&, const BFloat16*, const Pyramid<float>&,
                                           int64_t, int64_t);

}  // namespace rcnn::ops::kernels::cpu
