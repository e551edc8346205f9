#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include <rcnn/error.h>

#include "descriptor.h"

namespace rcnn::data {

/// "a.jpg: is empty"
DataError file_error(const std::filesystem::path& file, std::string_view what);

/// The bytes of a regular file, read in blocks as they are asked for, so that a look at its head and its tail
/// costs no more than these.
class FileBytes {
 public:
  static constexpr int kEnd = -1;

  /// Throws DataError for what is missing, no regular file, empty, or may not be read; all() and [] do when
  /// reading fails.
  explicit FileBytes(const std::filesystem::path& file);

  const std::filesystem::path& file() const { return file_; }
  int64_t size() const { return size_; }

  /// 0 .. 255, or kEnd outside of the file.
  int operator[](int64_t offset) {
    if (offset < begin_ || offset >= end_) return fetch(offset);
    return block_[static_cast<size_t>(offset - begin_)];
  }

  /// `count` bytes as a number, the most significant one first or last; kEnd when one lies outside.
  int64_t big_endian(int64_t offset, int count) { return number(offset, 1, count); }
  int64_t little_endian(int64_t offset, int count) { return number(offset + count - 1, -1, count); }

  /// Bytes begin .. end - 1, which lie in the file; valid until others are asked for.
  std::span<const uint8_t> part(int64_t begin, int64_t end);

  /// The whole file; valid as long as this object.
  std::span<const uint8_t> all() { return part(0, size_); }

 private:
  int64_t number(int64_t most_significant, int step, int count);
  int fetch(int64_t offset);
  void read(int64_t begin, int64_t end);

  std::filesystem::path file_;
  const Descriptor descriptor_;
  int64_t size_ = 0;
  std::unique_ptr<uint8_t[]> block_;  // bytes begin_ .. end_ - 1 of the file
  int64_t begin_ = 0, end_ = 0;
};

}  // namespace rcnn::data
