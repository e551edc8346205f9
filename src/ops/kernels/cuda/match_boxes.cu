#include "ops/kernels/cuda/launch.h"
#include "ops/kernels/geometry.h"
#include "ops/kernels/match_boxes.h"

namespace rcnn::ops::kernels::cuda {
namespace {

using Box = Corners<float>;

__device__ Box box_at(const float* boxes, int64_t i) {
  return {boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]};
}

__device__ unsigned largest_of_warp(unsigned value) {
#if __CUDA_ARCH__ >= 800
  return __reduce_max_sync(kAllLanes, value);
#else
  for (int step = kWarp / 2; step > 0; step /= 2)
    value = larger(value, __shfl_xor_sync(kAllLanes, value, step));
  return value;
#endif
}

/// A thread takes a candidate, a block goes through the truths a block's worth at a time. IoUs are not
/// negative, and such floats are ordered as their bits.
__global__ void match(MatchInput input, MatchOutput output, float* best_iou) {
  __shared__ Box truths[kThreads];
  __shared__ float areas[kThreads];
  __shared__ unsigned best_of_block[kThreads];  // bits of each truth's highest IoU
  const auto thread = static_cast<int>(threadIdx.x);
  for (int64_t first = int64_t{blockIdx.x} * kThreads; first < input.candidate_count;
       first += item_stride()) {
    const int64_t i = first + thread;
    const bool active = i < input.candidate_count;
    const Box candidate = active ? box_at(input.candidates, i) : Box{};
    const float candidate_area = area(candidate);
    int64_t best_truth = input.truth_count > 0 ? 0 : -1;
    float best = 0;
    for (int64_t begin = 0; begin < input.truth_count; begin += kThreads) {
      const auto in_block = static_cast<int>(smaller<int64_t>(kThreads, input.truth_count - begin));
      if (thread < in_block) {
        truths[thread] = box_at(input.truths, begin + thread);
        areas[thread] = area(truths[thread]);
        best_of_block[thread] = 0;
      }
      __syncthreads();
      for (int t = 0; t < in_block; ++t) {
        const float overlap = iou(candidate, candidate_area, truths[t], areas[t]);  // 0 where not active
        if (overlap > best) best = overlap, best_truth = begin + t;
        const unsigned best_of_warp = largest_of_warp(__float_as_uint(overlap));
        if (best_of_warp != 0 && thread % kWarp == 0) atomicMax(best_of_block + t, best_of_warp);
      }
      __syncthreads();  // after it a thread touches its own truth only, until the next ones are there
      if (thread < in_block && best_of_block[thread] != 0)
        atomicMax(reinterpret_cast<unsigned*>(best_iou + begin + thread), best_of_block[thread]);
    }
    if (!active) continue;
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
    const float highest = output.iou[i];
    bool best = false;
    for (int64_t t = 0; t < input.truth_count && !best; ++t) {
      if (!(best_iou[t] > 0) || highest < best_iou[t])
        continue;  // not even its best overlap reaches this truth's
      const Box truth = box_at(input.truths, t);
      best = iou(candidate, candidate_area, truth, area(truth)) == best_iou[t];
    }
    output.best_of_truth[i] = best;
  }
}

}  // namespace

int match_boxes(const MatchInput& input, const MatchOutput& output, float* best_iou, CUstream_st* stream) {
  if (input.candidate_count == 0) return cudaSuccess;
  return launch(match, blocks_for(input.candidate_count), kThreads, stream, input, output, best_iou);
}

int mark_best(const MatchInput& input, const MatchOutput& output, const float* best_iou,
              CUstream_st* stream) {
  if (input.candidate_count == 0) return cudaSuccess;
  return launch(mark, blocks_for(input.candidate_count), kThreads, stream, input, output, best_iou);
}

}  // namespace rcnn::ops::kernels::cuda
