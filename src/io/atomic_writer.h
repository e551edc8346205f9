#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include <rcnn/export.h>

#include "io/file_system.h"

namespace rcnn::io {

/// A file in the making, for content that comes piece by piece: it lies under a temporary name in the same
/// folder until commit(), and is removed when there is none. Throws DataError.
class RCNN_EXPORT AtomicWriter {
 public:
  /// `bytes` is what the content takes at least, as far as that is known: where the disk has not so many
  /// left, nothing is begun.
  explicit AtomicWriter(std::filesystem::path file, uint64_t bytes = 0,
                        FileSystem& files = FileSystem::real());
  ~AtomicWriter();
  AtomicWriter(const AtomicWriter&) = delete;
  AtomicWriter& operator=(const AtomicWriter&) = delete;

  void write(std::string_view bytes);

  /// Replaces bytes already written: for what is known only after all that follows it.
  void overwrite(uint64_t position, std::string_view bytes);

  /// Puts the content in the place of the old, for good: synced to the disk, name included.
  void commit();

 private:
  void check_space(uint64_t bytes) const;
  [[noreturn]] void fail(std::string_view what) const;

  FileSystem& files_;
  const std::filesystem::path file_;
  const std::filesystem::path folder_;
  const std::filesystem::path temporary_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
  bool renamed_ = false;
};

}  // namespace rcnn::io
