#pragma once

#include <memory>
#include <string>
#include <vector>

#include <rcnn/config/config.h>
#include <rcnn/data/loading/loader.h>
#include <rcnn/export.h>
#include <rcnn/train/hooks.h>
#include <rcnn/train/options.h>
#include <rcnn/train/solver.h>
#include <rcnn/train/training_state.h>

namespace rcnn::nn {
class ModelImpl;
struct DescribedModel;
}  // namespace rcnn::nn

namespace rcnn::train {

class Ema;
class Meter;
class Peers;
struct Training;

/// Trains a model on the sum of its losses.
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
  /// unless a hook does. With a `dataset` of one's own the model has its categories, and of the config's
  /// "data" the transforms and the loader's options count. `device` is "auto", "cpu" or "cuda". Throws
  /// ConfigError, DataError and WeightsError.
  explicit Trainer(const config::Config& config, std::shared_ptr<const data::Dataset> dataset = nullptr,
                   const std::string& device = "auto");

  /// Ready to train the model as it is, on images resized as its pixels ask for. Throws ConfigError when
  /// there is no batch, and when the model has categories in another number than the data set; DataError for
  /// a label that is none of the data set's categories.
  explicit Trainer(const Training& training);
  ~Trainer();

  /// The model in training itself: nn::save_model() writes it, a TensorDetector that shares it detects with
  /// it. nn::prepare_for_inference(), and with it a TensorDetector that takes it over, ends the training.
  nn::DescribedModel described() const;

  /// Runs to the end, or until a hook says stop. Where it begins at a checkpoint, restored or stopped there,
  /// on_checkpoint is called before the first iteration, too. Throws DataError for an image that cannot be
  /// read or is not of its record's size, unless the loader skips those, and when none is left;
  /// NonFiniteError when a loss is no longer finite, MemoryError when memory runs out, c10::Error for hooks
  /// that only a Run has. On a GPU losses are looked at before reports and checkpoints only, since looking
  /// waits for the device.
  void fit(const Hooks& hooks = {});

  int64_t iteration() const { return iteration_; }    ///< iterations done
  int64_t iterations() const { return iterations_; }  ///< of the whole run

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
  double step(data::Batch& batch, const Hooks& hooks);
  void check_losses();
  void report(double lr, const Hooks& hooks);
  Checkpoint checkpoint() const;
  bool is_due(const Hooks& hooks) const;
  void check_in(const Hooks& hooks);
  bool stops(const Hooks& hooks) const;
  bool run_epoch(const Hooks& hooks);
  void note_skipped();

  std::shared_ptr<nn::ModelImpl> model_;
  config::Config config_;
  std::shared_ptr<const data::Dataset> dataset_;
  TrainOptions options_;
  at::Device device_;
  std::shared_ptr<Peers> peers_;
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
