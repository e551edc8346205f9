#pragma once

#include <cstdint>

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

/// RoIs begin..end-1.
template <class T>
void roi_align_forward(const RoiAlignSpec<Real<T>>& spec, const Pyramid<const T>& features, T* output,
                       int64_t begin, int64_t end);

/// Channels begin..end-1. Adds to grad_features.
template <class T>
void roi_align_backward(const RoiAlignSpec<Real<T>>& spec, const T* grad_output,
                        const Pyramid<Real<T>>& grad_features, int64_t begin, int64_t end);

}  // namespace cpu

/// The same over all RoIs and channels; the result is a cudaError_t.
namespace cuda {

template <class T>
int roi_align_forward(const RoiAlignSpec<Real<T>>& spec, const Pyramid<const T>& features, T* output,
                      CUstream_st* stream);

template <class T>
int roi_align_backward(const RoiAlignSpec<Real<T>>& spec, const T* grad_output,
                       const Pyramid<Real<T>>& grad_features, CUstream_st* stream);

}  // namespace cuda
}  // namespace rcnn::ops::kernels
