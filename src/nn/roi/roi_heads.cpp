#include <algorithm>

#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/nn/roi/roi_heads.h>

namespace rcnn::nn {
namespace {

// Boxes thinner than this, in network pixels, are not worth reporting (torchvision's value).
constexpr double kMinDetectionSize = 1e-2;

}  // namespace

RoiHeadsOptions RoiHeadsOptions::from(const config::Node& node) {
  RoiHeadsOptions options;
  options.pooler = RoiPoolerOptions::from(node.child("pooler"));
  node.read("positive_iou", options.matcher.positive_iou, {.min = 0, .max = 1});
  node.read("negative_iou", options.matcher.negative_iou, {.min = 0, .max = 1});
  node.read("negative_low", options.matcher.negative_low, {.min = 0, .max = 1});
  node.read("ignore_share", options.matcher.ignore_share, {.min = 0, .max = 1});
  node.read("batch_per_image", options.sampler.count, {.min = 1});
  node.read("positive_fraction", options.sampler.positive_fraction, {.min = 0, .max = 1});
  std::vector<double> weights(options.coder.weights.begin(), options.coder.weights.end());
  node.read("box_weights", weights, {.min = 1e-3});
  if (weights.size() != options.coder.weights.size()) throw node.error("box_weights", "must be four numbers");
  std::copy(weights.begin(), weights.end(), options.coder.weights.begin());
  node.read("class_agnostic", options.class_agnostic);
  node.read("beta", options.beta, {.min = 0});
  options.suppression = SuppressionOptions::from(node);
  if (options.matcher.negative_iou > options.matcher.positive_iou) {
    throw node.error("negative_iou", "must not be above positive_iou");
  }
  if (options.matcher.negative_low > 0 && options.matcher.negative_low >= options.matcher.negative_iou) {
    throw node.error("negative_low", "must be below negative_iou: nothing would be background");
  }
  node.has("head");
  node.finish();
  return options;
}

RoiHeadsImpl::RoiHeadsImpl(const std::vector<FeatureSpec>& features, int64_t num_classes,
                           const RoiHeadsOptions& options, const config::Node& head)
    : options_(options), coder_(options.coder), pooler_(features, options.pooler) {
  box_head_ =
      register_module("box_head", make_box_head(head, features.front().channels, options.pooler.size));
  box_predictor_ = register_module("box_predictor",
                                   BoxPredictor(box_head_->channels(), num_classes, options.class_agnostic));
}

losses::MultiTaskLoss RoiHeadsImpl::loss(const std::vector<at::Tensor>& maps,
                                         const std::vector<at::Tensor>& proposals,
                                         const std::vector<Target>& targets) {
  std::vector<at::Tensor> rois, labels, positive, regression_targets;
  int64_t offset = 0;
  for (size_t image = 0; image < targets.size(); ++image) {
    const auto& target = targets[image];
    const auto candidates = at::cat({proposals[image], target.boxes});
    const auto assignment = boxes::match(candidates, target, options_.matcher);
    const auto choice = boxes::sample(assignment.labels, options_.sampler);
    const auto chosen = at::cat({choice.positive, choice.negative});
    rois.push_back(candidates.index_select(0, chosen));
    labels.push_back(assignment.labels.index_select(0, chosen));
    const auto positives = choice.positive.size(0);
    positive.push_back(at::arange(offset, offset + positives, chosen.options()));
    offset += chosen.size(0);
    const auto truth = assignment.truth.index_select(0, choice.positive);
    regression_targets.push_back(
        coder_.encode(rois.back().narrow(0, 0, positives), target.boxes.index_select(0, truth)));
  }

  const auto prediction = box_predictor_->forward(box_head_->forward(pooler_(maps, rois)));
  const auto label = at::cat(labels), positives = at::cat(positive);
  auto deltas = prediction.deltas.index_select(0, positives);
  const auto box_of = options_.class_agnostic ? at::zeros_like(positives) : label.index_select(0, positives);
  deltas = deltas.gather(1, box_of.view({-1, 1, 1}).expand({-1, 1, 4})).squeeze(1);
  return losses::fast_rcnn_loss(prediction.scores, label, deltas, at::cat(regression_targets), options_.beta);
}

std::vector<Detections> RoiHeadsImpl::detect(const std::vector<at::Tensor>& maps,
                                             const std::vector<at::Tensor>& proposals,
                                             const std::vector<ImageSize>& sizes) {
  const auto prediction = box_predictor_->forward(box_head_->forward(pooler_(maps, proposals)));
  const auto probabilities = prediction.scores.to(at::kFloat).softmax(1);
  const auto boxes = coder_.decode(at::cat(proposals).unsqueeze(1), prediction.deltas.to(at::kFloat));
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
  const auto box_of = options_.class_agnostic ? at::zeros_like(label) : label;
  const auto candidates = boxes::clip(boxes.index({roi, box_of}), size);
  const auto keep = boxes::large_enough(candidates, kMinDetectionSize).nonzero().squeeze(1);
  return suppress({candidates.index_select(0, keep), scores.index({roi, label}).index_select(0, keep),
                   label.index_select(0, keep)},
                  options_.suppression);
}

}  // namespace rcnn::nn
