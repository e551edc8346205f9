#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

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
  virtual int create(const std::filesystem::path& file, mode_t mode) {
    return ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  }
  /// A descriptor of a folder, for fsync alone.
  virtual int open_folder(const std::filesystem::path& folder) {
    return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  virtual ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t position) {
    return ::pwrite(descriptor, bytes, size, position);
  }
  virtual int truncate(int descriptor, off_t size) { return ::ftruncate(descriptor, size); }
  virtual int fsync(int descriptor) { return ::fsync(descriptor); }
  virtual int close(int descriptor) { return ::close(descriptor); }
  virtual int rename(const std::filesystem::path& from, const std::filesystem::path& to) {
    return ::rename(from.c_str(), to.c_str());
  }
  virtual int unlink(const std::filesystem::path& file) { return ::unlink(file.c_str()); }

  /// The bytes that can still be written below a folder; none where the system does not know.
  virtual std::optional<uint64_t> free_bytes(const std::filesystem::path& folder);
};

}  // namespace rcnn::io
