#include "ops/kernels/cuda/fixed_point.h"
#include "ops/kernels/cuda/launch.h"
#include "ops/kernels/cuda/pack.h"
#include "ops/kernels/feature_map.h"
#include "ops/kernels/geometry.h"
#include "ops/kernels/roi_align.h"

namespace rcnn::ops::kernels::cuda {
namespace {

/// The level that RoI k is pooled from, -1 for none.
template <class R, class Cell>
__device__ int64_t level_of(const RoiAlignSpec<R>& spec, const Pyramid<Cell>& pyramid, int64_t k) {
  const int64_t level = spec.levels ? spec.levels[k] : 0;
  return roi_is_valid(spec.rois + 5 * k, pyramid.images) && level >= 0 && level < pyramid.level_count ? level
                                                                                                      : -1;
}

/// A RoI's samples on its map.
template <class R>
struct Samples {
  AlignAxis<R> y, x;
  CellLayout map;

  __device__ Samples(const RoiAlignSpec<R>& spec, const R* roi, R scale, const CellLayout& map)
      : y(roi[2], roi[4], scale, spec.out_height, spec.sampling_ratio, spec.aligned),
        x(roi[1], roi[3], scale, spec.out_width, spec.sampling_ratio, spec.aligned),
        map(map) {}

  __device__ LinearTaps<R> row(int64_t bin, int sample) const {
    return linear_taps(y.position(bin, sample), map.height);
  }
  __device__ LinearTaps<R> column(int64_t bin, int sample) const {
    return linear_taps(x.position(bin, sample), map.width);
  }

  /// Calls visit(cell, weight) for every cell that one bin reads, with the weight in its average. row_at(i)
  /// and column_at(j) are the bin's rows and columns of samples.
  template <class RowAt, class ColumnAt, class Visit>
  __device__ void for_each_tap(RowAt row_at, ColumnAt column_at, Visit visit) const {
    const R count = sample_count(y, x);
    for (int i = 0; i < y.samples(); ++i) {
      const LinearTaps<R> row = row_at(i);
      if (!row.inside) continue;
      const R low_weight = row.low_weight / count, high_weight = row.high_weight / count;
      for (int j = 0; j < x.samples(); ++j) {
        const LinearTaps<R> column = column_at(j);
        if (!column.inside) continue;
        visit(map.offset(0, row.low, column.low), low_weight * column.low_weight);
        visit(map.offset(0, row.low, column.high), low_weight * column.high_weight);
        visit(map.offset(0, row.high, column.low), high_weight * column.low_weight);
        visit(map.offset(0, row.high, column.high), high_weight * column.high_weight);
      }
    }
  }
};

/// What forward does with one bin of N channels that lie next to each other.
template <class T, int N>
struct Average {
  T* output;

  __device__ bool prepare() { return true; }
  __device__ void skip(int64_t out) const { store(output + out, Pack<T, N>{}); }

  template <class ForEachTap>
  __device__ void operator()(const T* channels, int64_t out, ForEachTap for_each_tap) const {
    Real<T> sum[N] = {};
    for_each_tap([&](int64_t cell, Real<T> weight) {
      const Pack<T, N> values = load<N>(channels + cell);
      for (int n = 0; n < N; ++n) sum[n] += weight * to_real(values.values[n]);
    });
    Pack<T, N> average;
    for (int n = 0; n < N; ++n) average.values[n] = from_real<T>(sum[n]);
    store(output + out, average);
  }
};

/// What backward does with one bin of one channel.
template <class T, class Sums>
struct Spread {
  const T* grad_output;
  Sums sums;

  __device__ bool prepare() { return sums.prepare(); }
  __device__ void skip(int64_t) const {}

