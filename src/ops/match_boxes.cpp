#include "ops/kernels/match_boxes.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <rcnn/ops/match_boxes.h>

#include "ops/device.h"
#include "ops/parallel.h"

namespace rcnn::ops {
namespace {

constexpr const char* kMatchBoxes = "match_boxes";

void check(const char* name, const at::Tensor& boxes, at::Device device) {
  TORCH_CHECK(boxes.dim() == 2 && boxes.size(1) == 4, kMatchBoxes, ": ", name, ": expected [N, 4], got ",
              boxes.sizes());
  TORCH_CHECK(boxes.scalar_type() == at::kFloat, kMatchBoxes, ": ", name, ": expected float32, got ",
              boxes.scalar_type());
  TORCH_CHECK(boxes.device() == device, kMatchBoxes, ": ", name, ": expected the candidates' device ", device,
              ", got ", boxes.device());
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

  const kernels::MatchInput input{
      const_data<float>(c), const_data<float>(t), const_data<float>(i), c.size(0), t.size(0), i.size(0)};
  const kernels::MatchOutput output{mutable_data<int64_t>(matches.truth), mutable_data<float>(matches.iou),
                                    mutable_data<bool>(matches.best_of_truth),
                                    mutable_data<float>(matches.ignored)};
  on_device(
      kMatchBoxes, c.device(), [&] { kernels::cpu::match_boxes(input, output, parallel); },
      [&](auto stream) {
        const at::Tensor best_iou_of_truth = at::zeros(t.size(0), c.options());
        float* best_iou = mutable_data<float>(best_iou_of_truth);
        const int error = kernels::cuda::match_boxes(input, output, best_iou, stream);
        return error ? error : kernels::cuda::mark_best(input, output, best_iou, stream);
      });
  return matches;
}

}  // namespace rcnn::ops
