#include "ops/kernels/nms.h"

#include <vector>

#include "ops/kernels/geometry.h"

namespace rcnn::ops::kernels::cpu {

template <class T>
int64_t nms(const SortedBoxes<T>& boxes, T iou_threshold, int64_t max_kept, int64_t* kept) {
  const int64_t count = boxes.count;
  const T* x1 = boxes.coordinates;
  const T* y1 = x1 + count;
  const T* x2 = y1 + count;
  const T* y2 = x2 + count;
  const auto box = [=](int64_t i) { return Corners<T>{x1[i], y1[i], x2[i], y2[i]}; };
  std::vector<T> areas(count);
  for (int64_t i = 0; i < count; ++i) areas[i] = area(box(i));

  std::vector<uint8_t> dropped(count);
  int64_t kept_count = 0;
  for (int64_t i = 0; i < count && kept_count < max_kept; ++i) {
    if (dropped[i]) continue;
    kept[kept_count++] = i;
    const Corners<T> winner = box(i);
    const T winner_area = areas[i];
    if (const int64_t* groups = boxes.groups) {
      for (int64_t j = i + 1; j < count; ++j) {
        if (groups[j] == groups[i]) dropped[j] |= iou(winner, winner_area, box(j), areas[j]) > iou_threshold;
      }
    } else {
      for (int64_t j = i + 1; j < count; ++j)
        dropped[j] |= iou(winner, winner_area, box(j), areas[j]) > iou_threshold;
    }
  }
  return kept_count;
}

template int64_t nms(const SortedBoxes<float>&, float, int64_t, int64_t*);
template int64_t nms(const SortedBoxes<double>&, double, int64_t, int64_t*);

}  // namespace rcnn::ops::kernels::cpu
