#include "ops/kernels/cuda/launch.h"
#include "ops/kernels/feature_map.h"
#include "ops/kernels/geometry.h"
#include "ops/kernels/roi_align.h"

namespace rcnn::ops::kernels::cuda {
namespace {

/// Calls visit(cell, weight) for every cell that one output element reads, with the weight in its average.
template <class Cell, class Visit>
__device__ void for_each_tap(const RoiAlignSpec<Real<Cell>>& spec, const Pyramid<Cell>& pyramid,
                             const Element& out, Visit visit) {
  using R = Real<Cell>;
  const R* roi = spec.rois + 5 * out.image;
  const int64_t index = spec.levels ? spec.levels[out.image] : 0;
  if (!roi_is_valid(roi, pyramid.images) || index < 0 || index >= pyramid.level_count) return;
  const Level<Cell>& level = pyramid.levels[index];
  const CellLayout map{pyramid.channels, level.height, level.width, pyramid.channels_last};
  Cell* plane =
      level.cells + map.offset(static_cast<int64_t>(roi[0]), 0, 0) + out.channel * map.channel_stride();

  const auto scale = static_cast<R>(level.spatial_scale);
  const AlignAxis<R> x_axis(roi[1], roi[3], scale, spec.out_width, spec.sampling_ratio, spec.aligned);
  const AlignAxis<R> y_axis(roi[2], roi[4], scale, spec.out_height, spec.sampling_ratio, spec.aligned);
  const R count = sample_count(y_axis, x_axis);
  for (int i = 0; i < y_axis.samples(); ++i) {
    const LinearTaps<R> y = linear_taps(y_axis.position(out.y, i), map.height);
    if (!y.inside) continue;
    const R low_weight = y.low_weight / count, high_weight = y.high_weight / count;
    for (int j = 0; j < x_axis.samples(); ++j) {
      const LinearTaps<R> x = linear_taps(x_axis.position(out.x, j), map.width);
      if (!x.inside) continue;
      visit(plane + map.offset(0, y.low, x.low), low_weight * x.low_weight);
      visit(plane + map.offset(0, y.low, x.high), low_weight * x.high_weight);
      visit(plane + map.offset(0, y.high, x.low), high_weight * x.low_weight);
      visit(plane + map.offset(0, y.high, x.high), high_weight * x.high_weight);
    }
  }
}

template <class T>
__global__ void forward(RoiAlignSpec<Real<T>> spec, Pyramid<const T> features, CellLayout grid, int64_t size,
                        T* output) {
  for (int64_t i = first_item(); i < size; i += item_stride()) {
    Real<T> sum = 0;
    for_each_tap(spec, features, element_at(grid, i),
                 [&](const T* cell, Real<T> weight) { sum += weight * to_real(*cell); });
    output[i] = from_real<T>(sum);
  }
}

template <class T>
__global__ void backward(RoiAlignSpec<Real<T>> spec, const T* grad_output, Pyramid<Real<T>> grad_features,
                         CellLayout grid, int64_t size) {
  for (int64_t i = first_item(); i < size; i += item_stride()) {
    const Real<T> grad = to_real(grad_output[i]);
    for_each_tap(spec, grad_features, element_at(grid, i),
                 [&](Real<T>* cell, Real<T> weight) { atomicAdd(cell, weight * grad); });
  }
}

template <class T, class Cell>
CellLayout grid_layout(const RoiAlignSpec<T>& spec, const Pyramid<Cell>& pyramid) {
  return {pyramid.channels, spec.out_height, spec.out_width, pyramid.channels_last};
}

template <class T>
int64_t output_size(const RoiAlignSpec<T>& spec, const CellLayout& grid) {
  return spec.roi_count * grid.channels * grid.height * grid.width;
}

}  // namespace

template <class T>
int roi_align_forward(const RoiAlignSpec<Real<T>>& spec, const Pyramid<const T>& features, T* output,
                      CUstream_st* stream) {
  const CellLayout grid = grid_layout(spec, features);
  const int64_t size = output_size(spec, grid);
  if (size == 0) return cudaSuccess;
  forward<T><<<blocks_for(size), kThreads, 0, stream>>>(spec, features, grid, size, output);
  return cudaGetLastError();
}

template <class T>
int roi_align_backward(const RoiAlignSpec<Real<T>>& spec, const T* grad_output,
                       const Pyramid<Real<T>>& grad_features, CUstream_st* stream) {
  const CellLayout grid = grid_layout(spec, grad_features);
  const int64_t size = output_size(spec, grid);
  if (size == 0) return cudaSuccess;
  backward<T><<<blocks_for(size), kThreads, 0, stream>>>(spec, grad_output, grad_features, grid, size);
  return cudaGetLastError();
}

template int roi_align_forward(const RoiAlignSpec<float>&, const Pyramid<const float>&, float*, CUstream_st*);
template int roi_align_forward(const RoiAlignSpec<double>&, const Pyramid<const double>&, double*,
                               CUstream_st*);
template int roi_align_forward(const RoiAlignSpec<float>&, const Pyramid<const BFloat16>&, BFloat16*,
                               CUstream_st*);
template int roi_align_backward<float>(const RoiAlignSpec<float>&, const float*, const Pyramid<float>&,
                                       CUstream_st*);
template int roi_align_backward<double>(const RoiAlignSpec<double>&, const double*, const Pyramid<double>&,
                                        CUstream_st*);
template int roi_align_backward<BFloat16>(const RoiAlignSpec<float>&, const BFloat16*, const Pyramid<float>&,
                                          CUstream_st*);

}  // namespace rcnn::ops::kernels::cuda
