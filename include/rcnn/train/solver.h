#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/config/node.h>
#include <rcnn/export.h>

namespace torch {
namespace nn {
class Module;
}
namespace optim {
class Optimizer;
}
}  // namespace torch

namespace rcnn::train {

/// SGD with momentum, or AdamW (Loshchilov and Hutter: decay apart from the gradient), as torch.optim has
/// them.
enum class SolverType { sgd, adamw };

/// What some parameters have of the rate and of the weight decay that the other options give them.
struct Factors {
  double lr = 1;
  double decay = 1;
};

/// How weights follow their gradients: a part of a config's "train".
struct RCNN_EXPORT SolverOptions {
  SolverType type = SolverType::sgd;
  double momentum = 0.9;                     ///< sgd
  bool nesterov = false;                     ///< sgd
  std::vector<double> betas = {0.9, 0.999};  ///< adamw
  double eps = 1e-8;                         ///< adamw
  double weight_decay = 1e-4;
  double bias_lr = 1;      ///< factor on the rate of biases; 2 in Caffe's recipes
  bool bias_decay = true;  ///< weight decay for biases
  bool norm_decay = true;  ///< weight decay for normalisations
  static constexpr const char* kBackbone = "backbone.body.*";
  double backbone_lr = 1;  ///< factor on the rate of these parameters; a neck is no part of it
  /// By patterns of names (*: anything); of those that mean a parameter the longest holds, of equally long
  /// ones the first in the alphabet.
  std::map<std::string, Factors> factors = {};
  double clip_norm = 0;  ///< largest norm of all gradients together; 0: any

  /// Keys: solver (sgd, adamw); with sgd: momentum, nesterov; with adamw: betas, eps; weight_decay, bias_lr,
  /// bias_decay, norm_decay, backbone_lr, factors {PATTERN: {lr, decay}}, clip_norm. Throws ConfigError, also
  /// for a key of the other solver.
  void read(const config::Node& node);
};

/// Moves the parameters of a module that require gradients against them, each once, whatever its names.
///
/// Parameters of the same rate and decay are a group. The weight and the bias of a normalisation (batch,
/// group, layer, instance) both follow the options of norms, not those of biases, as in mmdetection. Frozen
/// batch norms have no parameters. Names of parameters are those in `module`; of one with several, any
/// counts.
class RCNN_EXPORT Solver {
 public:
  /// The rate is 0 until set_learning_rate.
  Solver(const torch::nn::Module& module, const SolverOptions& options);
  ~Solver();

  /// Every group gets its factor of `rate`.
  void set_learning_rate(double rate);

  void zero_grad();

  /// The gradients that there are, in the order of the groups; the parameters' own tensors.
  std::vector<at::Tensor> gradients() const;

  /// Clips the gradients, then takes a step; parameters without a gradient stay. Nothing is read back from
  /// the device.
  void step();

  /// What the steps so far have left for the next: "<parameter>.momentum_buffer" of sgd;
  /// "<parameter>.exp_avg",
  /// ".exp_avg_sq" and ".step" of adamw. The solver's own tensors, but the steps' number.
  std::map<std::string, at::Tensor> state() const;

  /// Goes on as after the steps that left `state`, with copies of it. Throws WeightsError, having changed
  /// nothing, for a name or a shape that does not fit.
  void restore(const std::map<std::string, at::Tensor>& state);

  const torch::optim::Optimizer& optimizer() const { return *optimizer_; }

 private:
  std::map<std::string, at::Tensor> parameters_;  // that learn, by name
  bool adamw_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  std::vector<double> lr_factors_;  // of each group
  double clip_norm_;
};

}  // namespace rcnn::train
