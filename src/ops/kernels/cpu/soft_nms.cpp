#include "ops/kernels/soft_nms.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "ops/kernels/geometry.h"

namespace rcnn::ops::kernels::cpu {
namespace {

template <class T>
struct Kept {
  int64_t index;
  T score;
};

/// Boxes of one group by their index, and the scores that they have left: 0 for those that are kept.
template <class T>
struct Group {
  std::vector<int64_t> indices;
  std::vector<Corners<T>> boxes;
  std::vector<T> areas, scores;
};

/// One score after a box that it overlaps by `overlap` was kept.
template <class T>
T decayed(T score, T overlap, const SoftNmsDecay<T>& decay) {
  if (!(overlap > 0)) return score;
  if (decay.gaussian) return score * std::exp(-overlap * overlap / decay.sigma);
  return overlap >= decay.iou_threshold ? score * (1 - overlap) : score;
}

template <class T>
std::vector<Kept<T>> soft_nms_of_group(Group<T> group, const SoftNmsDecay<T>& decay, T min_score,
                                       int64_t max_kept) {
  std::vector<Kept<T>> kept;
  const auto count = static_cast<int64_t>(group.indices.size());
  T* scores = group.scores.data();
  int64_t best = -1;
  const auto see = [&](int64_t i) {
    if (scores[i] > (best < 0 ? min_score : scores[best])) best = i;
  };
  for (int64_t i = 0; i < count; ++i) see(i);
  while (best >= 0 && static_cast<int64_t>(kept.size()) < max_kept) {
    const Corners<T> box = group.boxes[best];
    const T box_area = group.areas[best];
    kept.push_back({group.indices[best], scores[best]});
    scores[best] = 0;
    best = -1;
    for (int64_t i = 0; i < count; ++i) {
      if (!(scores[i] > min_score)) continue;
      scores[i] = decayed(scores[i], iou(box, box_area, group.boxes[i], group.areas[i]), decay);
      see(i);
    }
  }
  return kept;
}

template <class T>
std::vector<Group<T>> groups_of(const ScoredBoxes<T>& boxes) {
  std::vector<int64_t> order(boxes.count);
  std::iota(order.begin(), order.end(), 0);
  const auto group_of = [&](int64_t i) { return boxes.groups ? boxes.groups[i] : 0; };
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return group_of(a) < group_of(b); });
  std::vector<Group<T>> groups;
  for (size_t k = 0; k < order.size(); ++k) {
    const int64_t i = order[k];
    if (k == 0 || group_of(i) != group_of(order[k - 1])) groups.emplace_back();
    const T* at = boxes.boxes + 4 * i;
    const Corners<T> box{at[0], at[1], at[2], at[3]};
    groups.back().indices.push_back(i);
    groups.back().boxes.push_back(box);
    groups.back().areas.push_back(area(box));
    groups.back().scores.push_back(boxes.scores[i]);
  }
  return groups;
}

}  // namespace

template <class T>
int64_t soft_nms(const ScoredBoxes<T>& boxes, const SoftNmsDecay<T>& decay, T min_score,
                 const SoftlyKept<T>& kept, const Parallel& parallel) {
  std::vector<Group<T>> groups = groups_of(boxes);
  std::vector<std::vector<Kept<T>>> of_group(groups.size());
  parallel(static_cast<int64_t>(groups.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g)
      of_group[g] = soft_nms_of_group(std::move(groups[g]), decay, min_score, kept.max_kept);
  });
  std::vector<Kept<T>> all;
  for (const auto& some : of_group) all.insert(all.end(), some.begin(), some.end());
  // The order in which one loop over all groups would have taken them: of equal scores in a group the lower
  // index was taken first, too.
  std::sort(all.begin(), all.end(), [](const Kept<T>& a, const Kept<T>& b) {
    return a.score != b.score ? a.score > b.score : a.index < b.index;
  });
  const int64_t count = std::min(static_cast<int64_t>(all.size()), kept.max_kept);
  for (int64_t i = 0; i < count; ++i) {
    kept.indices[i] = all[i].index;
    kept.scores[i] = all[i].score;
  }
  return count;
}

template int64_t soft_nms(const ScoredBoxes<float>&, const SoftNmsDecay<float>&, float,
                          const SoftlyKept<float>&, const Parallel&);
template int64_t soft_nms(const ScoredBoxes<double>&, const SoftNmsDecay<double>&, double,
                          const SoftlyKept<double>&, const Parallel&);

}  // namespace rcnn::ops::kernels::cpu
