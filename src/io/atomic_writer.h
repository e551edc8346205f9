#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace rcnn::io {

/// A file in the making, for content that comes piece by piece: it lies under a temporary name in the same
/// folder until commit(), and is removed when there is none. Throws DataError.
class AtomicWriter {
 public:
  explicit AtomicWriter(std::filesystem::path file);
  ~AtomicWriter();
  AtomicWriter(const AtomicWriter&) = delete;
  AtomicWriter& operator=(const AtomicWriter&) = delete;

  void write(std::string_view bytes);

  /// Replaces bytes already written: for what is known only after all that follows it.
  void overwrite(size_t position, std::string_view bytes);

  /// Puts the content in the place of the old, for good: synced to the disk, name included.
  void commit();

 private:
  [[noreturn]] void fail(std::string_view what) const;

  const std::filesystem::path file_;
  const std::filesystem::path temporary_;
  int descriptor_ = -1;
  bool renamed_ = false;
};

}  // namespace rcnn::io
