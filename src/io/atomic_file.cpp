#include <atomic>
#include <cerrno>
#include <regex>
#include <system_error>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <rcnn/io/atomic_file.h>

#include "io/atomic_writer.h"

namespace rcnn::io {
namespace {

namespace fs = std::filesystem;

/// Unique among the processes of this machine and the threads of this one; see is_temporary.
fs::path temporary_name(const fs::path& file) {
  static std::atomic<unsigned> count = 0;
  return fmt::format("{}.tmp.{}.{}", file.string(), getpid(), count++);
}

bool is_temporary(const fs::directory_entry& entry) {
  static const std::regex kName(R"([\s\S]+\.tmp\.[0-9]+\.[0-9]+)");
  std::error_code ignored;  // an entry that is gone already is no file
  return fs::is_regular_file(entry.symlink_status(ignored)) &&
         std::regex_match(entry.path().filename().string(), kName);
}

/// What `call` returns once no signal interrupts it.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

}  // namespace

AtomicWriter::AtomicWriter(fs::path file, uint64_t bytes, FileSystem& files)
    : files_(files),
      file_(std::move(file)),
      folder_(file_.has_parent_path() ? file_.parent_path() : "."),
      temporary_(temporary_name(file_)) {
  check_space(bytes);
  descriptor_ = uninterrupted([&] { return files_.create(temporary_); });
  if (descriptor_ < 0) fail("create");
}

AtomicWriter::~AtomicWriter() {
  if (descriptor_ >= 0) files_.close(descriptor_);
  if (!renamed_) files_.unlink(temporary_);
}

void AtomicWriter::write(std::string_view bytes) {
  overwrite(size_, bytes);
  size_ += bytes.size();
}

void AtomicWriter::overwrite(uint64_t position, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = uninterrupted(
        [&] { return files_.pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(position)); });
    if (written == 0) errno = ENOSPC;  // no progress and no reason: it would never end
    if (written <= 0) fail("write");
    bytes.remove_prefix(static_cast<size_t>(written));
    position += static_cast<uint64_t>(written);
  }
}

void AtomicWriter::commit() {
  const auto sync = [&] { return uninterrupted([&] { return files_.fsync(descriptor_); }); };
  if (sync() != 0) fail("write");
  // Interrupted or not, the descriptor is closed, and all is on the disk.
  if (files_.close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR) fail("write");
  if (files_.rename(temporary_, file_) != 0) fail("replace");
  renamed_ = true;

  descriptor_ = uninterrupted([&] { return files_.open_folder(folder_); });
  if (descriptor_ < 0) fail("sync the folder of");
  // EINVAL: a file system that has no notion of it.
  if (sync() != 0 && errno != EINVAL) fail("sync the folder of");
}

void AtomicWriter::check_space(uint64_t bytes) const {
  if (bytes == 0) return;
  const auto left = files_.free_bytes(folder_);
  if (!left || *left >= bytes) return;
  constexpr uint64_t kMegabyte = 1'000'000;
  throw DataError(fmt::format(
      "cannot write {}: it takes {} MB, and {} MB are free in {}; make room there, or write elsewhere",
      file_.string(), (bytes - 1) / kMegabyte + 1, *left / kMegabyte, folder_.string()));
}

void AtomicWriter::fail(std::string_view what) const {
  const auto reason = std::generic_category().message(errno);
  throw DataError(fmt::format("cannot {} {}: {}", what, file_.string(), reason));
}

void write_atomically(const fs::path& file, std::span<const std::string_view> pieces) {
  uint64_t bytes = 0;
  for (const auto piece : pieces) bytes += piece.size();
  AtomicWriter writer(file, bytes);
  for (const auto piece : pieces) writer.write(piece);
  writer.commit();
}

void write_atomically(const fs::path& file, std::string_view content) {
  write_atomically(file, {&content, 1});
}

size_t remove_temporaries(const fs::path& folder) {
  const auto refuse = [](std::string_view what, const fs::path& where, const std::error_code& why) {
    throw DataError(fmt::format("cannot {} {}: {}", what, where.string(), why.message()));
  };
  std::error_code error;
  size_t removed = 0;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (!is_temporary(*entry)) continue;
    const fs::path file = entry->path();
    removed += fs::remove(file, error);
    if (error) refuse("remove", file, error);
  }
  if (error) refuse("list the folder", folder, error);
  return removed;
}

}  // namespace rcnn::io
