#include "ops/kernels/cpu/simd/match_boxes.h"

#include "ops/kernels/cpu/simd/vec.h"
#include "ops/kernels/geometry.h"

namespace rcnn::ops::kernels::cpu::simd {
namespace {

template <class Isa>
constexpr int kWide = kLanes<Isa, float>;
template <class Isa>
using Floats = Vec<float, kWide<Isa>>;
template <class Isa>
using Integers = Vec<int32_t, kWide<Isa>>;
template <class Isa>
using Boxes = Corners<Floats<Isa>>;

/// Boxes begin..begin+count-1, the other lanes NaN, which overlaps nothing.
template <class Isa>
[[gnu::always_inline]] inline Boxes<Isa> boxes_at(const float* boxes, int64_t begin, int64_t count) {
  Boxes<Isa> out;
  out.x1 = out.y1 = out.x2 = out.y2 = broadcast<kWide<Isa>>(__builtin_nanf(""));
  for (int lane = 0; lane < kWide<Isa> && lane < count; ++lane) {
    const float* box = boxes + 4 * (begin + lane);
    out.x1[lane] = box[0], out.y1[lane] = box[1], out.x2[lane] = box[2], out.y2[lane] = box[3];
  }
  return out;
}

/// Box i in every lane.
template <class Isa>
[[gnu::always_inline]] inline Boxes<Isa> box_in_all(const float* boxes, int64_t i) {
  const float* box = boxes + 4 * i;
  return {broadcast<kWide<Isa>>(box[0]), broadcast<kWide<Isa>>(box[1]), broadcast<kWide<Isa>>(box[2]),
          broadcast<kWide<Isa>>(box[3])};
}

}  // namespace

template <class Isa>
void match_range(const MatchInput& input, const MatchOutput& output, float* best_iou, int64_t begin,
                 int64_t end) {
  using F = Floats<Isa>;
  for (int64_t first = begin; first < end; first += kWide<Isa>) {
    const int64_t count = smaller<int64_t>(kWide<Isa>, end - first);
    const Boxes<Isa> candidates = boxes_at<Isa>(input.candidates, first, count);
    const F areas = area(candidates);
    F best{}, ignored{};
    Integers<Isa> best_truth = broadcast<kWide<Isa>>(input.truth_count > 0 ? 0 : -1);
    for (int64_t t = 0; t < input.truth_count; ++t) {
      const Boxes<Isa> truth = box_in_all<Isa>(input.truths, t);
      if (!any(intersection(candidates, truth) > F{})) continue;  // all IoUs are 0
      const F overlaps = iou(candidates, areas, truth, area(truth));
      const auto better = overlaps > best;
      best = better ? overlaps : best;
      best_truth = better ? broadcast<kWide<Isa>>(static_cast<int32_t>(t)) : best_truth;
      if (!any(overlaps > broadcast<kWide<Isa>>(best_iou[t]))) continue;
      for (int lane = 0; lane < kWide<Isa>; ++lane) best_iou[t] = larger(overlaps[lane], best_iou[t]);
    }
    for (int64_t r = 0; r < input.ignore_count; ++r) {
      const F common = intersection(candidates, box_in_all<Isa>(input.ignore, r));
      ignored = larger(share(common, areas), ignored);
    }
    for (int lane = 0; lane < count; ++lane) {
      output.truth[first + lane] = best_truth[lane];
      output.iou[first + lane] = best[lane];
      output.ignored[first + lane] = ignored[lane];
    }
  }
}

template <class Isa>
void mark_best(const MatchInput& input, const MatchOutput& output, const float* best_iou, int64_t begin,
               int64_t end) {
  using F = Floats<Isa>;
  float lowest = __builtin_inff();  // an IoU that is best for some truth
  for (int64_t t = 0; t < input.truth_count; ++t)
    lowest = best_iou[t] > 0 ? smaller(best_iou[t], lowest) : lowest;
  for (int64_t first = begin; first < end; first += kWide<Isa>) {
    const int64_t count = smaller<int64_t>(kWide<Isa>, end - first);
    F highest{};
    for (int lane = 0; lane < count; ++lane) highest[lane] = output.iou[first + lane];
    Integers<Isa> marked{};
    if (any(highest >= broadcast<kWide<Isa>>(lowest))) {
      const Boxes<Isa> candidates = boxes_at<Isa>(input.candidates, first, count);
      const F areas = area(candidates);
      for (int64_t t = 0; t < input.truth_count; ++t) {
        const F best = broadcast<kWide<Isa>>(best_iou[t]);
        // Not even their best overlaps reach this truth's, or nothing overlaps it.
        if (!any((highest >= best) & (best > F{}))) continue;
        const Boxes<Isa> truth = box_in_all<Isa>(input.truths, t);
        marked |= (iou(candidates, areas, truth, area(truth)) == best) & (best > F{});
      }
    }
    for (int lane = 0; lane < count; ++lane) output.best_of_truth[first + lane] = marked[lane] != 0;
  }
}

template void match_range<RCNN_ISA>(const MatchInput&, const MatchOutput&, float*, int64_t, int64_t);
template void mark_best<RCNN_ISA>(const MatchInput&, const MatchOutput&, const float*, int64_t, int64_t);

}  // namespace rcnn::ops::kernels::cpu::simd
