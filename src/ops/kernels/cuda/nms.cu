#include "ops/kernels/cuda/launch.h"
#include "ops/kernels/geometry.h"
#include "ops/kernels/nms.h"

namespace rcnn::ops::kernels::cuda {
namespace {

constexpr int kTile = kNmsTile;  // a Word has a bit for each box of a tile
static_assert(kTile == 2 * kWarp);
constexpr int kSweepThreads = 1024;

/// How many of an image's `count` boxes count.
__device__ int64_t valid_of(const int64_t* valid, int64_t image, int64_t count) {
  return valid ? smaller(larger<int64_t>(valid[image], 0), count) : count;
}

/// The tiles of boxes whose rows are in the mask at a time.
struct Part {
  NmsMask mask;
  int64_t first_tile;

  __host__ __device__ int64_t end_tile() const { return smaller(first_tile + mask.rows / kTile, mask.tiles); }
  __device__ bool is_first() const { return first_tile == 0; }
  __device__ bool is_last() const { return end_tile() == mask.tiles; }
  /// Of a box, counted from the image's first.
  __device__ Word* row(Word* of_image, int64_t box) const {
    return of_image + (box - first_tile * kTile) * mask.tiles;
  }
  /// Of all of an image's boxes, when the parts before this one are done.
  __device__ Word* dropped(Word* of_image) const { return of_image + mask.rows * mask.tiles; }
};

template <class T>
__device__ Corners<T> box_at(const SortedBoxes<T>& boxes, int64_t image, int64_t i) {
  const T* x1 = boxes.coordinates + image * 4 * boxes.count + i;
  return {x1[0], x1[boxes.count], x1[2 * boxes.count], x1[3 * boxes.count]};
}

template <class T>
__device__ int64_t group_at(const SortedBoxes<T>& boxes, int64_t image, int64_t i) {
  return boxes.groups ? boxes.groups[image * boxes.count + i] : 0;
}

/// The row of a box gets for each tile the boxes that it would drop: those after it, in its group, that
/// overlap it by more than the threshold. A block of one tile of rows fills the tile itself and those to its
/// right; nothing reads the others, nor the rows of boxes that have been dropped by now.
template <class T>
__global__ void find_overlaps(SortedBoxes<T> boxes, Part part, T iou_threshold, KeptBoxes kept, Word* masks) {
  __shared__ Corners<T> others[kTile];
  __shared__ T areas[kTile];
  __shared__ int64_t groups[kTile];
  const auto thread = static_cast<int>(threadIdx.x);
  const int64_t tile_of_row = part.first_tile + blockIdx.x, row = tile_of_row * kTile + thread;
  for (int64_t image = blockIdx.z; image < boxes.images; image += gridDim.z) {
    if (!part.is_first() && kept.counts[image] == kept.max_kept) continue;
    Word* mask = masks + image * part.mask.words_of_image();
    const int64_t valid = valid_of(boxes.valid, image, boxes.count);
    const bool dropped_before = !part.is_first() && part.dropped(mask)[tile_of_row] >> thread & 1;
    const bool active = row < valid && !dropped_before;
    const Corners<T> box = active ? box_at(boxes, image, row) : Corners<T>{};
    const T box_area = area(box);
    const int64_t group = active ? group_at(boxes, image, row) : 0;

    const int64_t valid_tiles = row - thread < valid ? (valid + kTile - 1) / kTile : 0;
    for (int64_t tile = tile_of_row + blockIdx.y; tile < valid_tiles; tile += gridDim.y) {
      const int64_t begin = tile * kTile;
      const auto in_tile = static_cast<int>(smaller<int64_t>(kTile, valid - begin));
      __syncthreads();  // the last tile has been read
      if (thread < in_tile) {
        others[thread] = box_at(boxes, image, begin + thread);
        areas[thread] = area(others[thread]);
        groups[thread] = group_at(boxes, image, begin + thread);
      }
      __syncthreads();
      if (!active) continue;
      Word dropped = 0;
      for (int j = begin > row ? 0 : static_cast<int>(row - begin) + 1; j < in_tile; ++j) {
        if (groups[j] == group && iou(box, box_area, others[j], areas[j]) > iou_threshold)
          dropped |= Word{1} << j;
      }
      part.row(mask, row)[tile] = dropped;
    }
  }
}

/// The diagonal of the mask for one tile, as one warp holds it: a row of the tile's first half and one of its
/// second in each lane.
struct Diagonal {
  Word low = 0, high = 0;

  /// Of boxes before `end`.
  __device__ static Diagonal load(const Part& part, Word* mask, int64_t tile, int64_t end) {
    const int64_t row = tile * kTile + threadIdx.x % kWarp;
    Diagonal diagonal;
    if (row < end) diagonal.low = part.row(mask, row)[tile];
    if (row + kWarp < end) diagonal.high = part.row(mask, row + kWarp)[tile];
    return diagonal;
  }

