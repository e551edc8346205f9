#pragma once

#include <filesystem>
#include <system_error>

namespace rcnn::data {

/// Whether there is such a file or folder that can be looked at.
inline bool is_there(const std::filesystem::path& path) {
  std::error_code ignored;  // a name that is too long, a folder that may not be read
  return std::filesystem::exists(path, ignored);
}

}  // namespace rcnn::data
