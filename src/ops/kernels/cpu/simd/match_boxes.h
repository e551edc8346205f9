#pragma once

#include <cstdint>

#include "ops/kernels/match_boxes.h"

namespace rcnn::ops::kernels::cpu::simd {

/// First pass, candidates begin..end-1: truth, iou, ignored; raises best_iou [truth_count] to the highest
/// seen.
template <class Isa>
void match_range(const MatchInput& input, const MatchOutput& output, float* best_iou, int64_t begin,
                 int64_t end);

/// Second pass: best_of_truth, from the outcome of the first over all candidates.
template <class Isa>
void mark_best(const MatchInput& input, const MatchOutput& output, const float* best_iou, int64_t begin,
               int64_t end);

}  // namespace rcnn::ops::kernels::cpu::simd