  /// Which boxes of the tile stay, the first `most` of them, when those of `gone` do not.
  __device__ Word settle(Word gone, int64_t most) const {
    Word stay = 0;
    for (int64_t kept = 0; gone != ~Word{0} && kept < most; ++kept) {
      const int first = __ffsll(static_cast<long long>(~gone)) - 1;
      const Word bit = Word{1} << first;
      stay |= bit;
      gone |= bit | __shfl_sync(kAllLanes, first < kWarp ? low : high, first % kWarp);
    }
    return stay;
  }
};

/// For every image one block, which walks the part's tiles in order: its first warp settles the boxes of a
/// tile among themselves, then all warps add what the kept ones drop to the later tiles.
__global__ void __launch_bounds__(kSweepThreads)
    sweep(int64_t count, Part part, const int64_t* valid_counts, Word* masks, KeptBoxes kept) {
  constexpr int kParts = 8, kRowsOfPart = kTile / kParts;  // eight independent loads a lane
  constexpr int64_t kSharedTiles = 4096;
  __shared__ Word in_shared[kSharedTiles];
  __shared__ Word stay_of_tile;
  const int64_t image = blockIdx.x;
  const int64_t valid = valid_of(valid_counts, image, count), valid_tiles = (valid + kTile - 1) / kTile;
  const int64_t end_tile = smaller(part.end_tile(), valid_tiles), end = smaller(end_tile * kTile, valid);
  Word* mask = masks + image * part.mask.words_of_image();
  const bool is_all = part.is_first() && part.is_last();
  Word* dropped = is_all && valid_tiles <= kSharedTiles ? in_shared : part.dropped(mask);
  int64_t* positions = kept.positions + image * kept.max_kept;
  const int warp = static_cast<int>(threadIdx.x) / kWarp, lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warps = static_cast<int>(blockDim.x) / kWarp;

  int64_t total = part.is_first() ? 0 : kept.counts[image];
  if (part.is_first()) {
    for (int64_t tile = threadIdx.x; tile < valid_tiles; tile += blockDim.x) dropped[tile] = 0;
  }
  Diagonal next;
  if (warp == 0) next = Diagonal::load(part, mask, part.first_tile, end);
  __syncthreads();
  for (int64_t tile = part.first_tile; tile < end_tile && total < kept.max_kept; ++tile) {
    const int64_t begin = tile * kTile;
    if (warp == 0) {
      const Diagonal diagonal = next;
      next = Diagonal::load(part, mask, tile + 1, end);  // under way while this one is settled
      const Word beyond = valid - begin < kTile ? ~Word{0} << (valid - begin) : 0;
      const Word stay = diagonal.settle(dropped[tile] | beyond, kept.max_kept - total);
      for (const int i : {lane, lane + kWarp}) {
        if (stay >> i & 1) positions[total + __popcll(stay & ((Word{1} << i) - 1))] = begin + i;
      }
      if (lane == 0) stay_of_tile = stay;
    }
    __syncthreads();
    const Word stay = stay_of_tile;
    total += __popcll(stay);
    const Word* rows_of_tile = part.row(mask, begin);
    const int64_t tasks = (valid_tiles - tile - 1 + kWarp - 1) / kWarp * kParts;
    for (int64_t task = warp; task < tasks; task += warps) {
      const auto first_row = static_cast<int>(task % kParts) * kRowsOfPart;
      const int64_t later = tile + 1 + task / kParts * kWarp + lane;
      const Word rows = stay >> first_row;
      if (later >= valid_tiles) continue;
      Word gone = 0;
#pragma unroll
      for (int i = 0; i < kRowsOfPart; ++i) {
        if (rows >> i & 1) gone |= rows_of_tile[(first_row + i) * part.mask.tiles + later];
      }
      if (gone != 0) atomicOr(dropped + later, gone);
    }
    __syncthreads();
  }
  for (int64_t i = total + threadIdx.x; part.is_last() && i < kept.max_kept; i += blockDim.x)
    positions[i] = -1;
  if (threadIdx.x == 0) kept.counts[image] = total;
}

}  // namespace

template <class T>
int nms(const SortedBoxes<T>& boxes, T iou_threshold, const KeptBoxes& kept, const NmsMask& shape,
        uint64_t* mask, CUstream_st* stream) {
  constexpr int64_t kMostColumns = 1 << 10, kMostImages = 1 << 15;  // of blocks; their loops take the rest
  if (boxes.images == 0) return cudaSuccess;
  const auto words = reinterpret_cast<Word*>(mask);
  Part part{shape, 0};
  do {
    const int64_t tiles = part.end_tile() - part.first_tile;
    if (tiles > 0) {
      const dim3 blocks(static_cast<unsigned>(tiles),
                        static_cast<unsigned>(smaller(shape.tiles - part.first_tile, kMostColumns)),
                        static_cast<unsigned>(smaller(boxes.images, kMostImages)));
      if (const int error =
              launch(find_overlaps<T>, blocks, kTile, stream, boxes, part, iou_threshold, kept, words))
        return error;
    }
    if (const int error = launch(sweep, static_cast<unsigned>(boxes.images), kSweepThreads, stream,
                                 boxes.count, part, boxes.valid, words, kept))
      return error;
    part.first_tile = part.end_tile();
  } while (part.first_tile < shape.tiles);
  return cudaSuccess;
}

template int nms(const SortedBoxes<float>&, float, const KeptBoxes&, const NmsMask&, uint64_t*, CUstream_st*);
template int nms(const SortedBoxes<double>&, double, const KeptBoxes&, const NmsMask&, uint64_t*,
                 CUstream_st*);

}  // namespace rcnn::ops::kernels::cuda
