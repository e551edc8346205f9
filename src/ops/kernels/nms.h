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

/// The scratch of nms, for each image `rows` rows of which boxes one would drop and one row of those dropped.
/// The rows are filled again and again: one for every box at a time would make the scratch quadratic, 180 GB
/// for the 1.2 million boxes that 1000 RoIs have of LVIS' 1203 classes.
struct NmsMask {
  int64_t tiles;  ///< words of a row: a bit for each of an image's boxes
  int64_t rows;   ///< a multiple of kNmsTile, above 0

  constexpr int64_t words_of_image() const { return (rows + 1) * tiles; }
};

/// As many rows as `most_words` have room for, but a tile of them in any case and no more tiles than there
/// are.
constexpr NmsMask nms_mask(int64_t images, int64_t count, int64_t most_words) {
  const int64_t tiles = (count + kNmsTile - 1) / kNmsTile;
  const int64_t words_of_row = images * tiles;
  const int64_t fitting = words_of_row > 0 ? (most_words / words_of_row - 1) / kNmsTile : tiles;
  const int64_t most = fitting < tiles ? fitting : tiles;
  return {tiles, kNmsTile * (most > 1 ? most : 1)};
}

/// mask is scratch [images, rows + 1, tiles] as `shape` says, any content; the result is the same for all
/// shapes. Returns a cudaError_t.
template <class T>
int nms(const SortedBoxes<T>& boxes, T iou_threshold, const KeptBoxes& kept, const NmsMask& shape,
        uint64_t* mask, CUstream_st* stream);

}  // namespace cuda
}  // namespace rcnn::ops::kernels
