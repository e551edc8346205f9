#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/nn/necks/rfp.h>

#include "nn/layers/constant_conv.h"
#include "nn/weights/name_parts.h"

namespace rcnn::nn {
namespace {

/// ASPP's branches: the last is of the image's mean.
constexpr int64_t kDilations[] = {1, 3, 6, 1};

ConvNorm aspp_branch(int64_t channels, int64_t dilation) {
  const int64_t kernel = dilation > 1 ? 3 : 1;
  torch::nn::Conv2d conv(torch::nn::Conv2dOptions(channels, channels / std::ssize(kDilations), kernel)
                             .padding(kernel / 2 * dilation)
                             .dilation(dilation));
  torch::nn::init::kaiming_normal_(conv->weight, 0, torch::kFanOut, torch::kReLU);
  torch::nn::init::zeros_(conv->bias);
  return {conv, {.type = Norm::none}};
}

}  // namespace

RfpImpl::RfpImpl(const NeckInputs& inputs, const RfpOptions& options)
    : FpnImpl(inputs.features, options.fpn), options_(options) {
  const auto channels = options.fpn.channels;
  TORCH_CHECK(options.steps > 1 && channels % std::ssize(kDilations) == 0,
              "Rfp: options: expected 2 steps at least and channels that are a multiple of ",
              std::ssize(kDilations), ", got ", options.steps, " and ", channels);
  TORCH_CHECK(inputs.body && (options.shared || inputs.another_body),
              "Rfp: inputs: expected a body and, unless it is shared, another_body");
  joined_ = inputs.body->feedback_levels();
  if (options.shared) {
    inputs.body->take_feedback(channels);
  } else {
    const auto modules = register_module("rfp_modules", std::make_shared<torch::nn::Module>());
    for (int64_t step = 1; step < options.steps; ++step) {
      bodies_.push_back(modules->register_module(std::to_string(step - 1), inputs.another_body()));
      bodies_.back()->take_feedback(channels);
    }
  }
  const auto aspp = register_module("rfp_aspp", std::make_shared<torch::nn::Module>())
                        ->register_module("aspp", std::make_shared<torch::nn::Module>());
  for (const int64_t dilation : kDilations) {
    aspp_.push_back(aspp_branch(channels, dilation));
    aspp->register_module(std::to_string(aspp_.size() - 1), aspp_.back().conv());
  }
  gate_.emplace(register_module("rfp_weight", constant_conv({channels, 1, 1})),
                NormOptions{.type = Norm::none});
}

at::Tensor RfpImpl::aspp(const at::Tensor& x) {
  std::vector<at::Tensor> branches;
  for (size_t i = 0; i + 1 < aspp_.size(); ++i) branches.push_back(aspp_[i].relu(x));
  branches.push_back(aspp_.back().relu(at::adaptive_avg_pool2d(x, {1, 1})).expand_as(branches.front()));
  return at::cat(branches, 1);
}

Features RfpImpl::extract(const at::Tensor& images, BackboneImpl& body) {
  auto maps = forward(body.forward(images));
  for (int64_t step = 1; step < options_.steps; ++step) {
    std::vector<at::Tensor> feedback(maps.size() - static_cast<size_t>(options_.fpn.extra.count));
    for (const size_t level : joined_) feedback[level] = aspp(maps[level]);
    auto& again = options_.shared ? body : *bodies_[static_cast<size_t>(step) - 1];
    const auto fresh = forward(again.forward_with(images, feedback));
    for (size_t i = 0; i < maps.size(); ++i) {
      maps[i] = at::lerp(maps[i], fresh[i], (*gate_)(fresh[i]).sigmoid());
    }
  }
  return {.maps = std::move(maps)};
}

void RfpImpl::fuse(Precision precision) {
  FpnImpl::fuse(precision);
  for (auto& branch : aspp_) branch.fuse(precision);
  gate_->fuse(precision);
}

void RfpImpl::derive(const std::string& prefix, TensorMap& tensors) const {
  // "backbone.rfp." stands beside "backbone.body.".
  const auto parent = prefix.substr(0, prefix.rfind('.', prefix.size() - 2) + 1) + "body.";
  TensorMap of_first;
  for (auto entry = tensors.lower_bound(parent); entry != tensors.end() && entry->first.starts_with(parent);
       ++entry) {
    of_first.insert(*entry);
  }
  for (size_t i = 0; i < bodies_.size(); ++i) {
    const auto its = fmt::format("{}rfp_modules.{}.", prefix, i);
    if (has_prefix(tensors, its)) continue;
    for (const auto& [name, tensor] : of_first) tensors.emplace(its + name.substr(parent.size()), tensor);
  }
  if (of_first.empty()) return;
  for (const auto& item : named_parameters()) {
    const auto& name = item.key();
    if (name.find(".rfp_conv.") == std::string::npos && !name.starts_with("rfp_weight.")) continue;
    tensors.emplace(prefix + name, at::zeros_like(item.value()));
  }
}

std::shared_ptr<NeckImpl> make_rfp(const config::Node& node, const NeckInputs& inputs) {
  RfpOptions options;
  node.read("steps", options.steps, {.min = 2, .max = 8});
  node.read("shared", options.shared);
  options.fpn.read(node, inputs.features.size());
  if (options.fpn.channels % std::ssize(kDilations) != 0) {
    throw node.error("channels", fmt::format("must be a multiple of {}, the branches of ASPP: got {}",
                                             std::ssize(kDilations), options.fpn.channels));
  }
  if (inputs.body->feedback_levels().empty()) {
    throw node.error(
        "type", "rfp needs a backbone that takes feedback: a resnet with one of the levels c3, c4 and c5");
  }
  return std::make_shared<RfpImpl>(inputs, options);
}

}  // namespace rcnn::nn
