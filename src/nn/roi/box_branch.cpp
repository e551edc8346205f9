#include <algorithm>
#include <utility>

#include <torch/torch.h>

#include <rcnn/losses/multi_task.h>
#include <rcnn/nn/roi/box_branch.h>

namespace rcnn::nn {

void BoxBranchOptions::read(const config::Node& node) {
  std::vector<double> weights(coder.weights.begin(), coder.weights.end());
  node.read("box_weights", weights, {.min = 1e-3});
  if (weights.size() != coder.weights.size()) throw node.error("box_weights", "must be four numbers");
  std::copy(weights.begin(), weights.end(), coder.weights.begin());
  node.read("class_agnostic", class_agnostic);
  node.read("beta", beta, {.min = 0});
}

BoxBranchImpl::BoxBranchImpl(std::shared_ptr<BoxHeadImpl> head, int64_t num_classes,
                             const BoxBranchOptions& options)
    : options_(options),
      coder_(options.coder),
      head_(register_module("box_head", std::move(head))),
      predictor_(register_module("box_predictor",
                                 BoxPredictor(head_->channels(), num_classes, options.class_agnostic))) {}

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
  return {labels, positives, deltas, at::cat(targets)};
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
  return {prediction.scores.to(at::kFloat).softmax(1),
          coder_.decode(rois.unsqueeze(1), prediction.deltas.to(at::kFloat))};
}

}  // namespace rcnn::nn