  template <class ForEachTap>
  __device__ void operator()(typename Sums::Cell* channel, int64_t out, ForEachTap for_each_tap) const {
    const Real<T> grad = to_real(grad_output[out]);
    for_each_tap([&](int64_t cell, Real<T> weight) { sums.add(channel + cell, weight, grad); });
  }
};

/// Maps in planes: a thread takes a bin of a channel.
template <class R, class Cell, class OnBin>
__global__ void walk_planes(RoiAlignSpec<R> spec, Pyramid<Cell> pyramid, OnBin on_bin) {
  if (!on_bin.prepare()) return;
  const CellLayout grid{pyramid.channels, spec.out_height, spec.out_width, pyramid.channels_last};
  const int64_t size = spec.roi_count * grid.channels * grid.height * grid.width;
  for (int64_t i = first_item(); i < size; i += item_stride()) {
    const Element out = element_at(grid, i);
    const int64_t index = level_of(spec, pyramid, out.image);
    if (index < 0) {
      on_bin.skip(i);
      continue;
    }
    const R* roi = spec.rois + 5 * out.image;
    const Level<Cell>& level = pyramid.levels[index];
    const CellLayout map{pyramid.channels, level.height, level.width, pyramid.channels_last};
    const Samples<R> samples(spec, roi, static_cast<R>(level.spatial_scale), map);
    Cell* channel =
        level.cells + map.offset(static_cast<int64_t>(roi[0]), 0, 0) + out.channel * map.channel_stride();
    on_bin(channel, i, [&](auto visit) {
      samples.for_each_tap([&](int j) { return samples.row(out.y, j); },
                           [&](int j) { return samples.column(out.x, j); }, visit);
    });
  }
}

constexpr int kRowThreads = 128;
constexpr int kStoredTaps = 256;

/// Channels last: a block takes a row of bins of a RoI. Its threads find the row's taps once and share them;
/// then each takes N channels of a bin at a time. Should the taps of an adaptive RoI be too many, each thread
/// finds its own.
template <int N, class R, class Cell, class OnBin>
__global__ void walk_rows(RoiAlignSpec<R> spec, Pyramid<Cell> pyramid, OnBin on_bin) {
  __shared__ LinearTaps<R> stored[kStoredTaps];
  if (!on_bin.prepare()) return;
  const int64_t packs = pyramid.channels / N, items = spec.out_width * packs;
  const int64_t rows = spec.roi_count * spec.out_height;
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const int64_t k = row / spec.out_height, bin_y = row % spec.out_height;
    const int64_t index = level_of(spec, pyramid, k);
    if (index < 0) {
      for (int64_t item = threadIdx.x; item < items; item += blockDim.x)
        on_bin.skip((row * items + item) * N);
      continue;
    }
    const R* roi = spec.rois + 5 * k;
    const Level<Cell>& level = pyramid.levels[index];
    const CellLayout map{pyramid.channels, level.height, level.width, pyramid.channels_last};
    const Samples<R> samples(spec, roi, static_cast<R>(level.spatial_scale), map);
    Cell* image = level.cells + map.offset(static_cast<int64_t>(roi[0]), 0, 0);

    const int64_t rows_of_bin = samples.y.samples(), columns_of_bin = samples.x.samples();
    const int64_t taps = rows_of_bin + spec.out_width * columns_of_bin;
    const bool share = taps <= kStoredTaps;
    __syncthreads();  // the last row's taps have been read
    for (int64_t i = threadIdx.x; share && i < taps; i += blockDim.x) {
      const int64_t column = i - rows_of_bin;
      stored[i] = column < 0
                      ? samples.row(bin_y, static_cast<int>(i))
                      : samples.column(column / columns_of_bin, static_cast<int>(column % columns_of_bin));
    }
    __syncthreads();
    for (int64_t item = threadIdx.x; item < items; item += blockDim.x) {
      const int64_t bin_x = item / packs, channel = item % packs * N;
      const int64_t first_column = rows_of_bin + bin_x * columns_of_bin;
      on_bin(image + channel, (row * items + item) * N, [&](auto visit) {
        samples.for_each_tap(
            [&](int i) { return share ? stored[i] : samples.row(bin_y, i); },
            [&](int j) { return share ? stored[first_column + j] : samples.column(bin_x, j); }, visit);
      });
    }
  }
}

/// A gradient of x1, y1, x2 and y2.
template <class R>
struct CornerGradients {
  R values[4] = {};

