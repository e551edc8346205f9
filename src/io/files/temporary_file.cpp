#include "io/files/temporary_file.h"

#include <atomic>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rcnn/io/files/atomic_file.h>

namespace rcnn::io {
namespace {

namespace fs = std::filesystem;

/// Unique among the processes of this machine and the threads of this one; see remove_temporaries().
fs::path temporary_name(const fs::path& file) {
  constexpr size_t kLongest = 200;  // of the 255 bytes that a name may have
  static std::atomic<unsigned> count = 0;
  const auto name = file.filename().string().substr(0, kLongest);
  return file.parent_path() / fmt::format("{}.tmp.{}.{}", name, getpid(), count++);
}

/// What `call` returns once no signal interrupts it.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

}  // namespace

TemporaryFile::TemporaryFile(fs::path file, uint64_t bytes, FileSystem& files)
    : files_(files), file_(std::move(file)), folder_(file_.has_parent_path() ? file_.parent_path() : ".") {
  check_space(bytes);
  check_place();
  create();
}

TemporaryFile::~TemporaryFile() {
  if (descriptor_ >= 0) files_.close(descriptor_);
  if (!in_place_) files_.unlink(temporary_);
}

void TemporaryFile::write(uint64_t position, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = uninterrupted(
        [&] { return files_.pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(position)); });
    if (written == 0) errno = ENOSPC;  // no progress and no reason: it would never end
    if (written <= 0) fail("write");
    bytes.remove_prefix(static_cast<size_t>(written));
    position += static_cast<uint64_t>(written);
  }
}

void TemporaryFile::truncate(uint64_t size) {
  if (uninterrupted([&] { return files_.truncate(descriptor_, static_cast<off_t>(size)); }) != 0)
    fail("write");
}

void TemporaryFile::sync() {
  if (uninterrupted([&] { return files_.fsync(descriptor_); }) != 0) fail("write");
}

void TemporaryFile::close() {
  // Interrupted or not, the descriptor is closed.
  if (files_.close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR) fail("write");
}

void TemporaryFile::put_in_place() {
  check_place();
  if (files_.rename(temporary_, file_) != 0) fail("replace");
  in_place_ = true;
}

void TemporaryFile::sync_name() {
  const int folder = uninterrupted([&] { return files_.open_folder(folder_); });
  if (folder < 0) fail("sync the folder of");
  const bool failed = uninterrupted([&] { return files_.fsync(folder); }) != 0;
  const int error = errno;
  files_.close(folder);  // which has nothing to lose
  errno = error;
  // EINVAL: a file system that has no notion of it.
  if (failed && error != EINVAL) fail("sync the folder of");
}

void TemporaryFile::check_space(uint64_t bytes) const {
  if (bytes == 0) return;
  const auto left = files_.free_bytes(folder_);
  if (!left || *left >= bytes) return;
  constexpr uint64_t kMegabyte = 1'000'000;
  throw WriteError(
      fmt::format("cannot write {}: it takes {} MB, and {} MB are free in {}; make room there, or "
                  "write elsewhere",
                  file_.string(), (bytes - 1) / kMegabyte + 1, *left / kMegabyte, folder_.string()),
      ENOSPC);
}

void TemporaryFile::check_place() {
  struct stat there {};
  if (::lstat(file_.c_str(), &there) != 0) {
    if (errno != ENOENT) fail("create");
    return;
  }
  if (S_ISDIR(there.st_mode)) {
    errno = EISDIR;
    fail("replace");
  }
  replaces_ = S_ISREG(there.st_mode);
  struct stat target {};
  const bool is_link = S_ISLNK(there.st_mode);
  const bool is_file =
      replaces_ || (is_link && (::stat(file_.c_str(), &target) != 0 || S_ISREG(target.st_mode)));
  if (!is_file) {
    throw WriteError(fmt::format("{}: cannot be written: it is no file; name another", file_.string()),
                     EINVAL);
  }
  if (!replaces_) return;
  mode_ = there.st_mode & 0777;
  owner_ = there.st_uid;
  group_ = there.st_gid;
}

void TemporaryFile::create() {
  do {
    temporary_ = temporary_name(file_);
    descriptor_ = uninterrupted([&] { return files_.create(temporary_, mode_); });
  } while (descriptor_ < 0 && errno == EEXIST);  // left by another process of this number
  if (descriptor_ < 0) fail("create");
  if (!replaces_) return;
  [[maybe_unused]] const int owned = ::fchown(descriptor_, owner_, group_);  // as far as that is allowed
  [[maybe_unused]] const int kept = ::fchmod(descriptor_, mode_);
}

void TemporaryFile::fail(std::string_view what) const {
  const int error = errno;
  throw WriteError(
      fmt::format("cannot {} {}: {}", what, file_.string(), std::generic_category().message(error)), error);
}

}  // namespace rcnn::io
