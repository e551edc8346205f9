#include <utility>

#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/nn/registry.h>
#include <rcnn/nn/roi/roi_heads.h>

#include "nn/read_sampling.h"

namespace rcnn::nn {
namespace {

// Boxes thinner than this, in network pixels, are not worth reporting (torchvision's value).
constexpr double kMinDetectionSize = 1e-2;

}  // namespace

void RoiHeadsOptions::read(const config::Node& node) {
  read_sampling(node, matcher, sampler);
  node.read("negative_low", matcher.negative_low, {.min = 0, .max = 1});
  if (matcher.negative_low > 0 && matcher.negative_low >= matcher.negative_iou) {
    throw node.error("negative_low", "must be below negative_iou: nothing would be background");
  }
  suppression = SuppressionOptions::from(node);
}

RoiHeadsImpl::RoiHeadsImpl(std::shared_ptr<RoiPoolerImpl> pooler, BoxBranch branch,
                           const RoiHeadsOptions& options)
    : options_(options),
      pooler_(register_module("box_roi_pool", std::move(pooler))),
      branch_(std::move(branch)) {
  for (const auto& part : branch_->named_children()) register_module(part.key(), part.value());
}

std::vector<Loss> RoiHeadsImpl::losses(const std::vector<at::Tensor>& maps,
                                       const std::vector<at::Tensor>& proposals,
                                       const std::vector<Target>& targets) {
  const auto rois = sample_rois(proposals, targets, options_.matcher, options_.sampler);
  return branch_->losses(branch_->forward(pooler_->forward(maps, rois.unpadded(rois.boxes))), rois);
}

std::vector<Detections> RoiHeadsImpl::detect(const std::vector<at::Tensor>& maps,
                                             const std::vector<at::Tensor>& proposals,
                                             const std::vector<ImageSize>& sizes) {
  const auto prediction = branch_->forward(pooler_->forward(maps, proposals));
  const auto [probabilities, boxes] = branch_->decode(prediction, at::cat(proposals));
  std::vector<Detections> detections;
  int64_t first = 0;
  for (size_t image = 0; image < proposals.size(); ++image) {
    const auto count = proposals[image].size(0);
    detections.push_back(
        select(probabilities.narrow(0, first, count), boxes.narrow(0, first, count), sizes[image]));
    first += count;
  }
  return detections;
}

Detections RoiHeadsImpl::select(const at::Tensor& scores, const at::Tensor& boxes, ImageSize size) const {
  const auto num_classes = scores.size(1) - 1;
  const auto above = (scores.narrow(1, 1, num_classes) > options_.suppression.score_threshold).nonzero();
  const auto roi = above.select(1, 0), label = above.select(1, 1) + 1;
  const auto box_of = branch_->options().class_agnostic ? at::zeros_like(label) : label;
  const auto candidates = boxes::clip(boxes.index({roi, box_of}), size);
  const auto keep = boxes::large_enough(candidates, kMinDetectionSize).nonzero().squeeze(1);
  return suppress({candidates.index_select(0, keep), scores.index({roi, label}).index_select(0, keep),
                   label.index_select(0, keep)},
                  options_.suppression);
}

RoiHeads make_roi_heads(const config::Node& node, const std::vector<FeatureSpec>& features,
                        int64_t num_classes) {
  auto pooler = poolers().make(node.child("pooler"), features);
  RoiHeadsOptions options;
  BoxBranchOptions branch_options;
  options.read(node);
  branch_options.read(node);
  const auto head = node.child("head");
  node.finish();
  BoxBranch branch(box_heads().make(head, pooler->grids()), num_classes, branch_options);
  return RoiHeads(std::move(pooler), std::move(branch), options);
}

}  // namespace rcnn::nn