  /// A sample's, along axis 0 (x) or 1 (y).
  __device__ void add(int axis, R slope, R share_of_upper_edge) {
    values[axis] += slope * (R(1) - share_of_upper_edge);
    values[axis + 2] += slope * share_of_upper_edge;
  }
};

constexpr int kRoiThreads = 256;

/// Maps and gradient channels last: a block takes a RoI. Its threads take the elements of the output in turn,
/// and what they find is added in a fixed order.
template <class T>
__global__ void differentiate_rois(RoiAlignSpec<Real<T>> spec, Pyramid<const T> pyramid, const T* grad_output,
                                   Real<T>* grad_rois) {
  using R = Real<T>;
  __shared__ R of_warps[kRoiThreads / kWarp][4];
  const int64_t items = spec.out_height * spec.out_width * pyramid.channels;
  for (int64_t k = blockIdx.x; k < spec.roi_count; k += gridDim.x) {
    CornerGradients<R> sum;
    R to_pixels = 0;
    if (const int64_t index = level_of(spec, pyramid, k); index >= 0) {
      const R* roi = spec.rois + 5 * k;
      const Level<const T>& level = pyramid.levels[index];
      const CellLayout map{pyramid.channels, level.height, level.width, true};
      const auto scale = static_cast<R>(level.spatial_scale);
      const Samples<R> samples(spec, roi, scale, map);
      const T* image = level.cells + map.offset(static_cast<int64_t>(roi[0]), 0, 0);
      for (int64_t item = threadIdx.x; item < items; item += blockDim.x) {
        const int64_t bin = item / pyramid.channels, bin_x = bin % spec.out_width,
                      bin_y = bin / spec.out_width;
        const T* channel = image + item % pyramid.channels;
        const R grad = to_real(grad_output[k * items + item]);
        for (int i = 0; i < samples.y.samples(); ++i) {
          const LinearTaps<R> row = samples.row(bin_y, i);
          if (!row.inside) continue;
          const bool row_moves = follows_position(samples.y.position(bin_y, i), map.height);
          const R row_share = samples.y.share_of_upper_edge(bin_y, i);
          for (int j = 0; j < samples.x.samples(); ++j) {
            const LinearTaps<R> column = samples.column(bin_x, j);
            if (!column.inside) continue;
            const auto value = [&](int64_t y, int64_t x) { return to_real(channel[map.offset(0, y, x)]); };
            const R low_low = value(row.low, column.low), low_high = value(row.low, column.high);
            const R high_low = value(row.high, column.low), high_high = value(row.high, column.high);
            if (follows_position(samples.x.position(bin_x, j), map.width)) {
              const R slope =
                  row.low_weight * (low_high - low_low) + row.high_weight * (high_high - high_low);
              sum.add(0, grad * slope, samples.x.share_of_upper_edge(bin_x, j));
            }
            if (row_moves) {
              const R slope =
                  column.low_weight * (high_low - low_low) + column.high_weight * (high_high - low_high);
              sum.add(1, grad * slope, row_share);
            }
          }
        }
      }
      to_pixels = scale / sample_count(samples.y, samples.x);
    }
    for (R& value : sum.values) {
      for (int distance = kWarp / 2; distance > 0; distance /= 2)
        value += __shfl_down_sync(kAllLanes, value, distance);
    }
    __syncthreads();  // the last RoI's have been read
    for (int i = 0; threadIdx.x % kWarp == 0 && i < 4; ++i) of_warps[threadIdx.x / kWarp][i] = sum.values[i];
    __syncthreads();
    if (threadIdx.x < 5) {
      R total = 0;
      for (int warp = 0; threadIdx.x > 0 && warp < kRoiThreads / kWarp; ++warp)
        total += of_warps[warp][threadIdx.x - 1];
      grad_rois[5 * k + threadIdx.x] = total * to_pixels;
    }
  }
}

template <class R, class Cell, class OnBin>
int start_planes(const RoiAlignSpec<R>& spec, const Pyramid<Cell>& pyramid, const OnBin& on_bin,
                 CUstream_st* stream) {
  const int64_t size = spec.roi_count * pyramid.channels * spec.out_height * spec.out_width;
  return launch(walk_planes<R, Cell, OnBin>, blocks_for(size), kThreads, stream, spec, pyramid, on_bin);
}

template <int N, class R, class Cell, class OnBin>
int start_rows(const RoiAlignSpec<R>& spec, const Pyramid<Cell>& pyramid, const OnBin& on_bin,
               CUstream_st* stream) {
  const unsigned blocks = blocks_for(spec.roi_count * spec.out_height, 1);
  return launch(walk_rows<N, R, Cell, OnBin>, blocks, kRowThreads, stream, spec, pyramid, on_bin);
}

template <class T, class Sums>
int spread(const RoiAlignSpec<Real<T>>& spec, const T* grad_output, const Sums& sums,
           const Pyramid<typename Sums::Cell>& pyramid, CUstream_st* stream) {
  const Spread<T, Sums> on_bin{grad_output, sums};
  return pyramid.channels_last ? start_rows<1>(spec, pyramid, on_bin, stream)
                               : start_planes(spec, pyramid, on_bin, stream);
}

template <class R, class Cell>
bool is_empty(const RoiAlignSpec<R>& spec, const Pyramid<Cell>& pyramid) {
  return spec.roi_count == 0 || pyramid.channels == 0;
}

template <class Cell>
int64_t cell_count(const Pyramid<Cell>& pyramid, int level) {
  return pyramid.images * pyramid.channels * pyramid.levels[level].height * pyramid.levels[level].width;
}

template <class T>
int add_in_floating_point(const RoiAlignSpec<Real<T>>& spec, const T* grad_output,
                          const Pyramid<Real<T>>& grad_features, CUstream_st* stream) {
  using R = Real<T>;
  for (int i = 0; i < grad_features.level_count; ++i) {
    if (const int error = clear(grad_features.levels[i].cells, cell_count(grad_features, i), stream))
      return error;
  }
  if (is_empty(spec, grad_features)) return cudaSuccess;
  return spread(spec, grad_output, FloatSums<R>(), grad_features, stream);
}

template <class T>
int add_in_fixed_point(const RoiAlignSpec<Real<T>>& spec, const T* grad_output,
                       const Pyramid<Real<T>>& grad_features, Word* scratch, CUstream_st* stream) {
  const int64_t bins = spec.roi_count * spec.out_height * spec.out_width;
  const FixedPointSums sums(scratch, bins);
  Pyramid<Word> pyramid{.levels = {},
                        .level_count = grad_features.level_count,
                        .images = grad_features.images,
                        .channels = grad_features.channels,
                        .channels_last = grad_features.channels_last};
  Word* cells = scratch + 1;
  for (int i = 0; i < pyramid.level_count; ++i) {
    const auto& level = grad_features.levels[i];
    pyramid.levels[i] = {cells, level.height, level.width, level.spatial_scale};
    cells += cell_count(grad_features, i);
  }
  if (const int error =
          start_sums(grad_output, bins * pyramid.channels, cells - (scratch + 1), scratch, stream))
    return error;
  if (const int error = spread(spec, grad_output, sums, pyramid, stream)) return error;
  for (int i = 0; i < pyramid.level_count; ++i) {
    if (const int error = finish_sums(pyramid.levels[i].cells, sums, cell_count(pyramid, i),
                                      grad_features.levels[i].cells, stream))
      return error;
  }
  return cudaSuccess;
}

}  // namespace

