#include "ops/kernels/match_boxes.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <rcnn/ops/match_boxes.h>

#include "ops/device.h"

namespace rcnn::ops {
namespace {

constexpr const char* kOp = "match_boxes";
constexpr int64_t kGrain = 1024;

void check(const char* name, const at::Tensor& boxes, at::Device device) {
  TORCH_CHECK(boxes.dim() == 2 && boxes.size(1) == 4, kOp, ": ", name, ": expected [N, 4], got ",
              boxes.sizes());
  TORCH_CHECK(boxes.scalar_type() == at::kFloat, kOp, ": ", name, ": expected float32, got ",
              boxes.scalar_type());
  TORCH_CHECK(boxes.device() == device, kOp, ": ", name, ": expected the candidates' device ", device,
              ", got ", boxes.device());
}

void match_on_cpu(const kernels::MatchInput& input, const kernels::MatchOutput& output, float* best_iou) {
  std::mutex merging;
  at::parallel_for(0, input.candidate_count, kGrain, [&](int64_t begin, int64_t end) {
    std::vector<float> best_of_range(input.truth_count);
    kernels::cpu::match_boxes(input, output, best_of_range.data(), begin, end);
    const std::lock_guard lock(merging);
    for (int64_t t = 0; t < input.truth_count; ++t) best_iou[t] = std::max(best_iou[t], best_of_range[t]);
  });
  at::parallel_for(0, input.candidate_count, kGrain, [&](int64_t begin, int64_t end) {
    kernels::cpu::mark_best(input, output, best_iou, begin, end);
  });
}

}  // namespace

BoxMatches match_boxes(const at::Tensor& candidates, const at::Tensor& truths, const at::Tensor& ignore) {
  check("candidates", candidates, candidates.device());
  check("truths", truths, candidates.device());
  check("ignore", ignore, candidates.device());
  const at::Tensor c = candidates.detach().contiguous(), t = truths.detach().contiguous(),
                   i = ignore.detach().contiguous();
  const auto sizes = c.sizes().slice(0, 1);
  const BoxMatches matches{at::empty(sizes, c.options().dtype(at::kLong)), at::empty(sizes, c.options()),
                           at::empty(sizes, c.options().dtype(at::kBool)), at::empty(sizes, c.options())};
  const at::Tensor best_iou_of_truth = at::zeros(t.size(0), c.options());

  const kernels::MatchInput input{
      const_data<float>(c), const_data<float>(t), const_data<float>(i), c.size(0), t.size(0), i.size(0)};
  const kernels::MatchOutput output{mutable_data<int64_t>(matches.truth), mutable_data<float>(matches.iou),
                                    mutable_data<bool>(matches.best_of_truth),
                                    mutable_data<float>(matches.ignored)};
  float* best_iou = mutable_data<float>(best_iou_of_truth);
  on_device(
      kOp, c.device(), [&] { match_on_cpu(input, output, best_iou); },
      [&](auto stream) {
        const int error = kernels::cuda::match_boxes(input, output, best_iou, stream);
        return error ? error : kernels::cuda::mark_best(input, output, best_iou, stream);
      });
  return matches;
}

}  // namespace rcnn::ops
