#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "io/files/atomic_writer.h"

namespace rcnn::io {

/// Writes a zip archive of stored files, each beginning at a multiple of 64 bytes, so that tensors can be
/// used where they lie. The same files give the same bytes.
class ZipWriter {
 public:
  explicit ZipWriter(AtomicWriter& out) : out_(out) {}

  /// `name` is UTF-8, of less than 64 KiB.
  void add(std::string_view name, std::string_view data);

  /// The directory, after the last file.
  void finish();

 private:
  void write(std::string_view bytes);

  AtomicWriter& out_;
  uint64_t position_ = 0;
  uint64_t entries_ = 0;
  std::string directory_;
};

}  // namespace rcnn::io
