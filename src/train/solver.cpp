#include <algorithm>

#include <torch/torch.h>

#include <rcnn/nn/backbones/backbone.h>
#include <rcnn/train/solver.h>

#include "train/refuse.h"

namespace rcnn::train {
namespace {

/// What parameters of one group share.
struct Treatment {
  double lr_factor = 1;
  bool decay = true;
  bool operator==(const Treatment&) const = default;
};

struct Group {
  Treatment treatment;
  std::vector<at::Tensor> parameters;
};

template <class... Modules>
bool is_one_of(const torch::nn::Module& module) {
  return (... || (dynamic_cast<const Modules*>(&module) != nullptr));
}

bool is_norm(const torch::nn::Module& module) {
  using namespace torch::nn;
  return is_one_of<BatchNorm1dImpl, BatchNorm2dImpl, BatchNorm3dImpl, GroupNormImpl, LayerNormImpl,
                   InstanceNorm1dImpl, InstanceNorm2dImpl, InstanceNorm3dImpl>(module);
}

/// Adds the parameters that learn to `groups`, in the order of Module::parameters().
void collect(const torch::nn::Module& module, const SolverOptions& options, bool in_backbone,
             std::vector<Group>& groups) {
  in_backbone = in_backbone || is_one_of<nn::BackboneImpl>(module);
  const bool norm = is_norm(module);
  for (const auto& item : module.named_parameters(/*recurse=*/false)) {
    if (!item.value().requires_grad()) continue;
    Treatment treatment;
    if (in_backbone) treatment.lr_factor *= options.backbone_lr;
    if (norm) {
      treatment.decay = options.norm_decay;
    } else if (item.key() == "bias") {
      treatment.lr_factor *= options.bias_lr;
      treatment.decay = options.bias_decay;
    }
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const Group& known) { return known.treatment == treatment; });
    if (group == groups.end()) group = groups.insert(group, {treatment, {}});
    group->parameters.push_back(item.value());
  }
  for (const auto& child : module.children()) collect(*child, options, in_backbone, groups);
}

template <class Optimizer, class Options>
std::unique_ptr<torch::optim::Optimizer> make(const std::vector<Group>& groups, const Options& options) {
  std::vector<torch::optim::OptimizerParamGroup> param_groups;
  for (const auto& group : groups) {
    auto own = std::make_unique<Options>(options);
    if (!group.treatment.decay) own->weight_decay(0);
    param_groups.emplace_back(group.parameters, std::move(own));
  }
  return std::make_unique<Optimizer>(param_groups, options);
}

/// torch.nn.utils.clip_grad_norm_, whose C++ twin waits for the norm.
void clip_gradients(const torch::optim::Optimizer& optimizer, double max_norm) {
  std::vector<at::Tensor> gradients;
  for (const auto& group : optimizer.param_groups()) {
    for (const auto& parameter : group.params()) {
      if (parameter.grad().defined()) gradients.push_back(parameter.grad());
    }
  }
  if (gradients.empty()) return;
  const torch::NoGradGuard no_grad;
  const auto norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients)));
  at::_foreach_mul_(gradients, (max_norm / (norm + 1e-6)).clamp_max(1));
}

}  // namespace

void SolverOptions::read(const config::Node& node) {
  node.read("solver", type, {{"sgd", SolverType::sgd}, {"adamw", SolverType::adamw}});
  node.read("momentum", momentum, {.min = 0, .max = 1});
  node.read("nesterov", nesterov);
  node.read("betas", betas, {.min = 0});
  node.read("eps", eps, {.min = 0});
  node.read("weight_decay", weight_decay, {.min = 0});
  node.read("bias_lr", bias_lr, {.min = 0});
  node.read("bias_decay", bias_decay);
  node.read("norm_decay", norm_decay);
  node.read("backbone_lr", backbone_lr, {.min = 0});
  node.read("clip_norm", clip_norm, {.min = 0});
  if (type == SolverType::sgd) {
    refuse(node, {"betas", "eps"}, "solver sgd");
  } else {
    refuse(node, {"momentum", "nesterov"}, "solver adamw");
  }
  if (nesterov && momentum == 0) throw node.error("nesterov", "needs a momentum above 0");
  if (betas.size() != 2 || betas[0] >= 1 || betas[1] >= 1) {
    throw node.error("betas", "must be two numbers below 1");
  }
}

Solver::Solver(const torch::nn::Module& module, const SolverOptions& options)
    : clip_norm_(options.clip_norm) {
  std::vector<Group> groups;
  collect(module, options, /*in_backbone=*/false, groups);
  for (const auto& group : groups) lr_factors_.push_back(group.treatment.lr_factor);
  if (options.type == SolverType::sgd) {
    optimizer_ = make<torch::optim::SGD>(groups, torch::optim::SGDOptions(0)
                                                     .momentum(options.momentum)
                                                     .nesterov(options.nesterov)
                                                     .weight_decay(options.weight_decay));
  } else {
    optimizer_ = make<torch::optim::AdamW>(groups, torch::optim::AdamWOptions(0)
                                                       .betas({options.betas[0], options.betas[1]})
                                                       .eps(options.eps)
                                                       .weight_decay(options.weight_decay));
  }
}

void Solver::set_learning_rate(double rate) {
  for (size_t i = 0; i < lr_factors_.size(); ++i) {
    optimizer_->param_groups()[i].options().set_lr(rate * lr_factors_[i]);
  }
}

void Solver::step() {
  if (clip_norm_ > 0) clip_gradients(*optimizer_, clip_norm_);
  optimizer_->step();
}

}  // namespace rcnn::train
