#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include <rcnn/export.h>

#include "io/files/file_system.h"

namespace rcnn::io {

/// A new file beside the one whose place it will take: under a temporary name in the same folder, with the
/// mode and, where the system allows it, the owner of a file that is there already. It is removed unless it
/// was put in place. What lies there and is no file, or a link to such, is never replaced. Throws
/// WriteError.
class RCNN_EXPORT TemporaryFile {
 public:
  /// `bytes` is what the content takes at least, as far as that is known: where the disk has not so many
  /// left, nothing is begun.
  TemporaryFile(std::filesystem::path file, uint64_t bytes, FileSystem& files);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void write(uint64_t position, std::string_view bytes);
  void truncate(uint64_t size);
  void sync();
  void close();

  /// Takes the name of the file, which may still be written.
  void put_in_place();

  /// Syncs that name to the disk.
  void sync_name();

 private:
  void check_space(uint64_t bytes) const;
  void check_place();
  void create();
  [[noreturn]] void fail(std::string_view what) const;

  FileSystem& files_;
  const std::filesystem::path file_;
  const std::filesystem::path folder_;
  std::filesystem::path temporary_;
  mode_t mode_ = 0666;
  bool replaces_ = false;  // a file, whose mode and owner follow
  uid_t owner_ = 0;
  gid_t group_ = 0;
  int descriptor_ = -1;
  bool in_place_ = false;
};

}  // namespace rcnn::io
