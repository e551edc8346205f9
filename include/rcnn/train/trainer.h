#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <rcnn/config/config.h>
#include <rcnn/config/node.h>
#include <rcnn/data/loading/loader.h>
#include <rcnn/export.h>
#include <rcnn/nn/layers/precision.h>
#include <rcnn/train/schedule.h>
#include <rcnn/train/solver.h>
#include <rcnn/train/training_state.h>

namespace rcnn::nn {
class ModelImpl;
struct DescribedModel;
}  // namespace rcnn::nn

namespace rcnn::train {

class Ema;
class Meter;
struct Training;

/// A config's "train".
struct RCNN_EXPORT TrainOptions {
  int64_t epochs = 12;
  int64_t iterations = 0;  ///< when above 0, the length of the run instead of `epochs`
  int64_t batch_size = 2;
  nn::Precision precision = nn::Precision::fp32;
  ScheduleOptions schedule;
  SolverOptions solver;
  int64_t accumulate = 1;  ///< iterations whose gradients are averaged before each step of the solver
  int64_t base_batch = 0;  ///< when above 0, schedule.lr is meant for so many images a step
  double ema = 0;          ///< when above 0, the decay of averaged weights, see Ema
  uint64_t seed = 0;
  int64_t log_period = 20;        ///< iterations between progress reports
  int64_t checkpoint_period = 0;  ///< iterations between calls of on_checkpoint; 0: at the end of every epoch
  int64_t keep_checkpoints = 2;   ///< states of the run that stay in its folder

  /// Keys: epochs, iterations, batch_size, precision, accumulate, base_batch, ema, seed, log_period,
  /// checkpoint_period, keep_checkpoints and those of ScheduleOptions and SolverOptions. Throws ConfigError.
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
  int64_t epoch = 0;       ///< epochs begun
  int64_t iteration = 0;   ///< iterations done
  bool epoch_end = false;  ///< the epoch is over: `epoch` epochs are done
  bool last = false;       ///< the run is over
};

/// Any of them may be empty. One that throws ends fit() with its exception: the model is then in training
/// mode with the weights that learn.
struct TrainHooks {
  std::function<void(const Progress&)> on_progress = {};
  /// Called in evaluation mode and, with TrainOptions::ema, with the averaged weights in the model; the
  /// trainer returns to training mode and the weights that learn afterwards.
  std::function<void(const Checkpoint&)> on_checkpoint = {};
  /// Asked after each iteration, and where an epoch ends: true calls on_checkpoint there, whatever
  /// TrainOptions::checkpoint_period says.
  std::function<bool(const Checkpoint&)> checkpoint_due = {};
  /// Called before each step of the solver with the gradients it will take, which may be changed in place:
  /// where several processes, each with its LoaderOptions::shard, take the mean of theirs.
  std::function<void(const std::vector<at::Tensor>&)> on_gradients = {};
  /// Called after each iteration, and after the hooks above, with the number of those done: true ends fit(),
  /// which may be called again to go on.
  std::function<bool(int64_t)> stop = {};
};

/// Trains a detector on the sum of its losses.
///
/// An iteration is a batch, also where several make a step of the solver, as in mmengine: lengths, warm-up,
/// schedule and periods count batches. A step comes after every `accumulate` of them and at the end of the
/// run, where it averages over those that are left; it takes the rate of its last batch.
///
/// Everything random is a function of (seed, epoch, sample) or of (seed, iteration), so a run on the CPU
/// repeats bit for bit, whatever the number of loader threads, and goes on from a state() as if it had never
/// stopped.
class RCNN_EXPORT Trainer {
 public:
  /// Ready to train what `config` describes, from the weights that it names, if any: nothing is written
  /// unless a hook does. `device` is "auto", "cpu" or "cuda". Throws ConfigError, DataError and WeightsError.
  explicit Trainer(const config::Config& config, const std::string& device = "auto");

  /// The same on a data set of one's own, whose categories the model then has; of the config's "data" the
  /// transforms and the loader's options count.
  Trainer(const config::Config& config, std::shared_ptr<const data::Dataset> dataset,
          const std::string& device = "auto");

  /// Ready to train the model as it is.
  explicit Trainer(const Training& training);

  /// Of `loader`, batch_size and seed are those of `options`, of `transform`, resize is the model's; the
  /// model's categories are the data set's. Throws ConfigError when there is no batch, and when `described`
  /// has categories in another number; DataError for a label that is none of the data set's categories.
  Trainer(const nn::DescribedModel& described, std::shared_ptr<const data::Dataset> dataset,
          const data::TransformOptions& transform, const data::LoaderOptions& loader,
          const TrainOptions& options, const at::Device& device);
  ~Trainer();

  /// The model in training itself: nn::save_model() writes it, a TensorDetector that shares it detects with
  /// it. nn::prepare_for_inference(), and with it a TensorDetector that takes it over, ends the training.
  nn::DescribedModel described() const;

  /// Runs to the end, or until a hook says stop. Throws DataError for an image that cannot be read or is not
  /// of its record's size, unless the loader skips those, and when none is left; NonFiniteError when a loss
  /// is no longer finite, MemoryError when memory runs out. On a GPU losses are looked at before reports and
  /// checkpoints only, since looking waits for the device.
  void fit(const TrainHooks& hooks = {});

  int64_t iteration() const { return iteration_; }    ///< iterations done
  int64_t iterations() const { return iterations_; }  ///< of the whole run

  /// Where the training stands: what a checkpoint here says.
  Checkpoint checkpoint() const;

  /// Whether TrainOptions::checkpoint_period has a checkpoint after the last iteration done, and makes one,
  /// as fit() does.
  bool at_checkpoint() const;
  void check_in(const TrainHooks& hooks);

  /// The images that were left out, each once.
  const std::vector<data::BadImage>& skipped() const { return skipped_; }

  /// A copy, on the CPU, of where the training is. To be called between iterations: before or after fit(), or
  /// in its on_checkpoint.
  TrainingState state();

  /// Goes on from `state`. Throws WeightsError when it does not fit; the training is then of no more use.
  void restore(const TrainingState& state);

 private:
  /// A batch's place among those whose gradients make one step.
  struct Accumulation {
    int64_t index, count;
    bool last() const { return index + 1 == count; }
  };
  Accumulation accumulation() const;
  double step(data::Batch& batch, const TrainHooks& hooks);
  void check_losses();
  void report(double lr, const TrainHooks& hooks);
  bool is_due(const TrainHooks& hooks) const;
  bool run_epoch(const TrainHooks& hooks);
  void note_skipped();

  std::shared_ptr<nn::ModelImpl> model_;
  config::Config config_;
  std::shared_ptr<const data::Dataset> dataset_;
  TrainOptions options_;
  at::Device device_;
  data::Loader loader_;
  Solver solver_;
  std::unique_ptr<Ema> ema_;
  std::unique_ptr<Meter> meter_;
  int64_t iterations_;
  int64_t iteration_ = 0, epoch_ = 0, batch_ = 0;  // as in TrainingState
  std::vector<data::BadImage> skipped_;
  bool averaged_ = false;  // the model holds the averaged weights
};

}  // namespace rcnn::train
