#include <algorithm>

#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/nn/rpn/proposals.h>
#include <rcnn/ops/nms.h>

namespace rcnn::nn {
namespace {

void propose_one(const RpnPrediction& prediction, const std::vector<at::Tensor>& anchors, int64_t image,
                 ImageSize size, const boxes::BoxCoder& coder, const ProposalOptions& options,
                 Proposals& proposals) {
  std::vector<at::Tensor> level_boxes, level_scores, level_numbers;
  for (size_t level = 0; level < anchors.size(); ++level) {
    const auto objectness = prediction.objectness[level].select(0, image).to(at::kFloat);
    const auto [scores, indices] = objectness.topk(std::min(options.pre_nms, objectness.size(0)));
    const auto deltas = prediction.deltas[level].select(0, image).index_select(0, indices).to(at::kFloat);
    level_boxes.push_back(boxes::clip(coder.decode(anchors[level].index_select(0, indices), deltas), size));
    // torchvision ranks the levels' boxes by probability: where that rounds to 1, finer levels go first.
    level_scores.push_back(scores.sigmoid());
    level_numbers.push_back(at::full_like(indices, static_cast<int64_t>(level)));
  }
  const auto boxes = at::cat(level_boxes);
  const auto keep = boxes::large_enough(boxes, options.min_size).nonzero().squeeze(1);
  const auto candidates = boxes.index_select(0, keep);
  const auto scores = at::cat(level_scores).index_select(0, keep);
  const auto best = ops::batched_nms(candidates, scores, at::cat(level_numbers).index_select(0, keep),
                                     options.nms_threshold, options.post_nms);
  proposals.boxes.push_back(candidates.index_select(0, best));
  proposals.scores.push_back(scores.index_select(0, best));
}

}  // namespace

Proposals propose(const RpnPrediction& prediction, const std::vector<at::Tensor>& anchors,
                  const std::vector<ImageSize>& sizes, const boxes::BoxCoder& coder,
                  const ProposalOptions& options) {
  const torch::NoGradGuard no_grad;
  Proposals proposals;
  for (size_t image = 0; image < sizes.size(); ++image) {
    propose_one(prediction, anchors, static_cast<int64_t>(image), sizes[image], coder, options, proposals);
  }
  return proposals;
}

}  // namespace rcnn::nn
