#pragma once

#include <cstdint>

struct CUstream_st;

namespace rcnn::ops::kernels {

/// Boxes by falling score, coordinate by coordinate: T [4, count] = x1..., y1..., x2..., y2...
template <class T>
struct SortedBoxes {
  const T* coordinates;
  const int64_t* groups;  ///< [count]; null: all in one group
  int64_t count;
};

namespace cpu {

/// Writes the positions of the kept boxes, at most max_kept, to kept [count] and returns how many there are.
template <class T>
int64_t nms(const SortedBoxes<T>& boxes, T iou_threshold, int64_t max_kept, int64_t* kept);

}  // namespace cpu

namespace cuda {

constexpr int64_t kNmsTile = 64;  ///< boxes a word of the mask

/// The same; *kept_count is written on the device. mask is scratch [count + 1, ceil(count / kNmsTile)], any
/// content. Returns a cudaError_t.
template <class T>
int nms(const SortedBoxes<T>& boxes, T iou_threshold, int64_t max_kept, int64_t* kept, int64_t* kept_count,
        uint64_t* mask, CUstream_st* stream);

}  // namespace cuda
}  // namespace rcnn::ops::kernels
