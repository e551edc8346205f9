#pragma once

#include <cstdint>

#include "ops/kernels/cpu/instruction_set.h"
#include "ops/kernels/cpu/parallel.h"

struct CUstream_st;

namespace rcnn::ops::kernels {

/// Boxes are [count, 4] = (x1, y1, x2, y2).
struct MatchInput {
  const float* candidates;
  const float* truths;
  const float* ignore;
  int64_t candidate_count, truth_count, ignore_count;
};

/// All [candidate_count].
struct MatchOutput {
  int64_t* truth;
  float* iou;
  bool* best_of_truth;
  float* ignored;
};

namespace cpu {

void match_boxes(const MatchInput& input, const MatchOutput& output, const Parallel& parallel,
                 InstructionSet instruction_set = best_instruction_set());

}  // namespace cpu

/// In two passes: the first writes everything but best_of_truth, and each truth's highest IoU to best_iou
/// [truth_count], which comes filled with 0; the second reads that. The result is a cudaError_t.
namespace cuda {

int match_boxes(const MatchInput& input, const MatchOutput& output, float* best_iou, CUstream_st* stream);
int mark_best(const MatchInput& input, const MatchOutput& output, const float* best_iou, CUstream_st* stream);

}  // namespace cuda
}  // namespace rcnn::ops::kernels
