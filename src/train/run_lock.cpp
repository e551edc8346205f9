#include <array>
#include <cerrno>
#include <climits>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/file.h>
#include <unistd.h>

#include <rcnn/error.h>
#include <rcnn/train/run_lock.h>

#include "io/files/process_name.h"

namespace rcnn::train {
namespace {

std::string content_of(int descriptor) {
  std::array<char, HOST_NAME_MAX + 32> text;
  const ssize_t size = pread(descriptor, text.data(), text.size(), 0);
  return {text.data(), size > 0 ? static_cast<size_t>(size) : 0};
}

}  // namespace

std::string RunLock::host() {
  return io::host_name();
}

RunLock::RunLock(const std::filesystem::path& folder) {
  const auto file = folder / kFile;
  descriptor_ = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  const auto fail = [&] {
    throw DataError(
        fmt::format("{}: cannot be locked: {}", file.string(), std::generic_category().message(errno)));
  };
  if (descriptor_ < 0) fail();
  const bool locked = flock(descriptor_, LOCK_EX | LOCK_NB) == 0;
  // Some network file systems know no locks: there the name must do.
  const bool unknown = !locked && (errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS);
  const std::string owner = content_of(descriptor_);
  if (!locked && (!unknown || io::may_live(owner))) {
    close(descriptor_);
    throw ConfigError(
        fmt::format("{}: another process writes there ({}): wait for it, stop it, or name another folder{}",
                    folder.string(), owner.empty() ? "unnamed" : owner,
                    unknown ? fmt::format("; if it is gone, remove {}", file.string()) : ""));
  }
  const std::string own = io::process_name();
  if (ftruncate(descriptor_, 0) != 0 || pwrite(descriptor_, own.data(), own.size(), 0) != std::ssize(own))
    fail();
}

RunLock::~RunLock() {
  if (descriptor_ < 0) return;
  // An empty file says that nobody was killed here. Removing it could take the lock of one who comes just
  // now.
  [[maybe_unused]] const int failure = ftruncate(descriptor_, 0);
  close(descriptor_);
}

}  // namespace rcnn::train
