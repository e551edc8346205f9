#include <torch/torch.h>

#include <rcnn/boxes/matcher.h>
#include <rcnn/ops/match_boxes.h>

namespace rcnn::boxes {

Assignment match(const at::Tensor& candidates, const Target& target, const MatcherOptions& options) {
  TORCH_CHECK(
      target.labels.dim() == 1 && target.boxes.dim() == 2 && target.labels.size(0) == target.boxes.size(0),
      "match: target.labels: expected [M] for boxes [M, 4], got ", target.labels.sizes(), " and ",
      target.boxes.sizes());
  TORCH_CHECK(target.labels.scalar_type() == at::kLong, "match: target.labels: expected int64, got ",
              target.labels.scalar_type());
  const auto matches = ops::match_boxes(candidates, target.boxes, target.ignore);
  auto positive = matches.iou >= options.positive_iou;
  if (options.low_quality) positive = positive.logical_or(matches.best_of_truth);
  const auto negative = (matches.iou < options.negative_iou)
                            .logical_and(matches.iou >= options.negative_low)
                            .logical_and(matches.ignored < options.ignore_share);

  auto labels = at::where(negative, at::zeros_like(matches.truth), -at::ones_like(matches.truth));
  if (target.boxes.size(0) > 0) {
    const auto label_of_truth = target.labels.index_select(0, matches.truth);
    labels = at::where(positive, label_of_truth, labels);
  }
  return {labels, matches.truth};
}

}  // namespace rcnn::boxes
