#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <rcnn/config/config.h>
#include <rcnn/export.h>
#include <rcnn/train/event_file.h>
#include <rcnn/train/hooks.h>
#include <rcnn/train/run_lock.h>
#include <rcnn/train/training_state.h>

namespace rcnn::train {

/// The numbers of a progress report by name: "lr", "loss", each loss, "time", "data_time", "memory".
struct ReportedIteration {
  int64_t epoch = 0, iteration = 0;
  std::vector<std::pair<std::string, double>> numbers;
};

/// What a metrics.jsonl tells, in its order; what JSON calls null is not a number here. "earlier_scores" are
/// left out, see RunFolder::rewind.
struct Metrics {
  std::vector<ReportedIteration> reports;
  std::vector<ScoredIteration> scores;
};

/// Reads the file of a run that may still go on or was killed: lines that were cut off are left out. A file
/// that is not there has no lines.
RCNN_EXPORT Metrics read_metrics(const std::filesystem::path& file);

/// Where a run leaves what it makes: config.json, log.txt, metrics.jsonl, last.safetensors, best.safetensors,
/// state-<iteration>.safetensors, and the numbers of metrics.jsonl once more for TensorBoard, see EventFile.
/// It belongs to one process, see RunLock.
class RCNN_EXPORT RunFolder {
 public:
  /// Makes the folder and its parents. Throws ConfigError when it exists and is not empty: two runs never
  /// mix.
  static RunFolder create(const std::filesystem::path& path);

  /// Throws as create() does, and makes nothing.
  static void check_new(const std::filesystem::path& path);

  /// Opens the folder of an earlier run, and removes what a killed one left half written. Throws ConfigError
  /// when it is none.
  static RunFolder reopen(const std::filesystem::path& path);

  /// Whether there is a run's folder.
  static bool is_one(const std::filesystem::path& path);

  /// Whether a path is that of a file which a run makes, there already or not, in a run's folder.
  static bool owns(const std::filesystem::path& file);

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

  /// Makes the folder that of a run after `iteration`: the lines of metrics.jsonl that lie behind it, and
  /// those that were cut off, go; states behind it, which are damaged or they would be gone on from, are
  /// named <file>.damaged.
  void rewind(int64_t iteration);

  /// Says in metrics.jsonl that its scores cannot be compared with those to come: "scores" becomes
  /// "earlier_scores".
  void set_scores_aside() const;

  /// Moves the states, weights, metrics and config to a new folder in this one, `earlier-1` or the next that
  /// is free, and returns it.
  std::filesystem::path set_aside() const;

  /// A state and the file it was read from.
  struct Found {
    std::filesystem::path file;
    SavedState saved;
  };

  /// The newest state that is whole, and what is wrong with those that are newer.
  struct Newest {
    std::optional<Found> found;
    std::vector<std::string> damaged;
  };
  Newest newest_state() const;

  /// Whether there is a state, whole or not, or weights.
  bool has_results() const;

  /// Leaves only the newest states.
  void remove_old_states(int64_t keep) const;

 private:
  RunFolder(std::filesystem::path path) : path_(std::move(path)), lock_(path_) {}
  EventFile& events();
  std::vector<std::filesystem::path> states() const;
  void append_line(const std::string& line) const;

  std::filesystem::path path_;
  RunLock lock_;
  std::optional<EventFile> events_;  // made when there is something to write
};

}  // namespace rcnn::train
