#pragma once

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <rcnn/export.h>
#include <rcnn/io/safetensors.h>
#include <rcnn/train/hooks.h>
#include <rcnn/train/run_folder.h>
#include <rcnn/train/scoring.h>
#include <rcnn/train/trainer.h>
#include <rcnn/train/training.h>

namespace rcnn::train {

/// A training in its folder, that may be stopped, or killed, and resumed.
///
/// At checkpoints, and wherever it is scored, the state is copied and, while the training goes on, written by
/// a thread of its own: first state-<iteration>.safetensors, then last.safetensors (with the averaged
/// weights, if there are any); the newest `train.keep_checkpoints` states are kept. A failure to write ends
/// the run at the next iteration. Of several processes the first alone writes, and scores are the mean of
/// those that each has found.
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
  Outcome fit(const Hooks& hooks);

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
  bool writes() const;
  void score(const Checkpoint& checkpoint, const Hooks& hooks);
  void check_in(const Checkpoint& checkpoint, const Hooks& hooks);
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
