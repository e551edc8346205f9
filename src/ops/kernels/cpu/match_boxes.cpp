#include "ops/kernels/match_boxes.h"

#include <algorithm>

#include "ops/kernels/geometry.h"

namespace rcnn::ops::kernels::cpu {
namespace {

using Box = Corners<float>;

Box box_at(const float* boxes, int64_t i) {
  return {boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]};
}

/// match_boxes over a range whose boxes and results stay in the first-level cache.
void match_block(const MatchInput& input, const MatchOutput& output, float* best_iou, int64_t begin,
                 int64_t end) {
  std::fill(output.truth + begin, output.truth + end, input.truth_count > 0 ? 0 : -1);
  std::fill(output.iou + begin, output.iou + end, 0.0f);
  std::fill(output.ignored + begin, output.ignored + end, 0.0f);
  for (int64_t t = 0; t < input.truth_count; ++t) {
    const Box truth = box_at(input.truths, t);
    const float truth_area = area(truth);
    float best = best_iou[t];
    for (int64_t i = begin; i < end; ++i) {
      const Box candidate = box_at(input.candidates, i);
      const float overlap = iou(candidate, area(candidate), truth, truth_area);
      if (overlap > output.iou[i]) output.iou[i] = overlap, output.truth[i] = t;
      best = larger(overlap, best);
    }
    best_iou[t] = best;
  }
  for (int64_t r = 0; r < input.ignore_count; ++r) {
    const Box region = box_at(input.ignore, r);
    for (int64_t i = begin; i < end; ++i) {
      const Box candidate = box_at(input.candidates, i);
      output.ignored[i] = larger(share(intersection(candidate, region), area(candidate)), output.ignored[i]);
    }
  }
}

}  // namespace

void match_boxes(const MatchInput& input, const MatchOutput& output, float* best_iou, int64_t begin,
                 int64_t end) {
  constexpr int64_t kBlock = 512;
  for (int64_t block = begin; block < end; block += kBlock)
    match_block(input, output, best_iou, block, std::min(block + kBlock, end));
}

void mark_best(const MatchInput& input, const MatchOutput& output, const float* best_iou, int64_t begin,
               int64_t end) {
  std::fill(output.best_of_truth + begin, output.best_of_truth + end, false);
  for (int64_t t = 0; t < input.truth_count; ++t) {
    if (!(best_iou[t] > 0)) continue;
    const Box truth = box_at(input.truths, t);
    const float truth_area = area(truth);
    for (int64_t i = begin; i < end; ++i) {
      if (output.iou[i] < best_iou[t]) continue;  // not even its best overlap reaches this truth's
      const Box candidate = box_at(input.candidates, i);
      output.best_of_truth[i] |= iou(candidate, area(candidate), truth, truth_area) == best_iou[t];
    }
  }
}

}  // namespace rcnn::ops::kernels::cpu
