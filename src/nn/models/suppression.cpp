#include <torch/torch.h>

#include <rcnn/nn/models/suppression.h>
#include <rcnn/ops/nms.h>
#include <rcnn/ops/soft_nms.h>

namespace rcnn::nn {
namespace {

Detections chosen(const Detections& all, const at::Tensor& indices) {
  return {all.boxes.index_select(0, indices), all.scores.index_select(0, indices),
          all.labels.index_select(0, indices)};
}

/// What is kept of candidates, all above the threshold, best first.
Detections kept_of(const Detections& all, const SuppressionOptions& options, int64_t max_kept) {
  using Decay = ops::SoftNmsOptions::Decay;
  if (options.method == SuppressionOptions::Method::hard) {
    return chosen(all, ops::batched_nms(all.boxes, all.scores, all.labels, options.nms_threshold, max_kept));
  }
  const bool linear = options.method == SuppressionOptions::Method::soft_linear;
  const auto kept = ops::soft_nms(all.boxes, all.scores, all.labels,
                                  {.decay = linear ? Decay::linear : Decay::gaussian,
                                   .iou_threshold = options.nms_threshold,
                                   .sigma = options.soft_nms_sigma,
                                   .min_score = options.score_threshold,
                                   .max_kept = max_kept});
  auto best = chosen(all, kept.indices);
  best.scores = kept.scores;
  return best;
}

}  // namespace

SuppressionOptions SuppressionOptions::from(const config::Node& node) {
  SuppressionOptions options;
  node.read("score_threshold", options.score_threshold, {.min = 0, .max = 1});
  node.read("nms", options.method,
            {{"hard", Method::hard},
             {"soft_linear", Method::soft_linear},
             {"soft_gaussian", Method::soft_gaussian}});
  node.read("nms_threshold", options.nms_threshold, {.min = 0, .max = 1});
  node.read("soft_nms_sigma", options.soft_nms_sigma, {.min = 1e-3});
  node.read("max_detections", options.max_detections, {.min = 1});
  if (node.has("box_voting")) {
    const auto voting = node.child("box_voting");
    options.voting.emplace().read(voting);
    voting.finish();
  }
  return options;
}

Detections suppress(const Detections& candidates, const SuppressionOptions& options) {
  const auto count = candidates.boxes.size(0);
  for (const auto& [name, values] : {std::pair("scores", candidates.scores), {"labels", candidates.labels}}) {
    TORCH_CHECK(values.dim() == 1 && values.size(0) == count, "suppress: ", name, ": expected [", count,
                "] for boxes ", candidates.boxes.sizes(), ", got ", values.sizes());
  }
  const auto above = (candidates.scores > options.score_threshold).nonzero().squeeze(1);
  const auto all = chosen(candidates, above);
  if (!options.voting) return kept_of(all, options, options.max_detections);
  // Scores that voting changes decide anew which are the best.
  const bool same_order = options.voting->scores == BoxVotingOptions::Scores::id;
  const auto voted =
      vote_boxes(kept_of(all, options, same_order ? options.max_detections : -1), all, *options.voting);
  if (same_order) return voted;
  const auto order = voted.scores.argsort(/*stable=*/true, /*dim=*/0, /*descending=*/true);
  return chosen(voted, order.slice(0, 0, options.max_detections));
}

}  // namespace rcnn::nn
