#pragma once

#include <cstdint>

#include "ops/kernels/cpu/instruction_set.h"
#include "ops/kernels/cpu/parallel.h"
#include "ops/kernels/real.h"

struct CUstream_st;

namespace rcnn::ops::kernels {

constexpr int kMaxLevels = 8;

/// One map [images, channels, height, width] of a pyramid; Cell is const where it is read.
template <class Cell>
struct Level {
  Cell* cells;
  int64_t height, width;
  double spatial_scale;
};

template <class Cell>
struct Pyramid {
  Level<Cell> levels[kMaxLevels];
  int level_count;
  int64_t images, channels;
  bool channels_last;  ///< the maps and the output are dense and in the same memory format
};

/// What is pooled from a pyramid. T is Real<features>.
template <class T>
struct RoiAlignSpec {
  const T* rois;          ///< [roi_count, 5]
  const int64_t* levels;  ///< [roi_count]; null: all from level 0
  int64_t roi_count;
  int64_t out_height, out_width;
  int sampling_ratio;
  bool aligned;
};

namespace cpu {

template <class T>
void roi_align_forward(const RoiAlignSpec<Real<T>>& spec, const Pyramid<const T>& features, T* output,
                       const Parallel& parallel, InstructionSet instruction_set = best_instruction_set());

/// Overwrites grad_features.
template <class T>
void roi_align_backward(const RoiAlignSpec<Real<T>>& spec, const T* grad_output,
                        const Pyramid<Real<T>>& grad_features, const Parallel& parallel,
                        InstructionSet instruction_set = best_instruction_set());

/// The gradient of the RoIs. Overwrites grad_rois [roi_count, 5], with 0 for the index of the image and for
/// RoIs that read nothing. All maps and grad_output are channels_last.
template <class T>
void roi_align_backward_rois(const RoiAlignSpec<Real<T>>& spec, const Pyramid<const T>& features,
                             const T* grad_output, Real<T>* grad_rois, const Parallel& parallel,
                             InstructionSet instruction_set = best_instruction_set());

}  // namespace cpu

/// The results are cudaError_t.
namespace cuda {

template <class T>
int roi_align_forward(const RoiAlignSpec<Real<T>>& spec, const Pyramid<const T>& features, T* output,
                      CUstream_st* stream);

/// Elements of the scratch that makes roi_align_backward deterministic.
template <class Cell>
constexpr int64_t scratch_size(const Pyramid<Cell>& grad_features) {
  int64_t cells = 0;
  for (int i = 0; i < grad_features.level_count; ++i)
    cells += grad_features.levels[i].height * grad_features.levels[i].width;
  return 1 + grad_features.images * grad_features.channels * cells;
}

/// Overwrites grad_features. With scratch, of any content, the sums are taken in fixed point: the same bits
/// every time, and NaN in every cell if any element of grad_output is not finite. Null: in floating point by
/// atomics, whose order varies.
template <class T>
int roi_align_backward(const RoiAlignSpec<Real<T>>& spec, const T* grad_output,
                       const Pyramid<Real<T>>& grad_features, int64_t* scratch, CUstream_st* stream);

/// As that of the CPU. Has the same bits every time.
template <class T>
int roi_align_backward_rois(const RoiAlignSpec<Real<T>>& spec, const Pyramid<const T>& features,
                            const T* grad_output, Real<T>* grad_rois, CUstream_st* stream);

}  // namespace cuda
}  // namespace rcnn::ops::kernels
