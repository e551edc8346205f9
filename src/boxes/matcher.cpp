#include <torch/torch.h>

#include <rcnn/boxes/matcher.h>
#include <rcnn/ops/match_boxes.h>

namespace rcnn::boxes {
namespace {

/// Candidates that are positive for being the best of a truth, int64 [K] each.
struct BestOfTruth {
  at::Tensor candidates;
  at::Tensor truth;  // whose best they are, the last of several
};

/// IoUs [K, M] of boxes [K, 4] and [M, 4].
at::Tensor overlaps(const at::Tensor& a, const at::Tensor& b) {
  const auto area = [](const at::Tensor& boxes) {
    return (boxes.select(-1, 2) - boxes.select(-1, 0)) * (boxes.select(-1, 3) - boxes.select(-1, 1));
  };
  const auto x = a.unsqueeze(1), y = b.unsqueeze(0);
  const auto sides =
      (at::minimum(x.slice(-1, 2), y.slice(-1, 2)) - at::maximum(x.slice(-1, 0, 2), y.slice(-1, 0, 2)))
          .clamp_min(0);
  const auto shared = sides.select(-1, 0) * sides.select(-1, 1);
  return shared / (area(x) + area(y) - shared);
}

/// Of those that match_boxes() marked, which are few: all that reach some truth's highest IoU.
BestOfTruth best_of_truth(const at::Tensor& marked, const at::Tensor& candidates, const at::Tensor& truths,
                          double least_iou) {
  const auto rows = marked.nonzero().squeeze(1);
  if (rows.size(0) == 0) return {rows, rows};
  const auto table = overlaps(candidates.index_select(0, rows), truths);
  const auto highest = table.amax(0, /*keepdim=*/true);
  const auto reached = (table == highest).logical_and(highest > 0).logical_and(highest >= least_iou);
  const auto last = (reached * at::arange(1, truths.size(0) + 1, rows.options())).amax(1) - 1;
  const auto kept = (last >= 0).nonzero().squeeze(1);
  return {rows.index_select(0, kept), last.index_select(0, kept)};
}

}  // namespace

Assignment match(const at::Tensor& candidates, const Target& target, const MatcherOptions& options) {
  TORCH_CHECK(
      target.labels.dim() == 1 && target.boxes.dim() == 2 && target.labels.size(0) == target.boxes.size(0),
      "match: target.labels: expected [M] for boxes [M, 4], got ", target.labels.sizes(), " and ",
      target.boxes.sizes());
  TORCH_CHECK(target.labels.scalar_type() == at::kLong, "match: target.labels: expected int64, got ",
              target.labels.scalar_type());
  const auto matches = ops::match_boxes(candidates, target.boxes, target.ignore);
  auto positive = matches.iou >= options.positive_iou;
  auto truth = matches.truth;
  const bool reached = options.low_quality_target == MatcherOptions::LowQualityTarget::reached;
  if (options.low_quality && (reached || options.low_quality_iou > 0)) {
    const auto best = best_of_truth(matches.best_of_truth, candidates, target.boxes, options.low_quality_iou);
    positive = positive.index_fill(0, best.candidates, true);
    if (reached) truth = truth.index_copy(0, best.candidates, best.truth);
  } else if (options.low_quality) {
    positive = positive.logical_or(matches.best_of_truth);
  }
  const auto negative = (matches.iou < options.negative_iou)
                            .logical_and(matches.iou >= options.negative_low)
                            .logical_and(matches.ignored < options.ignore_share);

  auto labels = at::where(negative, at::zeros_like(matches.truth), -at::ones_like(matches.truth));
  if (target.boxes.size(0) > 0) {
    const auto label_of_truth = target.labels.index_select(0, truth);
    labels = at::where(positive, label_of_truth, labels);
  }
  return {labels, truth};
}

}  // namespace rcnn::boxes