template <class T>
int roi_align_forward(const RoiAlignSpec<Real<T>>& spec, const Pyramid<const T>& features, T* output,
                      CUstream_st* stream) {
  if (is_empty(spec, features)) return cudaSuccess;
  if (!features.channels_last) return start_planes(spec, features, Average<T, 1>{output}, stream);
  bool packs = features.channels % kPack<T> == 0 && is_aligned(output);
  for (int i = 0; i < features.level_count; ++i) packs = packs && is_aligned(features.levels[i].cells);
  return packs ? start_rows<kPack<T>>(spec, features, Average<T, kPack<T>>{output}, stream)
               : start_rows<1>(spec, features, Average<T, 1>{output}, stream);
}

template <class T>
int roi_align_backward(const RoiAlignSpec<Real<T>>& spec, const T* grad_output,
                       const Pyramid<Real<T>>& grad_features, int64_t* scratch, CUstream_st* stream) {
  if (!scratch || is_empty(spec, grad_features))
    return add_in_floating_point(spec, grad_output, grad_features, stream);
  return add_in_fixed_point(spec, grad_output, grad_features, reinterpret_cast<Word*>(scratch), stream);
}

template <class T>
int roi_align_backward_rois(const RoiAlignSpec<Real<T>>& spec, const Pyramid<const T>& features,
                            const T* grad_output, Real<T>* grad_rois, CUstream_st* stream) {
  if (spec.roi_count == 0) return cudaSuccess;
  return launch(differentiate_rois<T>, blocks_for(spec.roi_count, 1), kRoiThreads, stream, spec, features,
                grad_output, grad_rois);
}

template int roi_align_forward(const RoiAlignSpec<float>&, const Pyramid<const float>&, float*, CUstream_st*);
template int roi_align_forward(const RoiAlignSpec<double>&, const Pyramid<const double>&, double*,
                               CUstream_st*);
template int roi_align_forward(const RoiAlignSpec<float>&, const Pyramid<const BFloat16>&, BFloat16*,
                               CUstream_st*);
template int roi_align_backward<float>(const RoiAlignSpec<float>&, const float*, const Pyramid<float>&,
                                       int64_t*, CUstream_st*);
template int roi_align_backward<double>(const RoiAlignSpec<double>&, const double*, const Pyramid<double>&,
                                        int64_t*, CUstream_st*);
template int roi_align_backward<BFloat16>(const RoiAlignSpec<float>&, const BFloat16*, const Pyramid<float>&,
                                          int64_t*, CUstream_st*);
template int roi_align_backward_rois(const RoiAlignSpec<float>&, const Pyramid<const float>&, const float*,
                                     float*, CUstream_st*);
template int roi_align_backward_rois(const RoiAlignSpec<double>&, const Pyramid<const double>&, const double*,
                                     double*, CUstream_st*);
template int roi_align_backward_rois(const RoiAlignSpec<float>&, const Pyramid<const BFloat16>&,
                                     const BFloat16*, float*, CUstream_st*);

}  // namespace rcnn::ops::kernels::cuda
