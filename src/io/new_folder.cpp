#include <cerrno>
#include <system_error>

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <rcnn/error.h>
#include <rcnn/io/new_folder.h>

namespace rcnn::io {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& folder, const std::error_code& why) {
  throw ConfigError(fmt::format("--output {}: cannot be made: {}", folder.string(), why.message()));
}

void check_unused(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_empty(folder, error)) {
    throw ConfigError(
        fmt::format("--output {}: already in use; name a new folder or remove it", folder.string()));
  }
}

}  // namespace

void make_new_folder(const fs::path& folder) {
  check_unused(folder);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) refuse(folder, error);
}

void check_new_folder(const fs::path& folder) {
  check_unused(folder);
  std::error_code error;
  fs::path there = fs::absolute(folder).lexically_normal();
  while (!fs::exists(there, error) && !error) there = there.parent_path();
  if (error) refuse(folder, error);
  if (!fs::is_directory(there)) refuse(folder, std::make_error_code(std::errc::not_a_directory));
  if (access(there.c_str(), W_OK | X_OK) != 0) refuse(folder, {errno, std::generic_category()});
}

}  // namespace rcnn::io
