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
  return options;
}

Detections suppress(const Detections& candidates, const SuppressionOptions& options) {
  using Decay = ops::SoftNmsOptions::Decay;
  const auto count = candidates.boxes.size(0);
  for (const auto& [name, values] : {std::pair("scores", candidates.scores), {"labels", candidates.labels}}) {
    TORCH_CHECK(values.dim() == 1 && values.size(0) == count, "suppress: ", name, ": expected [", count,
                "] for boxes ", candidates.boxes.sizes(), ", got ", values.sizes());
  }
  const auto above = (candidates.scores > options.score_threshold).nonzero().squeeze(1);
  const auto all = chosen(candidates, above);
  if (options.method == SuppressionOptions::Method::hard) {
    return chosen(all, ops::batched_nms(all.boxes, all.scores, all.labels, options.nms_threshold,
                                        options.max_detections));
  }
  const bool linear = options.method == SuppressionOptions::Method::soft_linear;
  const auto kept = ops::soft_nms(all.boxes, all.scores, all.labels,
                                  {.decay = linear ? Decay::linear : Decay::gaussian,
                                   .iou_threshold = options.nms_threshold,
                                   .sigma = options.soft_nms_sigma,
                                   .min_score = options.score_threshold,
                                   .max_kept = options.max_detections});
  auto best = chosen(all, kept.indices);
  best.scores = kept.scores;
  return best;
}

}  // namespace rcnn::nn
