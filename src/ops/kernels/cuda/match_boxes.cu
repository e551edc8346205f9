#include "ops/kernels/cuda/launch.h"
#include "ops/kernels/geometry.h"
#include "ops/kernels/match_boxes.h"

namespace rcnn::ops::kernels::cuda {
namespace {

using Box = Corners<float>;

__device__ Box box_at(const float* boxes, int64_t i) {
  return {boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]};
}

/// Floats that are not negative are ordered as their bits.
__device__ void atomic_raise(float* target, float value) {
  atomicMax(reinterpret_cast<int*>(target), __float_as_int(value));
}

__global__ void match(MatchInput input, MatchOutput output, float* best_iou) {
  for (int64_t i = first_item(); i < input.candidate_count; i += item_stride()) {
    const Box candidate = box_at(input.candidates, i);
    const float candidate_area = area(candidate);
    int64_t best_truth = input.truth_count > 0 ? 0 : -1;
    float best = 0;
    for (int64_t t = 0; t < input.truth_count; ++t) {
      const Box truth = box_at(input.truths, t);
      const float overlap = iou(candidate, candidate_area, truth, area(truth));
      if (overlap > best) best = overlap, best_truth = t;
      // A stale reading is too low, never too high: it costs an atomic and loses nothing.
      if (overlap > *static_cast<volatile float*>(best_iou + t)) atomic_raise(best_iou + t, overlap);
    }
    float ignored = 0;
    for (int64_t r = 0; r < input.ignore_count; ++r)
      ignored = larger(share(intersection(candidate, box_at(input.ignore, r)), candidate_area), ignored);
    output.truth[i] = best_truth;
    output.iou[i] = best;
    output.ignored[i] = ignored;
  }
}

__global__ void mark(MatchInput input, MatchOutput output, const float* best_iou) {
  for (int64_t i = first_item(); i < input.candidate_count; i += item_stride()) {
    const Box candidate = box_at(input.candidates, i);
    const float candidate_area = area(candidate);
    bool best = false;
    for (int64_t t = 0; t < input.truth_count && !best; ++t) {
      if (!(best_iou[t] > 0) || output.iou[i] < best_iou[t]) continue;
      const Box truth = box_at(input.truths, t);
      best = iou(candidate, candidate_area, truth, area(truth)) == best_iou[t];
    }
    output.best_of_truth[i] = best;
  }
}

}  // namespace

int match_boxes(const MatchInput& input, const MatchOutput& output, float* best_iou, CUstream_st* stream) {
  if (input.candidate_count == 0) return cudaSuccess;
  match<<<blocks_for(input.candidate_count), kThreads, 0, stream>>>(input, output, best_iou);
  return cudaGetLastError();
}

int mark_best(const MatchInput& input, const MatchOutput& output, const float* best_iou,
              CUstream_st* stream) {
  if (input.candidate_count == 0) return cudaSuccess;
  mark<<<blocks_for(input.candidate_count), kThreads, 0, stream>>>(input, output, best_iou);
  return cudaGetLastError();
}

}  // namespace rcnn::ops::kernels::cuda
