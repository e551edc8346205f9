#pragma once

#include <cstdint>

#include "ops/kernels/cpu/instruction_set.h"
#include "ops/kernels/cpu/parallel.h"

struct CUstream_st;

namespace rcnn::ops::kernels {

/// For each image boxes by falling score, coordinate by coordinate: T [images, 4, count] = x1..., y1...,
/// x2..., y2...
template <class T>
struct SortedBoxes {
  const T* coordinates;
  const int64_t* groups;  ///< [images, count]; null: all in one group
  const int64_t* valid;   ///< [images], how many of the boxes count, the first ones; null: all
  int64_t images, count;
};

/// The positions of the kept boxes by falling score.
struct KeptBoxes {
  int64_t* positions;  ///< [images, max_kept], -1 after the last
  int64_t* counts;     ///< [images]
  int64_t max_kept;    ///< 1 or more
};

namespace cpu {

template <class T>
void nms(const SortedBoxes<T>& boxes, T iou_threshold, const KeptBoxes& kept, const Parallel& parallel,
         InstructionSet instruction_set = best_instruction_set());

}  // namespace cpu

namespace cuda {

constexpr int64_t kNmsTile = 64;  ///< boxes a word of the mask

/// mask is scratch [images, count + 1, ceil(count / kNmsTile)], any content. Returns a cudaError_t.
template <class T>
int nms(const SortedBoxes<T>& boxes, T iou_threshold, const KeptBoxes& kept, uint64_t* mask,
        CUstream_st* stream);

}  // namespace cuda
}  // namespace rcnn::ops::kernels
