#pragma once

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/io/safetensors.h>
#include <rcnn/train/run_folder.h>
#include <rcnn/train/training.h>

namespace rcnn::train {

/// When a run is scored, and what follows from it: a part of a config's "eval".
struct RCNN_EXPORT ScoringOptions {
  int64_t period = 0;     ///< epochs between scores; 0: the end alone, which is always scored
  std::string best = {};  ///< the number whose highest value makes a model the best; empty: the first
  int64_t patience = 0;   ///< scores in a row without a new best after which the run ends; 0: never

  /// Reads period, best and patience. Throws ConfigError.
  static ScoringOptions from(const config::Node& eval);

  /// The number of `scores` that counts; what is no number is below all. Throws ConfigError when there is
  /// none of the name.
  double deciding(const Scores& scores) const;
};

/// What a run tells its caller and asks of it. Any of them may be empty.
struct RunHooks {
  std::function<void(const Progress&)> on_progress = {};
  /// Called after each iteration.
  std::function<void(int64_t)> on_iteration = {};
  /// Scores the model, which is in evaluation mode; nothing when it was interrupted. At least one number,
  /// always under the same names. Without this hook nothing is scored.
  std::function<std::optional<Scores>(const nn::DescribedModel&)> evaluate = {};
  std::function<void(const ScoredIteration&)> on_scores = {};
  /// Asked after each iteration: true saves the state and ends fit().
  std::function<bool()> interrupted = {};
};

/// A training in its folder, that may be stopped, or killed, and resumed.
///
/// At checkpoints, and wherever it is scored, the state is copied and, while the training goes on, written by
/// a thread of its own: first state-<iteration>.safetensors, then last.safetensors (with the averaged
/// weights, if there are any); the newest `train.keep_checkpoints` states are kept. A failure to write ends
/// the run at the next iteration.
///
/// Scores come into metrics.jsonl once the state they are of is written, and best.safetensors after them:
/// where a kill comes in between, the run that goes on makes it from that state. The weights say in their
/// metadata of which "iteration" they are.
class RCNN_EXPORT Run {
 public:
  /// What --resume allows: go on with what is in the folder, if there is something; also where the config or
  /// the data have changed since.
  enum class Resume { no, yes, anyway };

  /// Starts in a new folder, or goes on from the newest whole state in an old one; before fit() nothing in it
  /// changes. Throws ConfigError with the differences when the config or the data changed, but for
  /// data.workers, on which nothing depends; WeightsError for initial weights or a state that do not fit.
  ///
  /// Where an old folder has weights or states, but no whole state, it throws WeightsError when the states
  /// are damaged and ConfigError when they are gone; Resume::anyway begins at the first iteration and moves
  /// them, see RunFolder::set_aside. Where it lets the scores be others (eval, but period, best and patience;
  /// data.test), earlier ones count no more.
  Run(Training training, RunFolder folder, const ScoringOptions& scoring, Resume resume);
  ~Run();

  enum class Outcome { finished, no_longer_better, interrupted };

  /// Trains until one of these. Throws as Trainer::fit does, and DataError when a file cannot be written; the
  /// newest state stays, and NonFiniteError names it.
  Outcome fit(const RunHooks& hooks);

  const Training& training() const { return training_; }
  const Trainer& trainer() const { return *trainer_; }
  const RunFolder& folder() const { return folder_; }

  /// All scores of the run, those before it was resumed included.
  const std::vector<ScoredIteration>& scored() const { return scored_; }

  /// The first of the best, whose weights best.safetensors has; null when there are none. Scores whose
  /// weights were lost before the run was resumed have no part in it.
  const ScoredIteration* best() const { return best_ < 0 ? nullptr : &scored_[static_cast<size_t>(best_)]; }

 private:
  void go_on(const RunFolder::Found& found, bool other_scores);
  void begin_in_old_folder(const std::vector<std::string>& damaged, Resume resume);
  void find_best();
  std::optional<io::SafeTensors> weights_after(int64_t iteration) const;
  bool is_due(const Checkpoint& checkpoint) const;
  bool is_exhausted() const;
  void check_in(const Checkpoint& checkpoint, const RunHooks& hooks);
  void save(bool with_weights);
  void write(std::function<void()> task);
  void wait_for_writer();
  void warn_of_writer();

  Training training_;
  RunFolder folder_;
  ScoringOptions scoring_;
  at::Tensor fingerprint_;  // of the data set
  std::unique_ptr<Trainer> trainer_;
  std::vector<ScoredIteration> scored_;
  int64_t best_ = -1;                                // the place of best() in scored_
  std::vector<std::function<void()>> preparations_;  // of the folder, before anything else is written there
  int64_t saved_iteration_ = -1;                     // of the newest state
  std::shared_ptr<const io::SafeTensors> weights_;   // of the newest checkpoint
  std::future<void> writer_;
};

}  // namespace rcnn::train
