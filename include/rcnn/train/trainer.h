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
  uint64_t seed = 0;
  int64_t log_period = 20;        ///< iterations between progress reports
  int64_t checkpoint_period = 0;  ///< iterations between calls of on_checkpoint; 0: at the end of every epoch

  /// Keys: epochs, iterations, batch_size, momentum, weight_decay, seed, log_period, checkpoint_period and
  /// those of ScheduleOptions. Throws ConfigError.
  static TrainOptions from(const config::Node& node);
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

struct TrainHooks {
  std::function<void(const Progress&)> on_progress;
  /// Called in evaluation mode; the trainer returns to training mode afterwards.
  std::function<void(const Checkpoint&)> on_checkpoint;
};

/// Trains a detector by SGD on the sum of its losses.
///
/// Everything random is a function of (seed, epoch, sample) or of (seed, iteration), so a run on the CPU
/// repeats bit for bit, whatever the number of loader threads.
class Trainer {
 public:
  Trainer(std::shared_ptr<nn::DetectionModelImpl> model, std::shared_ptr<const data::Dataset> dataset,
          const data::TransformOptions& transform, int64_t workers, const TrainOptions& options,
          const at::Device& device);

  /// Runs to the end. Throws DataError for an image that cannot be read, NonFiniteError when a loss is no
  /// longer finite, MemoryError when memory runs out.
  void fit(const TrainHooks& hooks);

 private:
  std::vector<nn::Loss> step(data::Batch& batch, torch::optim::Optimizer& solver);

  std::shared_ptr<nn::DetectionModelImpl> model_;
  std::shared_ptr<const data::Dataset> dataset_;
  data::TransformOptions transform_;
  int64_t workers_;
  TrainOptions options_;
  at::Device device_;
};

}  // namespace rcnn::train
