#pragma once

#include <filesystem>
#include <fstream>
#include <span>
#include <string>

#include <rcnn/export.h>

namespace rcnn::train {

/// A number over the iterations of a run, under a name whose slashes group it ("train/loss").
struct Scalar {
  std::string tag;
  float value = 0;
};

/// Scalars for TensorBoard: TFRecords of its Event messages, in a file of TensorBoard's naming.
class RCNN_EXPORT EventFile {
 public:
  /// Makes `folder`/events.out.tfevents.<time>.<host>.<process>.<count>, a new file. Throws DataError when it
  /// cannot be written.
  explicit EventFile(const std::filesystem::path& folder);

  const std::filesystem::path& path() const { return path_; }

  /// Appends one event, which readers see at once. `wall_time` counts seconds since 1970. Throws DataError
  /// when it cannot be written.
  void add_scalars(int64_t step, double wall_time, std::span<const Scalar> scalars);

  /// Says that a run goes on at `step`: TensorBoard drops what earlier files of the folder have from there
  /// on.
  void restart_at(int64_t step, double wall_time);

 private:
  void write_record(const std::string& event);

  std::filesystem::path path_;
  std::ofstream stream_;
};

}  // namespace rcnn::train
