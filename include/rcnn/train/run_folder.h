#pragma once

#include <filesystem>

#include <rcnn/config/config.h>
#include <rcnn/train/event_file.h>
#include <rcnn/train/trainer.h>

namespace rcnn::train {

/// Where a run leaves what it makes: config.json, log.txt, metrics.jsonl, last.safetensors, and the numbers
/// of metrics.jsonl once more for TensorBoard, see EventFile.
class RunFolder {
 public:
  /// Makes the folder and its parents. Throws ConfigError when it exists and is not empty: two runs never
  /// mix.
  static RunFolder create(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path log() const { return path_ / "log.txt"; }
  std::filesystem::path weights() const { return path_ / "last.safetensors"; }

  void write_config(const config::Config& config) const;

  /// Appends a line to metrics.jsonl: {"epoch", "iteration", "lr", "loss", each loss, "time", "data_time",
  /// "memory"}; for TensorBoard all but the first two are train/lr and so on.
  void append(const Progress& progress);

  /// Appends {"epoch", "iteration", "mAP"}; the last is VOC's mAP or COCO's AP, and eval/mAP for TensorBoard.
  void append_score(int64_t epoch, int64_t iteration, double mean_average_precision);

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)), events_(path_) {}
  void append_line(const std::string& line) const;
  std::filesystem::path path_;
  EventFile events_;
};

}  // namespace rcnn::train
