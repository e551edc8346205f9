#include <algorithm>
#include <limits>

#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/nn/rpn/proposals.h>
#include <rcnn/ops/nms.h>

namespace rcnn::nn {
namespace {

/// The best of every level: [B, N, 4], [B, N] and [B, N], N the same for all images.
struct Candidates {
  at::Tensor boxes, scores, levels;
};

Candidates best_anchors(const RpnPrediction& prediction, const std::vector<at::Tensor>& anchors,
                        const boxes::BoxCoder& coder, int64_t pre_nms) {
  std::vector<at::Tensor> references, deltas, scores, levels;
  for (size_t level = 0; level < anchors.size(); ++level) {
    const auto objectness = prediction.objectness[level].to(at::kFloat);
    const auto [best, indices] = objectness.topk(std::min(pre_nms, objectness.size(1)), /*dim=*/1);
    const auto rows = indices.unsqueeze(2).expand({-1, -1, 4});
    references.push_back(anchors[level].unsqueeze(0).expand({indices.size(0), -1, -1}).gather(1, rows));
    deltas.push_back(prediction.deltas[level].gather(1, rows).to(at::kFloat));
    // torchvision ranks the levels' boxes by probability: where that rounds to 1, finer levels go first.
    scores.push_back(best.sigmoid());
    levels.push_back(at::full_like(indices, static_cast<int64_t>(level)));
  }
  return {coder.decode(at::cat(references, 1), at::cat(deltas, 1)), at::cat(scores, 1), at::cat(levels, 1)};
}

}  // namespace

Proposals propose(const RpnPrediction& prediction, const std::vector<at::Tensor>& anchors,
                  const std::vector<ImageSize>& sizes, const boxes::BoxCoder& coder,
                  const ProposalOptions& options) {
  const torch::NoGradGuard no_grad;
  TORCH_CHECK(prediction.objectness.size() == anchors.size() && prediction.deltas.size() == anchors.size(),
              "propose: prediction: expected the ", anchors.size(), " levels of the anchors, got ",
              prediction.objectness.size(), " and ", prediction.deltas.size());
  const auto [decoded, probabilities, levels] = best_anchors(prediction, anchors, coder, options.pre_nms);
  const auto boxes = boxes::clip(decoded, sizes);
  const auto scores = probabilities.masked_fill(boxes::large_enough(boxes, options.min_size).logical_not(),
                                                -std::numeric_limits<double>::infinity());
  const auto best = ops::padded_nms(boxes, scores, levels, options.nms_threshold,
                                    std::min(options.post_nms, boxes.size(1)));
  const auto rows = best.indices.clamp_min(0);
  const auto best_boxes = boxes.gather(1, rows.unsqueeze(2).expand({-1, -1, 4}));
  const auto best_scores = scores.gather(1, rows);
  const auto counts = best.counts.cpu();  // the one time that the host waits for the device
  Proposals proposals;
  for (int64_t image = 0; image < counts.size(0); ++image) {
    const auto count = counts[image].item<int64_t>();
    proposals.boxes.push_back(best_boxes[image].narrow(0, 0, count));
    proposals.scores.push_back(best_scores[image].narrow(0, 0, count));
  }
  return proposals;
}

}  // namespace rcnn::nn
