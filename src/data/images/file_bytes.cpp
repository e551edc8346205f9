#include "data/images/file_bytes.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rcnn::data {
namespace {

constexpr int64_t kBlock = 16384;  // holds the header of most photographs

}  // namespace

DataError file_error(const std::filesystem::path& file, std::string_view what) {
  return DataError(fmt::format("{}: {}", file.string(), what));
}

// Without O_NONBLOCK, opening a pipe would wait for its writer.
FileBytes::FileBytes(const std::filesystem::path& file) : file_(file), descriptor_(file, O_NONBLOCK) {
  struct stat status {};
  if (!descriptor_.is_open() || ::fstat(descriptor_.number(), &status) != 0)
    throw file_error(file, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) throw file_error(file, "is no regular file; an image file is expected");
  if (status.st_size == 0) throw file_error(file, "is empty");
  size_ = status.st_size;
}

void FileBytes::read(int64_t begin, int64_t end) {
  block_ = std::make_unique_for_overwrite<uint8_t[]>(static_cast<size_t>(end - begin));
  begin_ = end_ = begin;
  while (end_ < end) {
    const ssize_t count =
        ::pread(descriptor_.number(), block_.get() + (end_ - begin), static_cast<size_t>(end - end_), end_);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0)
      throw file_error(file_, count < 0 ? std::strerror(errno) : "became shorter while it was read");
    end_ += count;
  }
}

int FileBytes::fetch(int64_t offset) {
  if (offset < 0 || offset >= size_) return kEnd;
  const int64_t begin = offset / kBlock * kBlock;
  read(begin, std::min(begin + kBlock, size_));
  return (*this)[offset];
}

std::span<const uint8_t> FileBytes::part(int64_t begin, int64_t end) {
  if (begin < begin_ || end > end_) read(begin, end);
  return {block_.get() + (begin - begin_), static_cast<size_t>(end - begin)};
}

int64_t FileBytes::number(int64_t most_significant, int step, int count) {
  int64_t value = 0;
  for (int i = 0; i < count; ++i) {
    const int byte = (*this)[most_significant + i * step];
    if (byte == kEnd) return kEnd;
    value = value << 8 | byte;
  }
  return value;
}

}  // namespace rcnn::data
