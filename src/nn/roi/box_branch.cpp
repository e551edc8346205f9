#include <algorithm>
#include <utility>

#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/log.h>
#include <rcnn/losses/multi_task.h>
#include <rcnn/nn/roi/box_branch.h>
#include <rcnn/printable.h>

#include "nn/read_sampling.h"

namespace rcnn::nn {
namespace {

/// The classes without statistics of their own, for people: "dog (1), cat (0) and 3 more".
std::string classes_without_statistics(const TargetStatistics& statistics,
                                       const std::vector<std::string>& names) {
  constexpr size_t kShown = 5;
  std::vector<std::string> shown;
  for (const int64_t label : statistics.too_few) {
    if (shown.size() == kShown) break;
    const auto place = static_cast<size_t>(label);
    const auto name = place <= names.size() ? names[place - 1] : fmt::format("label {}", label);
    shown.push_back(printable(fmt::format("{} ({})", name, statistics.counts[place])));
  }
  const auto more = statistics.too_few.size() - shown.size();
  return fmt::format("{}{}", fmt::join(shown, ", "), more > 0 ? fmt::format(" and {} more", more) : "");
}

}  // namespace

void BoxBranchOptions::read(const config::Node& node) {
  std::vector<double> weights(coder.weights.begin(), coder.weights.end());
  node.read("box_weights", weights, {.min = 1e-3});
  if (weights.size() != coder.weights.size()) throw node.error("box_weights", "must be four numbers");
  std::copy(weights.begin(), weights.end(), coder.weights.begin());
  node.read("class_agnostic", class_agnostic);
  node.read("beta", beta, {.min = 0});
  read_delta_limit(node, coder.limit);
  node.read("target_statistics", target_statistics,
            {{"none", TargetStatistics::none}, {"per_class", TargetStatistics::per_class}});
  if (class_agnostic && target_statistics == TargetStatistics::per_class) {
    throw node.error("target_statistics", "per_class needs boxes of each class: class_agnostic false");
  }
}

BoxBranchImpl::BoxBranchImpl(std::shared_ptr<BoxHeadImpl> head, int64_t num_classes,
                             const BoxBranchOptions& options)
    : options_(options),
      coder_(options.coder),
      head_(register_module("box_head", std::move(head))),
      predictor_(register_module("box_predictor", BoxPredictor(head_->channels(), num_classes,
                                                               options.class_agnostic, options.ranks))) {
  if (options.coder.convention == boxes::Convention::pixels) predictor_->initialise_as_published();
}

BoxBranchImpl::Prediction BoxBranchImpl::forward(const std::vector<at::Tensor>& grids) {
  return predictor_->forward(head_->forward(grids));
}

BoxBranchImpl::Compared BoxBranchImpl::compare(const Prediction& prediction, const RoiBatch& rois) const {
  std::vector<at::Tensor> positive, targets;
  int64_t first = 0;
  for (size_t image = 0; image < rois.counts.size(); ++image) {
    const auto count = rois.positives[image];
    const auto positives_of = [&](const at::Tensor& boxes) {
      return boxes[static_cast<int64_t>(image)].narrow(0, 0, count);
    };
    positive.push_back(at::arange(first, first + count, rois.labels.options()));
    targets.push_back(coder_.encode(positives_of(rois.boxes), positives_of(rois.truth_boxes)));
    first += rois.counts[image];
  }
  const auto labels = at::cat(rois.unpadded(rois.labels)), positives = at::cat(positive);
  const auto box_of = options_.class_agnostic ? at::zeros_like(positives) : labels.index_select(0, positives);
  const auto deltas = prediction.deltas.index_select(0, positives)
                          .gather(1, box_of.view({-1, 1, 1}).expand({-1, 1, 4}))
                          .squeeze(1);
  auto wanted = at::cat(targets);
  if (const auto& mean = predictor_->target_mean(); mean.defined()) {
    wanted = (wanted - mean.index_select(0, box_of)) / predictor_->target_std().index_select(0, box_of);
  }
  return {labels, positives, deltas, wanted};
}

std::vector<Loss> BoxBranchImpl::losses(const Prediction& prediction, const RoiBatch& rois) const {
  const auto [labels, positives, deltas, targets] = compare(prediction, rois);
  const auto [classification, box] =
      losses::fast_rcnn_loss(prediction.scores, labels, deltas, targets, options_.beta);
  return {{"loss_classifier", classification}, {"loss_box_reg", box}};
}

at::Tensor BoxBranchImpl::loss_of_each(const Prediction& prediction, const RoiBatch& rois) const {
  const auto [labels, positives, deltas, targets] = compare(prediction, rois);
  const auto each =
      losses::fast_rcnn_loss_of_each(prediction.scores, labels, positives, deltas, targets, options_.beta);
  return at::pad_sequence(each.split_with_sizes(rois.counts), /*batch_first=*/true);
}

BoxBranchImpl::Decoded BoxBranchImpl::decode(const Prediction& prediction, const at::Tensor& rois) const {
  auto deltas = prediction.deltas.to(at::kFloat);
  if (const auto& mean = predictor_->target_mean(); mean.defined()) {
    deltas = deltas * predictor_->target_std() + mean;
  }
  return {prediction.scores.to(at::kFloat).softmax(1), coder_.decode(rois.unsqueeze(1), deltas)};
}

void BoxBranchImpl::begin_training(const TrainingSet& images, const boxes::MatcherOptions& matcher,
                                   std::span<const std::string> plain) {
  if (options_.target_statistics == BoxBranchOptions::TargetStatistics::none) return;
  const auto num_classes = predictor_->num_classes();
  const auto statistics = target_statistics(images, num_classes, matcher, coder_);
  if (!statistics.too_few.empty()) {
    log::warn(fmt::format(
        "box targets: {} of {} classes have too few for a mean and a deviation of their own and "
        "keep those of box_weights: {}",
        statistics.too_few.size(), num_classes, classes_without_statistics(statistics, images.classes)));
  }
  predictor_->normalise_targets(statistics, plain);
}

void BoxBranchImpl::share_statistics(const BoxBranchImpl& other, std::span<const std::string> plain) {
  const auto& of_other = other.predictor_;
  if (!of_other->target_mean().defined()) return;
  predictor_->normalise_targets({.mean = of_other->target_mean(), .std = of_other->target_std()}, plain);
}

}  // namespace rcnn::nn
