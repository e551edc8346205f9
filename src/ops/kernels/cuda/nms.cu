#include "ops/kernels/cuda/launch.h"
#include "ops/kernels/geometry.h"
#include "ops/kernels/nms.h"

namespace rcnn::ops::kernels::cuda {
namespace {

using Word = unsigned long long;  // a bit for each box of a tile
static_assert(sizeof(Word) == sizeof(uint64_t));

template <class T>
__device__ Corners<T> box_at(const SortedBoxes<T>& boxes, int64_t i) {
  const T* x1 = boxes.coordinates + i;
  return {x1[0], x1[boxes.count], x1[2 * boxes.count], x1[3 * boxes.count]};
}

/// mask[row * tiles + tile] gets the boxes of the tile that `row` would drop: those after it, in its group,
/// that overlap it by more than the threshold. A block of one tile of rows fills the tile itself and those to
/// its right; nothing reads the others.
template <class T>
__global__ void find_overlaps(SortedBoxes<T> boxes, int64_t tiles, T iou_threshold, Word* mask) {
  __shared__ Corners<T> others[kNmsTile];
  __shared__ T areas[kNmsTile];
  __shared__ int64_t groups[kNmsTile];
  const int64_t row = int64_t{blockIdx.x} * kNmsTile + threadIdx.x;
  const bool active = row < boxes.count;
  const Corners<T> box = active ? box_at(boxes, row) : Corners<T>{};
  const T box_area = area(box);
  const int64_t group = active && boxes.groups ? boxes.groups[row] : 0;

  for (int64_t tile = int64_t{blockIdx.x} + blockIdx.y; tile < tiles; tile += gridDim.y) {
    const int64_t begin = tile * kNmsTile;
    const auto in_tile = static_cast<int>(smaller(kNmsTile, boxes.count - begin));
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < in_tile) {
      others[threadIdx.x] = box_at(boxes, begin + threadIdx.x);
      areas[threadIdx.x] = area(others[threadIdx.x]);
      groups[threadIdx.x] = boxes.groups ? boxes.groups[begin + threadIdx.x] : 0;
    }
    __syncthreads();
    if (!active) continue;
    Word dropped = 0;
    for (int j = begin > row ? 0 : static_cast<int>(row - begin) + 1; j < in_tile; ++j) {
      if (groups[j] == group && iou(box, box_area, others[j], areas[j]) > iou_threshold)
        dropped |= Word{1} << j;
    }
    mask[row * tiles + tile] = dropped;
  }
}

/// Walks the tiles in order, in one block. Thread 0 settles the boxes of a tile among themselves; then every
/// thread adds what the kept ones drop to its share of the later tiles.
__global__ void sweep(const Word* mask, int64_t count, int64_t tiles, int64_t max_kept, Word* dropped,
                      int64_t* kept, int64_t* kept_count) {
  __shared__ Word diagonal[kNmsTile];
  __shared__ Word keep;
  for (int64_t tile = threadIdx.x; tile < tiles; tile += blockDim.x) dropped[tile] = 0;
  int64_t total = 0;
  for (int64_t tile = 0; tile < tiles && total < max_kept; ++tile) {
    const int64_t begin = tile * kNmsTile;
    const auto in_tile = static_cast<int>(smaller(kNmsTile, count - begin));
    const int thread = static_cast<int>(threadIdx.x);
    if (thread < in_tile) diagonal[thread] = mask[(begin + thread) * tiles + tile];
    __syncthreads();
    if (thread == 0) {
      Word gone = dropped[tile], stay = 0;
      for (int i = 0; i < in_tile && total + __popcll(stay) < max_kept; ++i) {
        if (gone >> i & 1) continue;
        stay |= Word{1} << i;
        gone |= diagonal[i];
      }
      keep = stay;
    }
    __syncthreads();
    const Word stay = keep;
    if (thread < in_tile && (stay >> thread & 1))
      kept[total + __popcll(stay & ((Word{1} << thread) - 1))] = begin + thread;
    total += __popcll(stay);
    for (int64_t later = tile + 1 + thread; later < tiles; later += blockDim.x) {
      Word gone = dropped[later];
      for (Word rest = stay; rest != 0; rest &= rest - 1)
        gone |= mask[(begin + __ffsll(static_cast<long long>(rest)) - 1) * tiles + later];
      dropped[later] = gone;
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) *kept_count = total;
}

}  // namespace

template <class T>
int nms(const SortedBoxes<T>& boxes, T iou_threshold, int64_t max_kept, int64_t* kept, int64_t* kept_count,
        uint64_t* mask, CUstream_st* stream) {
  constexpr int64_t kMostRowsOfBlocks = 1 << 10;
  constexpr int kSweepThreads = 512;
  const int64_t tiles = (boxes.count + kNmsTile - 1) / kNmsTile;
  const auto words = reinterpret_cast<Word*>(mask);
  if (tiles > 0) {
    const dim3 blocks(static_cast<unsigned>(tiles), static_cast<unsigned>(smaller(tiles, kMostRowsOfBlocks)));
    find_overlaps<T><<<blocks, kNmsTile, 0, stream>>>(boxes, tiles, iou_threshold, words);
    if (const cudaError_t error = cudaGetLastError()) return error;
  }
  sweep<<<1, kSweepThreads, 0, stream>>>(words, boxes.count, tiles, max_kept, words + boxes.count * tiles,
                                         kept, kept_count);
  return cudaGetLastError();
}

template int nms(const SortedBoxes<float>&, float, int64_t, int64_t*, int64_t*, uint64_t*, CUstream_st*);
template int nms(const SortedBoxes<double>&, double, int64_t, int64_t*, int64_t*, uint64_t*, CUstream_st*);

}  // namespace rcnn::ops::kernels::cuda
