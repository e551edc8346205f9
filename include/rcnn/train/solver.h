#pragma once

#include <torch/nn/module.h>
#include <torch/optim/sgd.h>

namespace rcnn::train {

struct SolverOptions {
  double momentum = 0.9;
  double weight_decay = 1e-4;
};

/// SGD over the module's parameters that require gradients. Its learning rate is 0 until set_learning_rate.
torch::optim::SGD make_solver(const torch::nn::Module& module, const SolverOptions& options);

void set_learning_rate(torch::optim::Optimizer& solver, double rate);

}  // namespace rcnn::train
