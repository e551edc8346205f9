#include <utility>

#include <ATen/record_function.h>
#include <torch/torch.h>

#include <rcnn/nn/registry.h>
#include <rcnn/nn/roi/auxiliary_heads.h>

#include "nn/built.h"

namespace rcnn::nn {

AuxiliaryHeadsImpl::AuxiliaryHeadsImpl(const std::vector<FeatureSpec>& laterals, BoxBranch branch,
                                       const AuxiliaryHeadsOptions& options)
    : options_(options), pooler_(laterals, options.pooler), branch_(std::move(branch)) {
  for (const auto& part : branch_->named_children()) register_module(part.key(), part.value());
  for (const auto& module : branch_->named_children()["box_head"]->modules()) {
    const auto* const layer = module->as<torch::nn::Linear>();
    if (!layer) continue;
    torch::nn::init::xavier_uniform_(layer->weight);
    if (layer->bias.defined()) torch::nn::init::zeros_(layer->bias);
  }
}

std::vector<Loss> AuxiliaryHeadsImpl::losses(const std::vector<at::Tensor>& laterals, const RoiBatch& rois,
                                             const at::Tensor& boxes) {
  RECORD_USER_SCOPE("rcnn::auxiliary_heads");
  TORCH_CHECK(branch_,
              "losses: the model's auxiliary heads were dropped, as its weights have none or it is "
              "prepared for inference: a training begins with a model that has them, fresh");
  TORCH_CHECK(
      !laterals.empty(),
      "losses: laterals: expected those that an extractor gives in training mode, got none: the model "
      "is in evaluation mode");
  std::vector<Loss> sums;
  for (const auto& grid : pooler_->forward(laterals, rois.unpadded(boxes))) {
    auto of_level = branch_->losses(branch_->forward({grid}), rois);
    for (size_t i = 0; i < of_level.size(); ++i) {
      if (i < sums.size()) {
        sums[i].value = sums[i].value + of_level[i].value;
      } else {
        sums.push_back({of_level[i].name + "_aux", of_level[i].value});
      }
    }
  }
  for (auto& sum : sums) sum.value = options_.weight * sum.value;
  return sums;
}

void AuxiliaryHeadsImpl::share_statistics(const BoxBranchImpl& second_stage,
                                          std::span<const std::string> plain) {
  branch_->share_statistics(second_stage, plain);
}

void AuxiliaryHeadsImpl::drop() {
  if (!branch_) return;
  for (const auto& part : branch_->named_children()) unregister_module(part.key());
  branch_ = nullptr;
}

AuxiliaryHeads make_auxiliary_heads(const config::Node& model, const FeatureExtractorImpl& extractor,
                                    int64_t num_classes, BoxBranchOptions branch) {
  const auto roi = model.child("roi");
  if (!roi.has("auxiliary")) return nullptr;
  const auto laterals = extractor.laterals();
  if (laterals.empty()) {
    throw roi.error("auxiliary",
                    "needs a neck with laterals to supervise, model.neck.type aug_fpn; "
                    "model.roi.auxiliary=null takes an inherited one away");
  }
  const auto node = roi.child("auxiliary");
  AuxiliaryHeadsOptions options;
  options.pooler.read(roi.child("pooler"));
  node.read("weight", options.weight, {.min = 0});
  return built(model, "roi.auxiliary", "what its head is told (hidden, channels)", [&] {
    const auto head =
        box_heads().make(node.child("head"), {{laterals.front().channels, options.pooler.size}});
    node.finish();
    branch.ranks = {};  // nothing of a training is compressed
    return AuxiliaryHeads(laterals, BoxBranch(head, num_classes, branch), options);
  });
}

bool is_of_auxiliary_heads(std::string_view name) {
  return name.starts_with(kAuxiliaryHeads) && name.substr(kAuxiliaryHeads.size()).starts_with('.');
}

bool auxiliary_heads_depend_on_classes(std::string_view name) {
  return is_of_auxiliary_heads(name) && name.substr(kAuxiliaryHeads.size() + 1).starts_with("box_predictor.");
}

}  // namespace rcnn::nn
