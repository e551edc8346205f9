#include <torch/torch.h>

#include <rcnn/train/solver.h>

namespace rcnn::train {

torch::optim::SGD make_solver(const torch::nn::Module& module, const SolverOptions& options) {
  std::vector<at::Tensor> trained;
  for (const auto& parameter : module.parameters()) {
    if (parameter.requires_grad()) trained.push_back(parameter);
  }
  return torch::optim::SGD(
      std::move(trained),
      torch::optim::SGDOptions(0).momentum(options.momentum).weight_decay(options.weight_decay));
}

void set_learning_rate(torch::optim::Optimizer& solver, double rate) {
  for (auto& group : solver.param_groups()) group.options().set_lr(rate);
}

}  // namespace rcnn::train
