#include "ops/kernels/match_boxes.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "ops/kernels/cpu/simd/dispatch.h"
#include "ops/kernels/cpu/simd/match_boxes.h"

namespace rcnn::ops::kernels::cpu {

void match_boxes(const MatchInput& input, const MatchOutput& output, const Parallel& parallel,
                 InstructionSet instruction_set) {
  constexpr int64_t kGrain = 1024;
  with_instruction_set(instruction_set, [&]<class Isa>(Isa) {
    std::vector<float> best_iou(input.truth_count);
    std::mutex merging;
    parallel(input.candidate_count, kGrain, [&](int64_t begin, int64_t end) {
      std::vector<float> best_of_range(input.truth_count);
      simd::match_range<Isa>(input, output, best_of_range.data(), begin, end);
      const std::lock_guard lock(merging);
      for (int64_t t = 0; t < input.truth_count; ++t) best_iou[t] = std::max(best_iou[t], best_of_range[t]);
    });
    parallel(input.candidate_count, kGrain, [&](int64_t begin, int64_t end) {
      simd::mark_best<Isa>(input, output, best_iou.data(), begin, end);
    });
  });
}

}  // namespace rcnn::ops::kernels::cpu
