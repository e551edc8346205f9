#pragma once

#include <map>
#include <string>
#include <vector>

#include <torch/nn/module.h>

#include <rcnn/export.h>

namespace rcnn::train {

/// Exponential moving averages of a module's parameters that learn and of its floating-point buffers, which
/// detect better than the values themselves (Polyak averaging; Tarvainen and Valpola's mean teacher).
///
/// The n-th update keeps min(decay, (1 + n) / (10 + n)) of the average, as TensorFlow's
/// ExponentialMovingAverage does, so that the start of a run is soon forgotten. The averages lie on the
/// module's device: a second copy of what learns.
class RCNN_EXPORT Ema {
 public:
  /// Starts from the module's values. `decay` is in [0, 1). The module keeps its tensors while this lives.
  Ema(const torch::nn::Module& module, double decay);

  /// Takes in the module's values; to be called after a step of the solver, while they are the module's own.
  void update();

  /// Exchanges the module's values and the averages; the second call gives the module its own back, bit for
  /// bit.
  void swap();

  /// The averages under the names of what they average, and the number of updates as "updates", a scalar. The
  /// tensors are its own, but the number.
  std::map<std::string, at::Tensor> state() const;

  /// Takes a copy of a state. Throws WeightsError, having changed nothing, for one of another module.
  void restore(const std::map<std::string, at::Tensor>& state);

 private:
  std::vector<std::string> names_;
  std::vector<at::Tensor> values_, averages_;
  double decay_;
  int64_t updates_ = 0;
};

}  // namespace rcnn::train
