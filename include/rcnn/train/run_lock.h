#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include <rcnn/export.h>

namespace rcnn::train {

/// Keeps a run folder for one process: a lock on the file run.lock in it, which names the host and the
/// process. The system lifts the lock when the process ends, in whatever way; the name that a killed one
/// leaves does no harm.
class RCNN_EXPORT RunLock {
 public:
  static constexpr const char* kFile = "run.lock";

  /// Throws ConfigError with the host and the process that has the folder, DataError when the file cannot be
  /// made.
  explicit RunLock(const std::filesystem::path& folder);
  ~RunLock();
  /// This machine's name, as it stands in the file.
  static std::string host();

  RunLock(RunLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

 private:
  int descriptor_;
};

}  // namespace rcnn::train
