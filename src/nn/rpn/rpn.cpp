#include <numbers>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/losses/multi_task.h>
#include <rcnn/nn/rpn/rpn.h>

#include "nn/built.h"
#include "nn/read_sampling.h"

namespace rcnn::nn {
namespace {

void read_counts(const config::Node& node, ProposalOptions& options) {
  node.read("pre_nms", options.pre_nms, {.min = 1});
  node.read("post_nms", options.post_nms, {.min = 1});
  node.finish();
}

/// See RpnHeadImpl.
double logit_std(boxes::Convention convention) {
  return convention == boxes::Convention::pixels ? 0.01 * std::numbers::sqrt2 : 0.01;
}

std::vector<int64_t> strides(const std::vector<FeatureSpec>& features) {
  std::vector<int64_t> result;
  for (const auto& feature : features) result.push_back(feature.stride);
  return result;
}

/// bool [A]: whether the cells that anchors lie around are those of an image of `size` alone, padded to a
/// multiple of `divisor`. Cells are a pixel apart at least.
at::Tensor are_around_cells_of(const at::Tensor& anchors, ImageSize size, int64_t divisor) {
  const auto padded = [&](int64_t side) {
    return static_cast<double>((side + divisor - 1) / divisor * divisor) - 0.5;
  };
  const auto corners = anchors.unbind(1);
  return (corners[0] + corners[2] < 2 * padded(size.width))
      .logical_and(corners[1] + corners[3] < 2 * padded(size.height));
}

}  // namespace

RpnOptions RpnOptions::from(const config::Node& node, boxes::Convention convention) {
  RpnOptions options;
  const auto anchors = node.child("anchors");
  options.anchors.convention = convention;
  if (convention == boxes::Convention::pixels) {
    anchors.refuse({"rounded", "spacing"}, "legacy");
    options.anchors.spacing = boxes::AnchorOptions::Spacing::stride;
  }
  anchors.read("sizes", options.anchors.sizes, {.min = 1});
  anchors.read("ratios", options.anchors.ratios, {.min = 0.01, .max = 100});
  anchors.read("rounded", options.anchors.rounded);
  anchors.read(
      "spacing", options.anchors.spacing,
      {{"fitted", boxes::AnchorOptions::Spacing::fitted}, {"stride", boxes::AnchorOptions::Spacing::stride}});
  anchors.finish();
  node.read("convs", options.convs, {.min = 1});
  if (node.has("channels")) node.read("channels", options.channels.emplace(), {.min = 1});
  read_sampling(node, options.matcher, options.sampler);
  node.read("low_quality_iou", options.matcher.low_quality_iou, {.min = 0, .max = 1});
  using LowQuality = boxes::MatcherOptions::LowQualityTarget;
  node.read("low_quality_target", options.matcher.low_quality_target,
            {{"own", LowQuality::own}, {"reached", LowQuality::reached}});
  node.read("cross_boundary", options.cross_boundary,
            {{"keep", CrossBoundary::keep},
             {"drop", CrossBoundary::drop},
             {"drop_padding", CrossBoundary::drop_padding}});
  node.read("beta", options.beta, {.min = 0});
  read_delta_limit(node, options.delta_limit);
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
      coder_({.convention = options.anchors.convention, .limit = options.delta_limit}),
      generator_(std::make_unique<boxes::AnchorGenerator>(options.anchors, strides(features))) {
  head_ = register_module("head",
                          RpnHead(features.front().channels, generator_->anchors_per_cell(), options.convs,
                                  options.channels, logit_std(options.anchors.convention)));
}

RpnImpl::Output RpnImpl::forward(const std::vector<at::Tensor>& maps, const std::vector<ImageSize>& sizes,
                                 const std::vector<Target>* targets, const std::vector<Frame>& frames,
                                 bool with_anchors) {
  RECORD_USER_SCOPE("rcnn::rpn");
  const auto anchors = this->anchors(maps);
  Output output;
  {
    const torch::NoGradGuard no_grad;  // proposals are constants, and the loss looks at few anchors
    output.proposals = propose(head_->forward(maps), anchors, sizes, coder_,
                               is_training() ? options_.train : options_.test, frames, with_anchors);
  }
  if (targets) output.losses = losses(maps, at::cat(anchors), sizes, *targets);
  return output;
}

std::vector<Loss> RpnImpl::losses(const std::vector<at::Tensor>& maps, const std::vector<ImageSize>& sizes,
                                  const std::vector<Target>& targets) {
  return losses(maps, at::cat(anchors(maps)), sizes, targets);
}

std::vector<at::Tensor> RpnImpl::anchors(const std::vector<at::Tensor>& maps) const {
  std::vector<ImageSize> sizes;
  for (const auto& map : maps) sizes.push_back({map.size(2), map.size(3)});
  return generator_->anchors(sizes, maps.front().device());
}

at::Tensor RpnImpl::with_gradient(const at::Tensor& boxes, const at::Tensor& anchors,
                                  const std::vector<at::Tensor>& maps, const std::vector<ImageSize>& sizes,
                                  ProposalGradient gradient, double clip) {
  const auto all = at::cat(this->anchors(maps));
  const auto known = anchors.clamp_min(0);  // some anchor stands for none, and is masked below
  const auto first = at::arange(known.size(0), known.options()) * all.size(0);
  const auto deltas = head_->forward_at(maps, (known + first.unsqueeze(1)).flatten()).deltas;
  if (clip > 0 && deltas.requires_grad()) {
    deltas.register_hook([clip](const at::Tensor& of_deltas) { return of_deltas.clamp(-clip, clip); });
  }
  const auto references = all.index_select(0, known.flatten()).view_as(boxes);
  const auto decoded = coder_.decode(references, deltas.to(at::kFloat).view_as(boxes));
  const auto clipped = boxes::clip(decoded, sizes, coder_.convention());

  auto learns = anchors >= 0;
  if (gradient == ProposalGradient::inside) {
    const auto is_inside = [&](const at::Tensor& some) {
      return (boxes::clip(some, sizes, coder_.convention()) == some).all(2);
    };
    learns = learns.logical_and(is_inside(references)).logical_and(is_inside(decoded));
  }
  // Predicted anew they differ from the proposals by roundings: the zeros take nothing from them but a
  // gradient.
  const auto zeros = clipped - clipped.detach();
  return boxes + zeros.masked_fill(learns.logical_not().unsqueeze(2), 0);
}

boxes::Assignment RpnImpl::assign(const at::Tensor& anchors, ImageSize size, const Target& target) const {
  if (options_.cross_boundary == RpnOptions::CrossBoundary::keep) {
    return boxes::match(anchors, target, options_.matcher);
  }
  const bool of_padding = options_.cross_boundary == RpnOptions::CrossBoundary::drop_padding;
  const auto taking_part = of_padding ? are_around_cells_of(anchors, size, options_.size_divisor)
                                      : boxes::inside(anchors, size, coder_.convention());
  const auto inside = taking_part.nonzero().squeeze(1);
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

Rpn make_rpn(const config::Node& model, const std::vector<FeatureSpec>& levels, int64_t size_divisor) {
  auto options = RpnOptions::from(model.child("rpn"), read_convention(model));
  options.size_divisor = size_divisor;
  check_anchors(model, options.anchors, levels);
  if (options.anchors.spacing == boxes::AnchorOptions::Spacing::fitted &&
      size_divisor % levels.front().stride != 0) {
    throw model.error("size_divisor", fmt::format("must be a multiple of {} for anchors with spacing fitted",
                                                  levels.front().stride));
  }
  return built(model, "rpn", "the width of what it reads (model.backbone, model.neck)",
               [&] { return Rpn(levels, options); });
}

}  // namespace rcnn::nn
