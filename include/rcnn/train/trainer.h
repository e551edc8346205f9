#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/data/loader.h>
#include <rcnn/nn/detection_model.h>
#include <rcnn/train/schedule.h>
#include <rcnn/train/solver.h>

namespace rcnn::train {

/// A config's "train".
struct TrainOptions {
  int64_t epochs = 12;
  int64_t iterations = 0;  ///< when above 0, the length of the run instead of `epochs`
  int64_t batch_size = 2;
  ScheduleOptions schedule;
  SolverOptions solver;
  int64_t accumulate = 1;  ///< iterations whose gradients are averaged before each step of the solver
  int64_t base_batch = 0;  ///< when above 0, schedule.lr is meant for so many images a step
  double ema = 0;          ///< when above 0, the decay of averaged weights, see Ema
  uint64_t seed = 0;
  int64_t log_period = 20;        ///< iterations between progress reports
  int64_t checkpoint_period = 0;  ///< iterations between calls of on_checkpoint; 0: at the end of every epoch

  /// Keys: epochs, iterations, batch_size, accumulate, base_batch, ema, seed, log_period, checkpoint_period
  /// and those of ScheduleOptions and SolverOptions. Throws ConfigError.
  static TrainOptions from(const config::Node& node);

  /// What a step of the solver sees.
  int64_t images_per_step() const { return batch_size * accumulate; }

  /// schedule.lr, with base_batch scaled linearly by the images a step (Goyal et al.).
  double effective_lr() const;
};

/// How a run stands; times and losses are of the iterations since the last report.
struct Progress {
  int64_t epoch = 0;  ///< from 1
  int64_t epochs = 0;
  int64_t iteration = 0;   ///< iterations done
  int64_t iterations = 0;  ///< of the whole run
  double lr = 0;
  double loss = 0;                                     ///< sum of `losses`
  std::vector<std::pair<std::string, double>> losses;  ///< means
  double iteration_seconds = 0;                        ///< median, data included
  double data_seconds = 0;                             ///< median wait for the loader
  double eta_seconds = 0;
  int64_t memory_bytes = 0;  ///< peak: resident on the CPU, allocated on a GPU
};

/// A moment at which the run is worth keeping.
struct Checkpoint {
  int64_t epoch = 0;      ///< epochs begun
  int64_t iteration = 0;  ///< iterations done
  bool last = false;      ///< the run is over
};

/// Any of them may be empty.
struct TrainHooks {
  std::function<void(const Progress&)> on_progress = {};
  /// Called in evaluation mode and, with TrainOptions::ema, with the averaged weights in the model; the
  /// trainer returns to training mode and the weights that learn afterwards.
  std::function<void(const Checkpoint&)> on_checkpoint = {};
  /// Called after each iteration, and after the hooks above, with the number of those done: true ends fit().
  std::function<bool(int64_t)> stop = {};
};

/// Trains a detector on the sum of its losses.
///
/// An iteration is a batch, also where several make a step of the solver, as in mmengine: lengths, warm-up,
/// schedule and periods count batches. A step comes after every `accumulate` of them and at the end of the
/// run, where it averages over those that are left; it takes the rate of its last batch.
///
/// Everything random is a function of (seed, epoch, sample) or of (seed, iteration), so a run on the CPU
/// repeats bit for bit, whatever the number of loader threads.
class Trainer {
 public:
  /// Of `loader`, batch_size and seed are those of `options`.
  Trainer(std::shared_ptr<nn::DetectionModelImpl> model, std::shared_ptr<const data::Dataset> dataset,
          const data::TransformOptions& transform, const data::LoaderOptions& loader,
          const TrainOptions& options, const at::Device& device);

  /// Runs to the end, or until a hook says stop. Throws DataError for an image that cannot be read, unless
  /// the loader skips those, and when none can be read; NonFiniteError when a loss is no longer finite,
  /// MemoryError when memory runs out.
  void fit(const TrainHooks& hooks);

  /// The images that fit() left out, each once.
  const std::vector<data::BadImage>& skipped() const { return skipped_; }

 private:
  /// A batch's place among those whose gradients make one step.
  struct Accumulation {
    int64_t index, count;
    bool last() const { return index + 1 == count; }
  };
  std::vector<nn::Loss> step(data::Batch& batch, Solver& solver, const Accumulation& accumulation);

  std::shared_ptr<nn::DetectionModelImpl> model_;
  std::shared_ptr<const data::Dataset> dataset_;
  data::TransformOptions transform_;
  data::LoaderOptions loader_;
  TrainOptions options_;
  at::Device device_;
  std::vector<data::BadImage> skipped_;
};

}  // namespace rcnn::train
