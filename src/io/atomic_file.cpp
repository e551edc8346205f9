#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <rcnn/io/atomic_file.h>

#include "io/atomic_writer.h"

namespace rcnn::io {
namespace {

namespace fs = std::filesystem;

/// Unique among the processes of this machine and the threads of this one.
fs::path temporary_name(const fs::path& file) {
  static std::atomic<int> count = 0;
  return fmt::format("{}.tmp.{}.{}", file.string(), getpid(), count++);
}

}  // namespace

AtomicWriter::AtomicWriter(fs::path file)
    : file_(std::move(file)),
      temporary_(temporary_name(file_)),
      descriptor_(open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) fail("create");
}

AtomicWriter::~AtomicWriter() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!renamed_) unlink(temporary_.c_str());
}

void AtomicWriter::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write");
    bytes.remove_prefix(written);
  }
}

void AtomicWriter::overwrite(size_t position, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(position));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write");
    bytes.remove_prefix(written);
    position += written;
  }
}

void AtomicWriter::commit() {
  if (fsync(descriptor_) != 0) fail("write");
  if (close(std::exchange(descriptor_, -1)) != 0) fail("write");
  if (rename(temporary_.c_str(), file_.c_str()) != 0) fail("replace");
  renamed_ = true;

  const fs::path folder = file_.has_parent_path() ? file_.parent_path() : ".";
  descriptor_ = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ < 0) fail("sync the folder of");
  // EINVAL: a file system that has no notion of it.
  if (fsync(descriptor_) != 0 && errno != EINVAL) fail("sync the folder of");
}

void AtomicWriter::fail(std::string_view what) const {
  throw DataError(
      fmt::format("cannot {} {}: {}", what, file_.string(), std::generic_category().message(errno)));
}

void write_atomically(const fs::path& file, std::span<const std::string_view> pieces) {
  AtomicWriter writer(file);
  for (const auto piece : pieces) writer.write(piece);
  writer.commit();
}

void write_atomically(const fs::path& file, std::string_view content) {
  write_atomically(file, {&content, 1});
}

}  // namespace rcnn::io
