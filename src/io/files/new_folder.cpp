#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <rcnn/error.h>
#include <rcnn/io/files/new_folder.h>

namespace rcnn::io {
namespace {

namespace fs = std::filesystem;

/// The command line is wrong, unless it is the system that refuses.
[[noreturn]] void refuse(const fs::path& folder, std::string_view what, int error) {
  constexpr std::array kOfSystem = {EACCES, EPERM, EROFS, ENOSPC, EDQUOT, EIO};
  const auto said = fmt::format("--output {}: cannot be {}: {}", folder.string(), what,
                                std::generic_category().message(error));
  if (std::ranges::find(kOfSystem, error) != kOfSystem.end()) throw DataError(said);
  throw ConfigError(said);
}

void check_writable(const fs::path& folder, const fs::path& there) {
  if (::access(there.c_str(), W_OK | X_OK) != 0) refuse(folder, "written", errno);
}

void check_unused(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_empty(folder, error)) {
    throw ConfigError(
        fmt::format("--output {}: already in use; name a new folder or remove it", folder.string()));
  }
}

}  // namespace

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) refuse(folder, "made", error.value());
  check_writable(folder, folder);
}

void make_new_folder(const fs::path& folder) {
  check_unused(folder);
  make_folder(folder);
}

void check_new_folder(const fs::path& folder) {
  check_unused(folder);
  std::error_code error;
  fs::path there = fs::absolute(folder).lexically_normal();
  while (!fs::exists(there, error) && !error) there = there.parent_path();
  if (error) refuse(folder, "made", error.value());
  if (!fs::is_directory(there)) refuse(folder, "made", ENOTDIR);
  check_writable(folder, there);
}

}  // namespace rcnn::io
