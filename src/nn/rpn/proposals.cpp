#include <algorithm>
#include <limits>

#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/nn/rpn/proposals.h>
#include <rcnn/ops/nms.h>

namespace rcnn::nn {
namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();  // the score of what is left out

/// The best of every level: [B, N, 4], and [B, N] each, N the same for all images.
struct Candidates {
  at::Tensor boxes, scores, levels;
  at::Tensor anchors;  ///< undefined where they are not wanted
};

/// bool [B, N] of boxes [B, N, 4]: both sides are at least `min_size`.
at::Tensor large_enough(const at::Tensor& boxes, double min_size, const std::vector<Frame>& frames) {
  if (frames.empty()) return boxes::large_enough(boxes, min_size);
  std::vector<at::Tensor> large;
  for (size_t image = 0; image < frames.size(); ++image) {
    const auto corners = boxes[static_cast<int64_t>(image)].unbind(-1);
    large.push_back((corners[2] - corners[0] >= min_size * frames[image].pixel_width())
                        .logical_and(corners[3] - corners[1] >= min_size * frames[image].pixel_height()));
  }
  return at::stack(large);
}

/// Of all anchors' boxes those that are large enough, in py-faster-rcnn's order (proposal_layer.py); clipped.
Candidates best_boxes(const RpnPrediction& prediction, const std::vector<at::Tensor>& anchors,
                      const std::vector<ImageSize>& sizes, const boxes::BoxCoder& coder,
                      const ProposalOptions& options, const std::vector<Frame>& frames, bool with_anchors) {
  std::vector<at::Tensor> boxes, scores, levels, numbers;
  int64_t first = 0;
  for (size_t level = 0; level < anchors.size(); ++level) {
    const auto all =
        boxes::clip(coder.decode(anchors[level].unsqueeze(0), prediction.deltas[level].to(at::kFloat)), sizes,
                    coder.convention());
    const auto small = large_enough(all, options.min_size, frames).logical_not();
    const auto objectness = prediction.objectness[level].to(at::kFloat).masked_fill(small, kNone);
    const auto [best, indices] = objectness.topk(std::min(options.pre_nms, objectness.size(1)), /*dim=*/1);
    boxes.push_back(all.gather(1, indices.unsqueeze(2).expand({-1, -1, 4})));
    scores.push_back(best.sigmoid().masked_fill(best == kNone, kNone));
    levels.push_back(at::full_like(indices, static_cast<int64_t>(level)));
    if (with_anchors) numbers.push_back(indices + first);
    first += objectness.size(1);
  }
  return {at::cat(boxes, 1), at::cat(scores, 1), at::cat(levels, 1),
          with_anchors ? at::cat(numbers, 1) : at::Tensor()};
}

Candidates best_anchors(const RpnPrediction& prediction, const std::vector<at::Tensor>& anchors,
                        const boxes::BoxCoder& coder, int64_t pre_nms, bool with_anchors) {
  std::vector<at::Tensor> references, deltas, scores, levels, numbers;
  int64_t first = 0;
  for (size_t level = 0; level < anchors.size(); ++level) {
    const auto objectness = prediction.objectness[level].to(at::kFloat);
    const auto [best, indices] = objectness.topk(std::min(pre_nms, objectness.size(1)), /*dim=*/1);
    const auto rows = indices.unsqueeze(2).expand({-1, -1, 4});
    references.push_back(anchors[level].unsqueeze(0).expand({indices.size(0), -1, -1}).gather(1, rows));
    deltas.push_back(prediction.deltas[level].gather(1, rows).to(at::kFloat));
    // torchvision ranks the levels' boxes by probability: where that rounds to 1, finer levels go first.
    scores.push_back(best.sigmoid());
    levels.push_back(at::full_like(indices, static_cast<int64_t>(level)));
    if (with_anchors) numbers.push_back(indices + first);
    first += objectness.size(1);
  }
  return {coder.decode(at::cat(references, 1), at::cat(deltas, 1)), at::cat(scores, 1), at::cat(levels, 1),
          with_anchors ? at::cat(numbers, 1) : at::Tensor()};
}

}  // namespace

std::vector<Detections> to_detections(const Proposals& proposals) {
  std::vector<Detections> result;
  for (size_t i = 0; i < proposals.boxes.size(); ++i) {
    const auto& boxes = proposals.boxes[i];
    const auto labels = at::ones({boxes.size(0)}, boxes.options().dtype(at::kLong));
    result.push_back({.boxes = boxes, .scores = proposals.scores[i], .labels = labels});
  }
  return result;
}

Proposals propose(const RpnPrediction& prediction, const std::vector<at::Tensor>& anchors,
                  const std::vector<ImageSize>& sizes, const boxes::BoxCoder& coder,
                  const ProposalOptions& options, const std::vector<Frame>& frames, bool with_anchors) {
  const torch::NoGradGuard no_grad;
  TORCH_CHECK(prediction.objectness.size() == anchors.size() && prediction.deltas.size() == anchors.size(),
              "propose: prediction: expected the ", anchors.size(), " levels of the anchors, got ",
              prediction.objectness.size(), " and ", prediction.deltas.size());
  Candidates candidates;
  if (coder.convention() == boxes::Convention::pixels) {
    candidates = best_boxes(prediction, anchors, sizes, coder, options, frames, with_anchors);
  } else {
    candidates = best_anchors(prediction, anchors, coder, options.pre_nms, with_anchors);
    candidates.boxes = boxes::clip(candidates.boxes, sizes);
    candidates.scores = candidates.scores.masked_fill(
        large_enough(candidates.boxes, options.min_size, frames).logical_not(), kNone);
  }
  const auto& [boxes, scores, levels, numbers] = candidates;
  const auto best = ops::padded_nms(boxes, scores, levels, options.nms_threshold,
                                    std::min(options.post_nms, boxes.size(1)));
  const auto rows = best.indices.clamp_min(0);
  const auto best_boxes = boxes.gather(1, rows.unsqueeze(2).expand({-1, -1, 4}));
  const auto best_scores = scores.gather(1, rows);
  const auto best_numbers = with_anchors ? numbers.gather(1, rows) : at::Tensor();
  const auto counts = best.counts.cpu();  // the one time that the host waits for the device
  Proposals proposals;
  for (int64_t image = 0; image < counts.size(0); ++image) {
    const auto count = counts[image].item<int64_t>();
    proposals.boxes.push_back(best_boxes[image].narrow(0, 0, count));
    proposals.scores.push_back(best_scores[image].narrow(0, 0, count));
    if (with_anchors) proposals.anchors.push_back(best_numbers[image].narrow(0, 0, count));
  }
  return proposals;
}

}  // namespace rcnn::nn
