#include "ops/kernels/cuda/launch.h"
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

template <class T>
__global__ void forward(RoiPoolShape shape, const T* features, const Real<T>* rois, T* output,
                        int32_t* argmax) {
  const CellLayout map = map_layout(shape), grid = grid_layout(shape);
  const auto scale = static_cast<Real<T>>(shape.spatial_scale);
  for (int64_t i = first_item(); i < output_size(shape); i += item_stride()) {
    const Element out = element_at(grid, i);
    const Real<T>* roi = rois + 5 * out.image;
    Real<T> best = 0;
    int32_t best_cell = -1;
    if (roi_is_valid(roi, shape.images)) {
      const CellRange columns = PoolAxis<Real<T>>(roi[1], roi[3], scale, grid.width).cells(out.x, map.width);
      const CellRange rows = PoolAxis<Real<T>>(roi[2], roi[4], scale, grid.height).cells(out.y, map.height);
      const T* plane =
          features + map.offset(static_cast<int64_t>(roi[0]), 0, 0) + out.channel * map.channel_stride();
      for (int64_t y = rows.begin; y < rows.end; ++y) {
        for (int64_t x = columns.begin; x < columns.end; ++x) {
          const Real<T> value = to_real(plane[map.offset(0, y, x)]);
          if (best_cell < 0 || value > best || value != value) {
            best = value;
            best_cell = static_cast<int32_t>(y * map.width + x);
          }
        }
      }
    }
    output[i] = from_real<T>(best);
    argmax[i] = best_cell;
  }
}

template <class T>
__global__ void backward(RoiPoolShape shape, const T* grad_output, const Real<T>* rois, const int32_t* argmax,
                         Real<T>* grad_features) {
  const CellLayout map = map_layout(shape), grid = grid_layout(shape);
  for (int64_t i = first_item(); i < output_size(shape); i += item_stride()) {
    if (argmax[i] < 0) continue;
    const Element out = element_at(grid, i);
    const auto image = static_cast<int64_t>(rois[5 * out.image]);
    atomicAdd(grad_features + map.offset(image, 0, argmax[i]) + out.channel * map.channel_stride(),
              to_real(grad_output[i]));
  }
}

}  // namespace

template <class T>
int roi_pool_forward(const RoiPoolShape& shape, const T* features, const Real<T>* rois, T* output,
                     int32_t* argmax, CUstream_st* stream) {
  if (output_size(shape) == 0) return cudaSuccess;
  forward<T><<<blocks_for(output_size(shape)), kThreads, 0, stream>>>(shape, features, rois, output, argmax);
  return cudaGetLastError();
}

template <class T>
int roi_pool_backward(const RoiPoolShape& shape, const T* grad_output, const Real<T>* rois,
                      const int32_t* argmax, Real<T>* grad_features, CUstream_st* stream) {
  if (output_size(shape) == 0) return cudaSuccess;
  backward<T><<<blocks_for(output_size(shape)), kThreads, 0, stream>>>(shape, grad_output, rois, argmax,
                                                                       grad_features);
  return cudaGetLastError();
}

template int roi_pool_forward(const RoiPoolShape&, const float*, const float*, float*, int32_t*,
                              CUstream_st*);
template int roi_pool_forward(const RoiPoolShape&, const double*, const double*, double*, int32_t*,
                              CUstream_st*);
template int roi_pool_forward(const RoiPoolShape&, const BFloat16*, const float*, BFloat16*, int32_t*,
                              CUstream_st*);
template int roi_pool_backward(const RoiPoolShape&, const float*, const float*, const int32_t*, float*,
                               CUstream_st*);
template int roi_pool_backward(const RoiPoolShape&, const double*, const double*, const int32_t*, double*,
                               CUstream_st*);
template int roi_pool_backward(const RoiPoolShape&, const BFloat16*, const float*, const int32_t*, float*,
                               CUstream_st*);

}  // namespace rcnn::ops::kernels::cuda
