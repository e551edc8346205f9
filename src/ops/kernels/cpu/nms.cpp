#include "ops/kernels/nms.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "ops/kernels/cpu/simd/dispatch.h"
#include "ops/kernels/cpu/simd/nms.h"

namespace rcnn::ops::kernels::cpu {
namespace {

/// Boxes of one image and one group by falling score, coordinate by coordinate.
template <class T>
struct Group {
  const T *x1, *y1, *x2, *y2;
  int64_t count;

  Corners<T> box(int64_t i) const { return {x1[i], y1[i], x2[i], y2[i]}; }
};

/// The boxes that a group keeps, by falling score.
template <class T>
class Keeper {
 public:
  explicit Keeper(int64_t capacity) : stride_(capacity + simd::kKeptPadding), values_(5 * stride_, kNan) {
    positions_.reserve(capacity);
  }

  int64_t count() const { return static_cast<int64_t>(positions_.size()); }
  const std::vector<int64_t>& positions() const { return positions_; }
  simd::KeptCoordinates<T> coordinates() const {
    const T* first = values_.data();
    return {first, first + stride_, first + 2 * stride_, first + 3 * stride_, first + 4 * stride_};
  }

  void keep(int64_t position, const Corners<T>& box) {
    T* at = values_.data() + count();
    for (const T value : {box.x1, box.y1, box.x2, box.y2, area(box)}) *at = value, at += stride_;
    positions_.push_back(position);
  }

 private:
  static constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  int64_t stride_;
  std::vector<T> values_;
  std::vector<int64_t> positions_;
};

/// Tile by tile: threads compare the boxes of a tile with all that earlier tiles kept; the rest of the tile,
/// which depends on itself, is settled in order.
template <class T>
std::vector<int64_t> nms_of_group(const Group<T>& group, T iou_threshold, int64_t max_kept,
                                  const Parallel& parallel, InstructionSet instruction_set) {
  constexpr int64_t kTile = 256;
  constexpr int64_t kPairsOfThread = 1 << 16;  // fewer are done sooner than another thread wakes up
  const auto is_suppressed =
      with_instruction_set(instruction_set, []<class Isa>(Isa) { return &simd::is_suppressed<Isa, T>; });
  Keeper<T> kept(std::min(group.count, max_kept));
  bool free[kTile];
  for (int64_t begin = 0; begin < group.count; begin += kTile) {
    const int64_t settled = kept.count(), in_tile = std::min(kTile, group.count - begin);
    parallel(in_tile, 1 + kPairsOfThread / (settled + 1), [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        free[i] = !is_suppressed(kept.coordinates(), 0, settled, group.box(begin + i), iou_threshold);
    });
    for (int64_t i = 0; i < in_tile; ++i) {
      const Corners<T> box = group.box(begin + i);
      if (!free[i] || is_suppressed(kept.coordinates(), settled, kept.count(), box, iou_threshold)) continue;
      kept.keep(begin + i, box);
      if (kept.count() == max_kept) return kept.positions();
    }
  }
  return kept.positions();
}

/// Boxes of one image, each group's side by side.
template <class T>
class Grouped {
 public:
  Grouped(const T* coordinates, int64_t stride, const int64_t* groups, int64_t count) : positions_(count) {
    std::iota(positions_.begin(), positions_.end(), 0);
    std::stable_sort(positions_.begin(), positions_.end(),
                     [=](int64_t a, int64_t b) { return groups[a] < groups[b]; });
    coordinates_.reserve(4 * count);
    for (int axis = 0; axis < 4; ++axis)
      for (const int64_t i : positions_) coordinates_.push_back(coordinates[axis * stride + i]);
    for (int64_t i = 0; i < count; ++i)
      if (i == 0 || groups[positions_[i]] != groups[positions_[i - 1]]) begins_.push_back(i);
  }

  int64_t count() const { return static_cast<int64_t>(begins_.size()); }
  Group<T> operator[](int64_t i) const {
    const int64_t begin = begins_[i], all = static_cast<int64_t>(positions_.size());
    const T* x1 = coordinates_.data() + begin;
    return {x1, x1 + all, x1 + 2 * all, x1 + 3 * all, (i + 1 < count() ? begins_[i + 1] : all) - begin};
  }
  int64_t position(int64_t group, int64_t i) const { return positions_[begins_[group] + i]; }

 private:
  std::vector<int64_t> positions_, begins_;
  std::vector<T> coordinates_;
};

template <class T>
std::vector<int64_t> nms_of_image(const T* coordinates, int64_t stride, const int64_t* groups, int64_t count,
                                  T iou_threshold, int64_t max_kept, const Parallel& parallel,
                                  InstructionSet instruction_set) {
  if (!groups) {
    const Group<T> all{coordinates, coordinates + stride, coordinates + 2 * stride, coordinates + 3 * stride,
                       count};
    return nms_of_group(all, iou_threshold, max_kept, parallel, instruction_set);
  }
  const Grouped<T> grouped(coordinates, stride, groups, count);
  std::vector<std::vector<int64_t>> kept_of_group(grouped.count());
  parallel(grouped.count(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g)
      kept_of_group[g] = nms_of_group(grouped[g], iou_threshold, max_kept, parallel, instruction_set);
  });
  std::vector<int64_t> kept;
  for (int64_t g = 0; g < grouped.count(); ++g)
    for (const int64_t i : kept_of_group[g]) kept.push_back(grouped.position(g, i));
  std::sort(kept.begin(), kept.end());
  if (static_cast<int64_t>(kept.size()) > max_kept) kept.resize(max_kept);
  return kept;
}

}  // namespace

template <class T>
void nms(const SortedBoxes<T>& boxes, T iou_threshold, const KeptBoxes& kept, const Parallel& parallel,
         InstructionSet instruction_set) {
  for (int64_t image = 0; image < boxes.images; ++image) {
    const std::vector<int64_t> positions =
        nms_of_image(boxes.coordinates + 4 * image * boxes.count, boxes.count,
                     boxes.groups ? boxes.groups + image * boxes.count : nullptr,
                     boxes.valid ? boxes.valid[image] : boxes.count, iou_threshold, kept.max_kept, parallel,
                     instruction_set);
    int64_t* to = kept.positions + image * kept.max_kept;
    std::fill(std::copy(positions.begin(), positions.end(), to), to + kept.max_kept, -1);
    kept.counts[image] = static_cast<int64_t>(positions.size());
  }
}

template void nms(const SortedBoxes<float>&, float, const KeptBoxes&, const Parallel&, InstructionSet);
template void nms(const SortedBoxes<double>&, double, const KeptBoxes&, const Parallel&, InstructionSet);

}  // namespace rcnn::ops::kernels::cpu
