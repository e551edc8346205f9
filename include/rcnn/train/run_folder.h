#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <rcnn/config/config.h>
#include <rcnn/export.h>
#include <rcnn/train/event_file.h>
#include <rcnn/train/run_lock.h>
#include <rcnn/train/trainer.h>
#include <rcnn/train/training_state.h>

namespace rcnn::train {

/// What a model scored: numbers by name, "mAP", "AP50".
using Scores = std::vector<std::pair<std::string, double>>;

/// Scores and when they were.
struct ScoredIteration {
  int64_t epoch = 0, iteration = 0;
  Scores scores;
};

/// The numbers of a progress report by name: "lr", "loss", each loss, "time", "data_time", "memory".
struct ReportedIteration {
  int64_t epoch = 0, iteration = 0;
  std::vector<std::pair<std::string, double>> numbers;
};

/// What a metrics.jsonl tells, in its order; what JSON calls null is not a number here.
struct Metrics {
  std::vector<ReportedIteration> reports;
  std::vector<ScoredIteration> scores;
};

/// Reads the file of a run that may still go on or was killed: lines that were cut off are left out. A file
/// that is not there has no lines.
Metrics read_metrics(const std::filesystem::path& file);

/// Where a run leaves what it makes: config.json, log.txt, metrics.jsonl, last.safetensors, best.safetensors,
/// state-<iteration>.safetensors, and the numbers of metrics.jsonl once more for TensorBoard, see EventFile.
/// It belongs to one process, see RunLock.
class RCNN_EXPORT RunFolder {
 public:
  /// Makes the folder and its parents. Throws ConfigError when it exists and is not empty: two runs never
  /// mix.
  static RunFolder create(const std::filesystem::path& path);

  /// Opens the folder of an earlier run, and removes what a killed one left half written. Throws ConfigError
  /// when it is none.
  static RunFolder reopen(const std::filesystem::path& path);

  /// Whether there is a run's folder.
  static bool is_one(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path log() const { return path_ / "log.txt"; }
  std::filesystem::path config() const { return path_ / "config.json"; }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path weights() const { return path_ / "last.safetensors"; }
  std::filesystem::path best_weights() const { return path_ / "best.safetensors"; }
  std::filesystem::path state(int64_t iteration) const;

  void write_config(const config::Config& config) const;

  /// Appends a line to metrics.jsonl: {"epoch", "iteration", "lr", "loss", each loss, "time", "data_time",
  /// "memory"}; for TensorBoard all but the first two are train/lr and so on.
  void append(const Progress& progress);

  /// Appends {"epoch", "iteration", "scores": {name: number or null}}; for TensorBoard
  /// eval/<name>, but for names with a dot, those of classes.
  void append(const ScoredIteration& scored);

  /// Takes away the lines of metrics.jsonl that lie after `iteration`, and those that were cut off; returns
  /// the scores that stay.
  std::vector<ScoredIteration> rewind(int64_t iteration);

  /// A state and the file it was read from.
  struct Found {
    std::filesystem::path file;
    SavedState saved;
  };

  /// The newest state that is whole; those that are not are passed over with a warning.
  std::optional<Found> newest_state() const;

  /// Leaves only the newest states.
  void remove_old_states(int64_t keep) const;

 private:
  RunFolder(std::filesystem::path path) : path_(std::move(path)), lock_(path_), events_(path_) {}
  std::vector<std::filesystem::path> states() const;
  void append_line(const std::string& line) const;

  std::filesystem::path path_;
  RunLock lock_;
  EventFile events_;
};

}  // namespace rcnn::train
