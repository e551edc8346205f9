#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/losses/multi_task.h>
#include <rcnn/nn/rpn/rpn.h>

#include "nn/read_sampling.h"

namespace rcnn::nn {
namespace {

void read_counts(const config::Node& node, ProposalOptions& options) {
  node.read("pre_nms", options.pre_nms, {.min = 1});
  node.read("post_nms", options.post_nms, {.min = 1});
  node.finish();
}

std::vector<int64_t> strides(const std::vector<FeatureSpec>& features) {
  std::vector<int64_t> result;
  for (const auto& feature : features) result.push_back(feature.stride);
  return result;
}

}  // namespace

RpnOptions RpnOptions::from(const config::Node& node) {
  RpnOptions options;
  const auto anchors = node.child("anchors");
  anchors.read("sizes", options.anchors.sizes, {.min = 1});
  anchors.read("ratios", options.anchors.ratios, {.min = 0.01, .max = 100});
  anchors.read("rounded", options.anchors.rounded);
  anchors.read(
      "spacing", options.anchors.spacing,
      {{"fitted", boxes::AnchorOptions::Spacing::fitted}, {"stride", boxes::AnchorOptions::Spacing::stride}});
  anchors.finish();
  node.read("convs", options.convs, {.min = 1});
  read_sampling(node, options.matcher, options.sampler);
  node.read("cross_boundary", options.cross_boundary,
            {{"keep", CrossBoundary::keep}, {"drop", CrossBoundary::drop}});
  node.read("beta", options.beta, {.min = 0});
  node.read("nms_threshold", options.train.nms_threshold, {.min = 0, .max = 1});
  node.read("min_size", options.train.min_size, {.min = 0});
  options.test.nms_threshold = options.train.nms_threshold;
  options.test.min_size = options.train.min_size;
  read_counts(node.child("train"), options.train);
  read_counts(node.child("test"), options.test);
  if (options.anchors.sizes.empty()) throw node.error("anchors", "sizes must not be empty");
  if (options.anchors.ratios.empty()) throw node.error("anchors", "ratios must not be empty");
  node.finish();
  return options;
}

void check_anchors(const config::Node& model, const boxes::AnchorOptions& anchors,
                   const std::vector<FeatureSpec>& levels) {
  if (levels.size() > 1 && anchors.sizes.size() != levels.size()) {
    throw model.error(
        "rpn",
        fmt::format("anchors.sizes needs one size for each of the {} levels of the pyramid", levels.size()));
  }
}

RpnImpl::RpnImpl(const std::vector<FeatureSpec>& features, const RpnOptions& options)
    : options_(options),
      generator_(std::make_unique<boxes::AnchorGenerator>(options.anchors, strides(features))) {
  head_ = register_module("head",
                          RpnHead(features.front().channels, generator_->anchors_per_cell(), options.convs));
}

RpnImpl::Output RpnImpl::forward(const std::vector<at::Tensor>& maps, const std::vector<ImageSize>& sizes,
                                 const std::vector<Target>* targets) {
  std::vector<ImageSize> map_sizes;
  for (const auto& map : maps) map_sizes.push_back({map.size(2), map.size(3)});
  const auto anchors = generator_->anchors(map_sizes, maps.front().device());

  Output output;
  {
    const torch::NoGradGuard no_grad;  // proposals are constants, and the loss looks at few anchors
    output.proposals =
        propose(head_->forward(maps), anchors, sizes, coder_, is_training() ? options_.train : options_.test);
  }
  if (targets) output.losses = losses(maps, at::cat(anchors), sizes, *targets);
  return output;
}

boxes::Assignment RpnImpl::assign(const at::Tensor& anchors, ImageSize size, const Target& target) const {
  if (options_.cross_boundary == RpnOptions::CrossBoundary::keep) {
    return boxes::match(anchors, target, options_.matcher);
  }
  const auto inside = boxes::inside(anchors, size).nonzero().squeeze(1);
  const auto assignment = boxes::match(anchors.index_select(0, inside), target, options_.matcher);
  const auto options = inside.options();
  return {at::full({anchors.size(0)}, -1, options).index_copy(0, inside, assignment.labels),
          at::zeros({anchors.size(0)}, options).index_copy(0, inside, assignment.truth)};
}

std::vector<Loss> RpnImpl::losses(const std::vector<at::Tensor>& maps, const at::Tensor& anchors,
                                  const std::vector<ImageSize>& sizes, const std::vector<Target>& targets) {
  std::vector<at::Tensor> sampled, labels, positive, regression_targets;
  int64_t first = 0;
  for (size_t image = 0; image < targets.size(); ++image) {
    const auto& target = targets[image];
    const auto assignment = assign(anchors, sizes[image], target);
    const auto choice = boxes::sample(assignment.labels, options_.sampler);
    const auto chosen = at::cat({choice.positive, choice.negative});
    const auto offset = static_cast<int64_t>(image) * anchors.size(0);
    labels.push_back(assignment.labels.index_select(0, chosen));
    sampled.push_back(chosen + offset);
    positive.push_back(at::arange(first, first + choice.positive.size(0), chosen.options()));
    first += chosen.size(0);
    const auto truth = assignment.truth.index_select(0, choice.positive);
    regression_targets.push_back(
        coder_.encode(anchors.index_select(0, choice.positive), target.boxes.index_select(0, truth)));
  }
  const auto prediction = head_->forward_at(maps, at::cat(sampled));
  const auto [objectness, box] = losses::rpn_loss(prediction.objectness, at::cat(labels),
                                                  prediction.deltas.index_select(0, at::cat(positive)),
                                                  at::cat(regression_targets), options_.beta);
  return {{"loss_objectness", objectness}, {"loss_rpn_box_reg", box}};
}

}  // namespace rcnn::nn
