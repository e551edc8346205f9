#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "text.h"

namespace rcnn::data {

/// The endings of images that are read, in lower case; first what a name without an ending means most often.
inline constexpr std::array<std::string_view, 7> kImageEndings = {".jpg", ".jpeg", ".png", ".bmp",
                                                                  ".tif", ".tiff", ".webp"};

/// Without it, a file's name is its stem; empty for a name without a dot, or with none but its first letter.
inline std::string_view ending_of(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? std::string_view() : name.substr(dot);
}

/// A file's name or path without its ending.
inline std::string_view stem_of(std::string_view path) {
  const auto name = path.substr(path.rfind('/') + 1);
  return path.substr(0, path.size() - ending_of(name).size());
}

inline bool has_image_ending(std::string_view name) {
  return std::ranges::find(kImageEndings, lower(std::string(ending_of(name)))) != kImageEndings.end();
}

}  // namespace rcnn::data
