#include <algorithm>
#include <vector>

#include <torch/torch.h>

#include <rcnn/nn/models/box_voting.h>

namespace rcnn::nn {
namespace {

using Scores = BoxVotingOptions::Scores;

// Of the matrices of boxes and candidates that are there at a time: 32 MB each.
constexpr int64_t kMostPairs = 4'000'000;

/// [K, N] of boxes [K, 4] and [N, 4]; 0 where neither has area.
at::Tensor iou_of_pairs(const at::Tensor& a, const at::Tensor& b) {
  const auto corner = [](const at::Tensor& boxes, int64_t first) { return boxes.slice(1, first, first + 2); };
  const auto area = [&](const at::Tensor& boxes) {
    return (corner(boxes, 2) - corner(boxes, 0)).clamp_min(0).prod(1);
  };
  const auto common = (at::minimum(corner(a, 2).unsqueeze(1), corner(b, 2)) -
                       at::maximum(corner(a, 0).unsqueeze(1), corner(b, 0)))
                          .clamp_min(0)
                          .prod(2);
  return (common / (area(a).unsqueeze(1) + area(b) - common)).nan_to_num(0);
}

/// [K, N] -> [K]: sums over voters, divided by those of their weights.
at::Tensor mean(const at::Tensor& values, const at::Tensor& weights) {
  return (values * weights).sum(1) / weights.sum(1);
}

/// Of float64 scores [N], the voters among them [K, N] (0 or 1) and IoUs [K, N].
at::Tensor voted_scores(const at::Tensor& scores, const at::Tensor& votes, const at::Tensor& iou,
                        const BoxVotingOptions& options) {
  switch (options.scores) {
    case Scores::id:
      break;
    case Scores::avg:
      return mean(scores, votes);
    case Scores::iou_avg:
      return mean(scores, votes * iou);
    case Scores::temp_avg:
      return mean(scores.logit().div(options.beta).sigmoid(), votes);
    case Scores::generalized_avg:
      return mean(scores.pow(options.beta), votes).pow(1 / options.beta);
    case Scores::quasi_sum:
      return (scores * votes).sum(1) / votes.sum(1).pow(options.beta);
  }
  TORCH_CHECK(false, "vote_boxes: scores: no rule changes them");
}

Detections vote(const Detections& kept, const Detections& candidates, const BoxVotingOptions& options) {
  // What is no number votes for nothing, but 0 times it is no number either.
  const auto boxes = candidates.boxes.to(at::kDouble).nan_to_num(0, 0, 0);
  const auto scores = candidates.scores.to(at::kDouble);
  const auto iou = iou_of_pairs(kept.boxes.to(at::kDouble), boxes);
  const auto votes =
      (iou >= options.iou).logical_and(kept.labels.unsqueeze(1) == candidates.labels).to(at::kDouble);
  const auto weights = votes * scores;
  const auto total = weights.sum(1, /*keepdim=*/true);
  const auto moved = (weights.matmul(boxes) / total).to(kept.boxes.scalar_type());
  Detections result{at::where(total > 0, moved, kept.boxes), kept.scores, kept.labels};
  if (options.scores != Scores::id) {
    const auto changed = voted_scores(scores, votes, iou, options).to(kept.scores.scalar_type());
    result.scores = at::where(total.squeeze(1) > 0, changed, kept.scores);
  }
  return result;
}

}  // namespace

void BoxVotingOptions::read(const config::Node& node) {
  node.read("iou", iou, {.min = 0.01, .max = 1});
  node.read("scores", scores,
            {{"id", Scores::id},
             {"avg", Scores::avg},
             {"iou_avg", Scores::iou_avg},
             {"temp_avg", Scores::temp_avg},
             {"generalized_avg", Scores::generalized_avg},
             {"quasi_sum", Scores::quasi_sum}});
  node.read("beta", beta, {.min = 1e-3});
}

Detections vote_boxes(const Detections& kept, const Detections& candidates, const BoxVotingOptions& options) {
  const auto rows = std::max<int64_t>(kMostPairs / std::max<int64_t>(candidates.scores.size(0), 1), 1);
  if (kept.scores.size(0) <= rows) return vote(kept, candidates, options);
  std::vector<at::Tensor> boxes, scores;
  for (int64_t first = 0; first < kept.scores.size(0); first += rows) {
    const auto some = [&](const at::Tensor& all) { return all.slice(0, first, first + rows); };
    const auto voted = vote({some(kept.boxes), some(kept.scores), some(kept.labels)}, candidates, options);
    boxes.push_back(voted.boxes);
    scores.push_back(voted.scores);
  }
  return {at::cat(boxes), at::cat(scores), kept.labels};
}

}  // namespace rcnn::nn
