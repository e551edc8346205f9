#include "ops/kernels/roi_pool.h"

#include <algorithm>

#include "ops/kernels/feature_map.h"
#include "ops/kernels/geometry.h"

namespace rcnn::ops::kernels::cpu {
namespace {

constexpr int64_t kChannelBlock = 64;

/// Maximum and its first position of one bin, for channels that lie next to each other. A NaN wins and stays.
template <class T>
void max_of_bin(const T* image, const RoiPoolShape& shape, CellRange rows, CellRange columns, T* output,
                int32_t* argmax) {
  for (int64_t c0 = 0; c0 < shape.channels; c0 += kChannelBlock) {
    const int64_t n = std::min(kChannelBlock, shape.channels - c0);
    Real<T> best[kChannelBlock];
    int32_t best_cell[kChannelBlock];
    const auto first = static_cast<int32_t>(rows.begin * shape.width + columns.begin);
    for (int64_t c = 0; c < n; ++c) {
      best[c] = to_real(image[first * shape.channels + c0 + c]);
      best_cell[c] = first;
    }
    for (int64_t y = rows.begin; y < rows.end; ++y) {
      for (int64_t x = columns.begin; x < columns.end; ++x) {
        const auto cell = static_cast<int32_t>(y * shape.width + x);
        const T* values = image + cell * shape.channels + c0;
        for (int64_t c = 0; c < n; ++c) {
          const Real<T> value = to_real(values[c]);
          const bool better = (value > best[c]) | (value != value);
          best[c] = better ? value : best[c];
          best_cell[c] = better ? cell : best_cell[c];
        }
      }
    }
    for (int64_t c = 0; c < n; ++c) {
      output[c0 + c] = from_real<T>(best[c]);
      argmax[c0 + c] = best_cell[c];
    }
  }
}

/// The same for one channel whose cells lie next to each other.
template <class T>
void max_of_bin_in_plane(const T* plane, const RoiPoolShape& shape, CellRange rows, CellRange columns,
                         T* output, int32_t* argmax) {
  auto best_cell = static_cast<int32_t>(rows.begin * shape.width + columns.begin);
  Real<T> best = to_real(plane[best_cell]);
  for (int64_t y = rows.begin; y < rows.end; ++y) {
    for (int64_t x = columns.begin; x < columns.end; ++x) {
      const auto cell = static_cast<int32_t>(y * shape.width + x);
      const Real<T> value = to_real(plane[cell]);
      if (value > best || value != value) best = value, best_cell = cell;
    }
  }
  *output = from_real<T>(best);
  *argmax = best_cell;
}

}  // namespace

template <class T>
void roi_pool_forward(const RoiPoolShape& shape, const T* features, const Real<T>* rois, T* output,
                      int32_t* argmax, int64_t begin, int64_t end) {
  const int64_t bins = shape.out_height * shape.out_width;
  const int64_t image_size = shape.channels * shape.height * shape.width;
  const auto scale = static_cast<Real<T>>(shape.spatial_scale);
  std::fill(output + begin * bins * shape.channels, output + end * bins * shape.channels, T{});
  std::fill(argmax + begin * bins * shape.channels, argmax + end * bins * shape.channels, -1);
  for (int64_t k = begin; k < end; ++k) {
    const Real<T>* roi = rois + 5 * k;
    if (!roi_is_valid(roi, shape.images)) continue;
    const PoolAxis<Real<T>> x_axis(roi[1], roi[3], scale, shape.out_width);
    const PoolAxis<Real<T>> y_axis(roi[2], roi[4], scale, shape.out_height);
    const T* image = features + static_cast<int64_t>(roi[0]) * image_size;
    for (int64_t bin = 0; bin < bins; ++bin) {
      const CellRange rows = y_axis.cells(bin / shape.out_width, shape.height);
      const CellRange columns = x_axis.cells(bin % shape.out_width, shape.width);
      if (rows.begin >= rows.end || columns.begin >= columns.end) continue;
      if (shape.channels_last) {
        const int64_t out = (k * bins + bin) * shape.channels;
        max_of_bin(image, shape, rows, columns, output + out, argmax + out);
      } else {
        for (int64_t c = 0; c < shape.channels; ++c) {
          const int64_t out = (k * shape.channels + c) * bins + bin;
          max_of_bin_in_plane(image + c * shape.height * shape.width, shape, rows, columns, output + out,
                              argmax + out);
        }
      }
    }
  }
}

template <class T>
void roi_pool_backward(const RoiPoolShape& shape, const T* grad_output, const Real<T>* rois,
                       const int32_t* argmax, Real<T>* grad_features, int64_t begin, int64_t end) {
  const CellLayout map{shape.channels, shape.height, shape.width, shape.channels_last};
  const CellLayout grid{shape.channels, shape.out_height, shape.out_width, shape.channels_last};
  for (int64_t k = 0; k < shape.rois; ++k) {
    const Real<T>* roi = rois + 5 * k;
    if (!roi_is_valid(roi, shape.images)) continue;
    Real<T>* image = grad_features + map.offset(static_cast<int64_t>(roi[0]), 0, 0);
    // Channels outermost in planes and innermost in cells, as they lie in memory.
    const auto add = [&](int64_t bin, int64_t c) {
      const int64_t out = grid.offset(k, 0, bin) + c * grid.channel_stride();
      if (argmax[out] < 0) return;
      image[argmax[out] * map.cell_stride() + c * map.channel_stride()] += to_real(grad_output[out]);
    };
    const int64_t bins = shape.out_height * shape.out_width;
    if (shape.channels_last) {
      for (int64_t bin = 0; bin < bins; ++bin)
        for (int64_t c = begin; c < end; ++c) add(bin, c);
    } else {
      for (int64_t c = begin; c < end; ++c)
        for (int64_t bin = 0; bin < bins; ++bin) add(bin, c);
    }
  }
}

template void roi_pool_forward(const RoiPoolShape&, const float*, const float*, float*, int32_t*, int64_t,
                               int64_t);
template void roi_pool_forward(const RoiPoolShape&, const double*, const double*, double*, int32_t*, int64_t,
                               int64_t);
template void roi_pool_forward(const RoiPoolShape&, const BFloat16*, const float*, BFloat16*, int32_t*,
                               int64_t, int64_t);
template void roi_pool_backward(const RoiPoolShape&, const float*, const float*, const int32_t*, float*,
                                int64_t, int64_t);
template void roi_pool_backward(const RoiPoolShape&, const double*, const double*, const int32_t*, double*,
                                int64_t, int64_t);
template void roi_pool_backward(const RoiPoolShape&, const BFloat16*, const float*, const int32_t*, float*,
                                int64_t, int64_t);

}  // namespace rcnn::ops::kernels::cpu
