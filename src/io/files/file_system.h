#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

#include <sys/types.h>

#include <rcnn/export.h>

namespace rcnn::io {

/// The system calls of writing a file, with POSIX's results: -1 (and errno) for a failure. A class of its own
/// so that tests can make each of them fail. Safe to use from several threads at once.
class RCNN_EXPORT FileSystem {
 public:
  virtual ~FileSystem() = default;

  /// The system's own.
  static FileSystem& real();

  /// A descriptor for writing to a file that is made, and was not there (or EEXIST).
  virtual int create(const std::filesystem::path& file, mode_t mode);
  /// A descriptor of a folder, for fsync alone.
  virtual int open_folder(const std::filesystem::path& folder);
  virtual ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t position);
  virtual int truncate(int descriptor, off_t size);
  virtual int fsync(int descriptor);
  virtual int close(int descriptor);
  virtual int rename(const std::filesystem::path& from, const std::filesystem::path& to);
  virtual int unlink(const std::filesystem::path& file);

  /// The bytes that can still be written below a folder; none where the system does not know.
  virtual std::optional<uint64_t> free_bytes(const std::filesystem::path& folder);
};

}  // namespace rcnn::io
