#include "ops/kernels/cuda/fixed_point.h"
#include "ops/kernels/cuda/launch.h"
#include "ops/kernels/cuda/pack.h"
#include "ops/kernels/feature_map.h"
#include "ops/kernels/geometry.h"
#include "ops/kernels/roi_pool.h"

namespace rcnn::ops::kernels::cuda {
namespace {

__host__ __device__ CellLayout map_layout(const RoiPoolShape& shape) {
  return {shape.channels, shape.height, shape.width, shape.channels_last};
}

__host__ __device__ CellLayout grid_layout(const RoiPoolShape& shape) {
  return {shape.channels, shape.out_height, shape.out_width, shape.channels_last};
}

__host__ __device__ int64_t output_size(const RoiPoolShape& shape) {
  return shape.rois * shape.channels * shape.out_height * shape.out_width;
}

/// A thread pools a bin of N channels that lie next to each other; N is 1 in planes.
template <class T, int N>
__global__ void forward(RoiPoolShape shape, const T* features, const Real<T>* rois, T* output,
                        int32_t* argmax) {
  const CellLayout map = map_layout(shape);
  CellLayout grid = grid_layout(shape);
  grid.channels /= N;
  const auto scale = static_cast<Real<T>>(shape.spatial_scale);
  for (int64_t i = first_item(); i < output_size(shape) / N; i += item_stride()) {
    const Element out = element_at(grid, i);
    const Real<T>* roi = rois + 5 * out.image;
    Real<T> best[N] = {};
    Pack<int32_t, N> best_cell;
    for (int n = 0; n < N; ++n) best_cell.values[n] = -1;
    if (roi_is_valid(roi, shape.images)) {
      const CellRange columns = PoolAxis<Real<T>>(roi[1], roi[3], scale, grid.width).cells(out.x, map.width);
      const CellRange rows = PoolAxis<Real<T>>(roi[2], roi[4], scale, grid.height).cells(out.y, map.height);
      const T* channels =
          features + map.offset(static_cast<int64_t>(roi[0]), 0, 0) + out.channel * N * map.channel_stride();
      for (int64_t y = rows.begin; y < rows.end; ++y) {
        for (int64_t x = columns.begin; x < columns.end; ++x) {
          const Pack<T, N> cell = load<N>(channels + map.offset(0, y, x));
          for (int n = 0; n < N; ++n) {
            const Real<T> value = to_real(cell.values[n]);
            if (best_cell.values[n] < 0 || value > best[n] || value != value) {
              best[n] = value;
              best_cell.values[n] = static_cast<int32_t>(y * map.width + x);
            }
          }
        }
      }
    }
    Pack<T, N> pooled;
    for (int n = 0; n < N; ++n) pooled.values[n] = from_real<T>(best[n]);
    store(output + i * N, pooled);
    if (argmax) store(argmax + i * N, best_cell);
  }
}

template <class T, class Sums>
__global__ void backward(RoiPoolShape shape, const T* grad_output, const Real<T>* rois, const int32_t* argmax,
                         Sums sums, typename Sums::Cell* grad_features) {
  if (!sums.prepare()) return;
  const CellLayout map = map_layout(shape), grid = grid_layout(shape);
  for (int64_t i = first_item(); i < output_size(shape); i += item_stride()) {
    if (argmax[i] < 0) continue;
    const Element out = element_at(grid, i);
    const auto image = static_cast<int64_t>(rois[5 * out.image]);
    sums.add(grad_features + map.offset(image, 0, argmax[i]) + out.channel * map.channel_stride(), Real<T>(1),
             to_real(grad_output[i]));
  }
}

}  // namespace

template <class T>
int roi_pool_forward(const RoiPoolShape& shape, const T* features, const Real<T>* rois, T* output,
                     int32_t* argmax, CUstream_st* stream) {
  const int64_t size = output_size(shape);
  if (size == 0) return cudaSuccess;
  const bool packs = shape.channels_last && shape.channels % kPack<T> == 0 && is_aligned(features) &&
                     is_aligned(output) && is_aligned(argmax);
  return packs ? launch(forward<T, kPack<T>>, blocks_for(size / kPack<T>), kThreads, stream, shape, features,
                        rois, output, argmax)
               : launch(forward<T, 1>, blocks_for(size), kThreads, stream, shape, features, rois, output,
                        argmax);
}

template <class T>
int roi_pool_backward(const RoiPoolShape& shape, const T* grad_output, const Real<T>* rois,
                      const int32_t* argmax, Real<T>* grad_features, int64_t* scratch, CUstream_st* stream) {
  using R = Real<T>;
  const int64_t size = output_size(shape), cells = scratch_size(shape) - 1;
  if (size == 0 || !scratch) {
    const int error = clear(grad_features, cells, stream);
    if (error || size == 0) return error;
    return launch(backward<T, FloatSums<R>>, blocks_for(size), kThreads, stream, shape, grad_output, rois,
                  argmax, FloatSums<R>(), grad_features);
  }
  const auto words = reinterpret_cast<Word*>(scratch);
  const FixedPointSums sums(words, shape.rois * shape.out_height * shape.out_width);
  if (const int error = start_sums(grad_output, size, cells, words, stream)) return error;
  if (const int error = launch(backward<T, FixedPointSums>, blocks_for(size), kThreads, stream, shape,
                               grad_output, rois, argmax, sums, words + 1))
    return error;
  return finish_sums(words + 1, sums, cells, grad_features, stream);
}

template int roi_pool_forward(const RoiPoolShape&, const float*, const float*, float*, int32_t*,
                              CUstream_st*);
template int roi_pool_forward(const RoiPoolShape&, const double*, const double*, double*, int32_t*,
                              CUstream_st*);
template int roi_pool_forward(const RoiPoolShape&, const BFloat16*, const float*, BFloat16*, int32_t*,
                              CUstream_st*);
template int roi_pool_backward(const RoiPoolShape&, const float*, const float*, const int32_t*, float*,
                               int64_t*, CUstream_st*);
template int roi_pool_backward(const RoiPoolShape&, const double*, const double*, const int32_t*, double*,
                               int64_t*, CUstream_st*);
template int roi_pool_backward(const RoiPoolShape&, const BFloat16*, const float*, const int32_t*, float*,
                               int64_t*, CUstream_st*);

}  // namespace rcnn::ops::kernels::cuda
