#pragma once

#include <algorithm>
#include <filesystem>
#include <string>

namespace rcnn::data {

/// Whether a file name from an annotation file stays inside of the folder that it starts from.
inline bool stays_inside(const std::string& file_name) {
  const std::filesystem::path name = file_name;
  return !name.empty() && !name.is_absolute() && file_name.find('\0') == std::string::npos &&
         std::find(name.begin(), name.end(), "..") == name.end();
}

/// Whether a path is a folder's or leads below it; both canonical.
inline bool lies_in(const std::filesystem::path& file, const std::filesystem::path& folder) {
  const auto inside = file.lexically_relative(folder);
  return inside.empty() || *inside.begin() != "..";
}

}  // namespace rcnn::data
