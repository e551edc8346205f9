#pragma once

#include <cstdint>

#include "ops/kernels/real.h"

struct CUstream_st;

namespace rcnn::ops::kernels {

/// Features [images, channels, height, width] and output [rois, channels, out_height, out_width] are dense
/// and in the same memory format.
struct RoiPoolShape {
  int64_t images, channels, height, width;
  int64_t rois, out_height, out_width;
  double spatial_scale;
  bool channels_last;
};

namespace cpu {

/// RoIs begin..end-1. argmax gets y * width + x of each maximum, -1 where the bin is empty.
template <class T>
void roi_pool_forward(const RoiPoolShape& shape, const T* features, const Real<T>* rois, T* output,
                      int32_t* argmax, int64_t begin, int64_t end);

/// Channels begin..end-1. Adds to grad_features.
template <class T>
void roi_pool_backward(const RoiPoolShape& shape, const T* grad_output, const Real<T>* rois,
                       const int32_t* argmax, Real<T>* grad_features, int64_t begin, int64_t end);

}  // namespace cpu

/// The same over all RoIs and channels; the result is a cudaError_t.
namespace cuda {

template <class T>
int roi_pool_forward(const RoiPoolShape& shape, const T* features, const Real<T>* rois, T* output,
                     int32_t* argmax, CUstream_st* stream);

template <class T>
int roi_pool_backward(const RoiPoolShape& shape, const T* grad_output, const Real<T>* rois,
                      const int32_t* argmax, Real<T>* grad_features, CUstream_st* stream);

}  // namespace cuda
}  // namespace rcnn::ops::kernels
