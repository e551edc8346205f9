#pragma once

#include <filesystem>
#include <string_view>

#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>

namespace rcnn::tools {

/// Everything about a file to be written that can be said before the work. `option` names it.
inline void check_output_file(std::string_view option, const std::filesystem::path& file) {
  namespace fs = std::filesystem;
  std::error_code not_there;
  if (fs::is_directory(file, not_there))
    throw ConfigError(fmt::format("{} {}: is a folder; name a file", option, file.string()));
  const auto folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  if (!fs::is_directory(folder, not_there))
    throw ConfigError(fmt::format("{} {}: there is no folder {}", option, file.string(), folder.string()));
}

}  // namespace rcnn::tools
