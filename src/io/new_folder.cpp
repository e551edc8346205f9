#include <system_error>

#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>
#include <rcnn/io/new_folder.h>

namespace rcnn::io {

void make_new_folder(const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::exists(folder, error) && !std::filesystem::is_empty(folder, error)) {
    throw ConfigError(
        fmt::format("--output {}: already in use; name a new folder or remove it", folder.string()));
  }
  std::filesystem::create_directories(folder, error);
  if (error)
    throw ConfigError(fmt::format("--output {}: cannot be made: {}", folder.string(), error.message()));
}

}  // namespace rcnn::io
