#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace rcnn::nn {
struct DescribedModel;
}

namespace rcnn::train {

/// How a training stands; times and losses are of the iterations since the last report.
struct Progress {
  int64_t epoch = 0;  ///< from 1
  int64_t epochs = 0;
  int64_t iteration = 0;   ///< iterations done
  int64_t iterations = 0;  ///< of the whole training
  double lr = 0;
  double loss = 0;                                     ///< sum of `losses`
  std::vector<std::pair<std::string, double>> losses;  ///< means
  double iteration_seconds = 0;                        ///< median, data included
  double data_seconds = 0;                             ///< median wait for the loader
  double eta_seconds = 0;
  int64_t memory_bytes = 0;  ///< peak: resident on the CPU, allocated on a GPU
};

/// A moment at which a training is worth keeping.
struct Checkpoint {
  int64_t epoch = 0;       ///< epochs begun
  int64_t iteration = 0;   ///< iterations done
  bool epoch_end = false;  ///< the epoch is over: `epoch` epochs are done
  bool last = false;       ///< the training is over
};

/// What a model scored: numbers by name, "mAP", "AP50".
using Scores = std::vector<std::pair<std::string, double>>;

/// Scores and when they were.
struct ScoredIteration {
  int64_t epoch = 0, iteration = 0;
  Scores scores;
};

/// What a training tells its caller and asks of it. Any of them may be empty. One that throws ends fit() with
/// its exception: the model is then in training mode with the weights that learn.
struct Hooks {
  std::function<void(const Progress&)> on_progress = {};
  /// Called in evaluation mode and, with TrainOptions::ema, with the averaged weights in the model, which
  /// returns to training mode and the weights that learn afterwards. Of a Run: once the state is saved and
  /// scored.
  std::function<void(const Checkpoint&)> on_checkpoint = {};
  /// Asked after each iteration, and where an epoch ends: true calls on_checkpoint there, whatever
  /// TrainOptions::checkpoint_period says.
  std::function<bool(const Checkpoint&)> checkpoint_due = {};
  /// Called before each step of the solver with the gradients that it will take, the mean over all processes,
  /// which may be changed in place.
  std::function<void(const std::vector<at::Tensor>&)> on_gradients = {};
  /// Of a Run alone, whose model is in evaluation mode: scores it; nothing when it was interrupted. At least
  /// one number, always under the same names. Without this hook nothing is scored.
  std::function<std::optional<Scores>(const nn::DescribedModel&)> evaluate = {};
  std::function<void(const ScoredIteration&)> on_scores = {};  ///< of a Run alone
  /// Called after each iteration, and after the hooks above, with the number of those done; a Run asks before
  /// the first one, too. True ends fit(), which may be called again to go on; a Run saves its state.
  std::function<bool(int64_t)> stop = {};
};

}  // namespace rcnn::train
