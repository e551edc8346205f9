#pragma once

#include <cstdint>

#include "ops/kernels/cpu/instruction_set.h"
#include "ops/kernels/cpu/parallel.h"
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

/// argmax gets y * width + x of each maximum, -1 where the bin is empty; null: nobody asks for it.
template <class T>
void roi_pool_forward(const RoiPoolShape& shape, const T* features, const Real<T>* rois, T* output,
                      int32_t* argmax, const Parallel& parallel,
                      InstructionSet instruction_set = best_instruction_set());

/// Overwrites grad_features.
template <class T>
void roi_pool_backward(const RoiPoolShape& shape, const T* grad_output, const Real<T>* rois,
                       const int32_t* argmax, Real<T>* grad_features, const Parallel& parallel,
                       InstructionSet instruction_set = best_instruction_set());

}  // namespace cpu

/// The results are cudaError_t.
namespace cuda {

/// argmax may be null here too.
template <class T>
int roi_pool_forward(const RoiPoolShape& shape, const T* features, const Real<T>* rois, T* output,
                     int32_t* argmax, CUstream_st* stream);

/// Elements of the scratch that makes roi_pool_backward deterministic.
constexpr int64_t scratch_size(const RoiPoolShape& shape) {
  return 1 + shape.images * shape.channels * shape.height * shape.width;
}

/// Overwrites grad_features. With scratch, of any content, the sums are taken in fixed point: the same bits
/// every time, and NaN in every cell if any element of grad_output is not finite. Null: in floating point by
/// atomics, whose order varies.
template <class T>
int roi_pool_backward(const RoiPoolShape& shape, const T* grad_output, const Real<T>* rois,
                      const int32_t* argmax, Real<T>* grad_features, int64_t* scratch, CUstream_st* stream);

}  // namespace cuda
}  // namespace rcnn::ops::kernels
