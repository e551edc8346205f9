#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include <rcnn/export.h>

#include "io/files/temporary_file.h"

namespace rcnn::io {

/// A file in the making, for content that comes piece by piece: it lies under a temporary name in the same
/// folder until commit(), and is removed when there is none. Throws WriteError.
class RCNN_EXPORT AtomicWriter {
 public:
  /// `bytes` is what the content takes at least, as far as that is known: where the disk has not so many
  /// left, nothing is begun.
  explicit AtomicWriter(std::filesystem::path file, uint64_t bytes = 0,
                        FileSystem& files = FileSystem::real())
      : file_(std::move(file), bytes, files) {}

  void write(std::string_view bytes) {
    file_.write(size_, bytes);
    size_ += bytes.size();
  }

  /// Replaces bytes already written: for what is known only after all that follows it.
  void overwrite(uint64_t position, std::string_view bytes) { file_.write(position, bytes); }

  /// Puts the content in the place of the old, for good: synced to the disk, name included.
  void commit() {
    file_.sync();
    commit_unsynced();
    file_.sync_name();
  }

  /// The same without waiting for the disk: what a crash of the whole machine may leave cut off.
  void commit_unsynced() {
    file_.close();
    file_.put_in_place();
  }

 private:
  TemporaryFile file_;
  uint64_t size_ = 0;
};

}  // namespace rcnn::io
