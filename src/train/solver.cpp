#include <algorithm>
#include <string_view>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include <rcnn/error.h>
#include <rcnn/train/solver.h>

#include "config/name_pattern.h"

namespace rcnn::train {
namespace {

/// What parameters of one group share.
struct Treatment {
  double lr_factor = 1;
  double decay_factor = 1;
  bool operator==(const Treatment&) const = default;
};

struct Group {
  Treatment treatment;
  std::vector<at::Tensor> parameters;
};

using SgdState = torch::optim::SGDParamState;
using AdamWState = torch::optim::AdamWParamState;
constexpr const char* kMomentum = ".momentum_buffer";
constexpr const char* kMean = ".exp_avg";
constexpr const char* kSquare = ".exp_avg_sq";
constexpr const char* kSteps = ".step";

/// A copy of `saved` on the parameter's device and with its strides: with others, a step might round
/// otherwise.
at::Tensor like(const at::Tensor& parameter, const at::Tensor& saved, const std::string& name) {
  if (saved.sizes() != parameter.sizes()) {
    throw WeightsError(fmt::format("the solver's {} has the shape [{}], its parameter [{}]", name,
                                   fmt::join(saved.sizes(), ", "), fmt::join(parameter.sizes(), ", ")));
  }
  return at::empty_like(parameter, at::TensorOptions().requires_grad(false)).copy_(saved);
}

template <class... Modules>
bool is_one_of(const torch::nn::Module& module) {
  return (... || (dynamic_cast<const Modules*>(&module) != nullptr));
}

bool is_norm(const torch::nn::Module& module) {
  using namespace torch::nn;
  return is_one_of<BatchNorm1dImpl, BatchNorm2dImpl, BatchNorm3dImpl, GroupNormImpl, LayerNormImpl,
                   InstanceNorm1dImpl, InstanceNorm2dImpl, InstanceNorm3dImpl>(module);
}

using Names = std::map<const at::TensorImpl*, std::vector<std::string>>;

/// Each parameter's names: a module may be registered under several.
Names names_in(const torch::nn::Module& module) {
  Names names;
  for (const auto& item : module.named_parameters())
    names[item.value().unsafeGetTensorImpl()].push_back(item.key());
  return names;
}

/// Those of the longest pattern that means the parameter.
Factors factors_of(const std::vector<std::string>& names, const SolverOptions& options) {
  Factors found;
  size_t longest = 0;
  for (const auto& [pattern, factors] : options.factors) {
    if (pattern.size() <= longest || !config::matches_any(pattern, names)) continue;
    found = factors;
    longest = pattern.size();
  }
  return found;
}

/// Adds the parameters that learn to `groups`, in the order of Module::parameters(), each once; takes their
/// names from `names`.
void collect(const torch::nn::Module& module, const SolverOptions& options, Names& names,
             std::vector<Group>& groups) {
  const bool norm = is_norm(module);
  for (const auto& item : module.named_parameters(/*recurse=*/false)) {
    const auto found = names.extract(item.value().unsafeGetTensorImpl());
    if (!item.value().requires_grad() || !found) continue;
    Treatment treatment;
    if (config::matches_any(SolverOptions::kBackbone, found.mapped()))
      treatment.lr_factor *= options.backbone_lr;
    if (norm) {
      treatment.decay_factor = options.norm_decay;
    } else if (item.key() == "bias") {
      treatment.lr_factor *= options.bias_lr;
      treatment.decay_factor = options.bias_decay;
    }
    const auto own = factors_of(found.mapped(), options);
    treatment.lr_factor *= own.lr;
    treatment.decay_factor *= own.decay;
    auto group = std::ranges::find(groups, treatment, &Group::treatment);
    if (group == groups.end()) group = groups.insert(group, {treatment, {}});
    group->parameters.push_back(item.value());
  }
  for (const auto& child : module.children()) collect(*child, options, names, groups);
}

template <class Optimizer, class Options>
std::unique_ptr<torch::optim::Optimizer> make(const std::vector<Group>& groups, const Options& options) {
  std::vector<torch::optim::OptimizerParamGroup> param_groups;
  for (const auto& group : groups) {
    auto own = std::make_unique<Options>(options);
    own->weight_decay(own->weight_decay() * group.treatment.decay_factor);
    param_groups.emplace_back(group.parameters, std::move(own));
  }
  return std::make_unique<Optimizer>(param_groups, options);
}

/// torch.nn.utils.clip_grad_norm_, whose C++ twin waits for the norm.
void clip_gradients(const std::vector<at::Tensor>& gradients, double max_norm) {
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
  const auto patterns = node.child("factors");
  for (const auto& pattern : patterns.keys()) {
    const auto of_pattern = patterns.child(pattern);
    of_pattern.read("lr", factors[pattern].lr, {.min = 0});
    of_pattern.read("decay", factors[pattern].decay, {.min = 0});
    of_pattern.finish();
  }
  node.read("clip_norm", clip_norm, {.min = 0});
  if (type == SolverType::sgd) {
    node.refuse({"betas", "eps"}, "solver sgd");
  } else {
    node.refuse({"momentum", "nesterov"}, "solver adamw");
  }
  if (nesterov && momentum == 0) throw node.error("nesterov", "needs a momentum above 0");
  if (betas.size() != 2 || betas[0] >= 1 || betas[1] >= 1) {
    throw node.error("betas", "must be two numbers below 1");
  }
}

Solver::Solver(const torch::nn::Module& module, const SolverOptions& options)
    : adamw_(options.type == SolverType::adamw), clip_norm_(options.clip_norm) {
  auto names = names_in(module);
  for (const auto& item : module.named_parameters()) {
    const auto& value = item.value();
    if (value.requires_grad() && names.at(value.unsafeGetTensorImpl()).front() == item.key())
      parameters_.emplace(item.key(), value);
  }
  std::vector<Group> groups;
  collect(module, options, names, groups);
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

Solver::~Solver() = default;

void Solver::zero_grad() {
  optimizer_->zero_grad();
}

void Solver::set_learning_rate(double rate) {
  for (size_t i = 0; i < lr_factors_.size(); ++i) {
    optimizer_->param_groups()[i].options().set_lr(rate * lr_factors_[i]);
  }
}

std::vector<at::Tensor> Solver::gradients() const {
  std::vector<at::Tensor> gradients;
  for (const auto& group : optimizer_->param_groups()) {
    for (const auto& parameter : group.params()) {
      if (parameter.grad().defined()) gradients.push_back(parameter.grad());
    }
  }
  return gradients;
}

void Solver::step() {
  if (clip_norm_ > 0) clip_gradients(gradients(), clip_norm_);
  optimizer_->step();
}

std::map<std::string, at::Tensor> Solver::state() const {
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, parameter] : parameters_) {
    const auto found = optimizer_->state().find(parameter.unsafeGetTensorImpl());
    if (found == optimizer_->state().end()) continue;
    if (const auto* sgd = dynamic_cast<const SgdState*>(found->second.get())) {
      if (sgd->momentum_buffer().defined()) state[name + kMomentum] = sgd->momentum_buffer();
    } else {
      const auto& adamw = dynamic_cast<const AdamWState&>(*found->second);
      state[name + kMean] = adamw.exp_avg();
      state[name + kSquare] = adamw.exp_avg_sq();
      state[name + kSteps] = at::scalar_tensor(adamw.step(), at::kLong);
    }
  }
  return state;
}

void Solver::restore(const std::map<std::string, at::Tensor>& state) {
  auto left = state;
  std::vector<std::pair<void*, std::unique_ptr<torch::optim::OptimizerParamState>>> restored;
  for (const auto& [name, parameter] : parameters_) {
    const auto take = [&, &name = name, &parameter = parameter](const char* kind) {
      const auto found = left.extract(name + kind);
      return found ? like(parameter, found.mapped(), found.key()) : at::Tensor();
    };
    if (adamw_) {
      auto own = std::make_unique<AdamWState>();
      own->exp_avg(take(kMean));
      own->exp_avg_sq(take(kSquare));
      const auto steps = left.extract(name + kSteps);
      if (!steps || !own->exp_avg().defined() || !own->exp_avg_sq().defined()) continue;
      own->step(steps.mapped().item<int64_t>());
      restored.emplace_back(parameter.unsafeGetTensorImpl(), std::move(own));
    } else if (auto momentum = take(kMomentum); momentum.defined()) {
      auto own = std::make_unique<SgdState>();
      own->momentum_buffer(std::move(momentum));
      restored.emplace_back(parameter.unsafeGetTensorImpl(), std::move(own));
    }
  }
  if (!left.empty()) {
    throw WeightsError(fmt::format("the solver's {} fits no parameter that learns here, nor do {} others",
                                   left.begin()->first, left.size() - 1));
  }
  for (auto& [parameter, own] : restored) optimizer_->state()[parameter] = std::move(own);
}

}  // namespace rcnn::train
