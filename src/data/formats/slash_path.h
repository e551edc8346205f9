#pragma once

#include <string>
#include <string_view>

namespace rcnn::data {

// Paths below a data set's folder as Place has them: parts with slashes between, "" for the folder itself.

/// "train/images" of "train/images/a.jpg"
inline std::string_view folder_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

/// "a.jpg" of "train/images/a.jpg"
inline std::string_view name_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

/// Whether a path is the folder, or leads below it.
inline bool lies_below(std::string_view path, std::string_view folder) {
  return folder.empty() || path == folder ||
         (path.starts_with(folder) && path.substr(folder.size()).starts_with('/'));
}

/// "train/images" of "train" and "images"; one of them may be empty.
inline std::string path_below(std::string_view folder, std::string_view name) {
  const char* slash = folder.empty() || name.empty() ? "" : "/";
  return std::string(folder) + slash + std::string(name);
}

}  // namespace rcnn::data
