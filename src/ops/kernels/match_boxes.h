#pragma once

#include <cstdint>

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

/// First pass, candidates begin..end-1: truth, iou, ignored; raises best_iou [truth_count] to the highest
/// seen.
void match_boxes(const MatchInput& input, const MatchOutput& output, float* best_iou, int64_t begin,
                 int64_t end);

/// Second pass: best_of_truth, from the outcome of the first over all candidates.
void mark_best(const MatchInput& input, const MatchOutput& output, const float* best_iou, int64_t begin,
               int64_t end);

}  // namespace cpu

/// The same over all candidates; best_iou comes filled with 0. The result is a cudaError_t.
namespace cuda {

int match_boxes(const MatchInput& input, const MatchOutput& output, float* best_iou, CUstream_st* stream);
int mark_best(const MatchInput& input, const MatchOutput& output, const float* best_iou, CUstream_st* stream);

}  // namespace cuda
}  // namespace rcnn::ops::kernels
