#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>

#include <sys/mman.h>
#include <unistd.h>

#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/data/problems.h>
#include <rcnn/error.h>
#include <rcnn/log.h>

#include "utf8.h"

/// Nothing is said here; the terminal's part of the library stays out of it.
void rcnn::log::warn(std::string_view) {}

namespace rcnn::data {

inline void require(bool holds) {
  if (!holds) std::abort();
}

/// A file that holds the bytes, until the next are asked for.
inline std::filesystem::path as_file(const uint8_t* data, size_t size) {
  static const int descriptor = memfd_create("input", 0);
  require(ftruncate(descriptor, 0) == 0 && pwrite(descriptor, data, size, 0) == static_cast<ssize_t>(size));
  return "/proc/self/fd/" + std::to_string(descriptor);
}

/// What people read has a line for each kind, in UTF-8, whatever the bytes.
inline void check(const Problems& problems) {
  for (const auto severity : {Severity::warning, Severity::error}) {
    const auto text = problems.text(severity);
    const auto of_it = [&](const Problems::Kind& kind) { return kind.severity == severity; };
    require(is_utf8(text));
    require(std::ranges::count(text, '\n') == std::ranges::count_if(problems.kinds(), of_it));
  }
}

/// Boxes are of finite numbers, of images and classes that are there, and details of all annotations or none.
inline void check(const CocoFile& content) {
  std::set<int64_t> images, categories;
  for (const auto& image : content.images) {
    images.insert(image.id);
    require(is_utf8(image.file_name) && is_utf8(image.name));
    require(image.size.width >= 0 && image.size.height >= 0);
  }
  for (const auto& category : content.categories) {
    categories.insert(category.id);
    require(is_utf8(category.name));
  }
  for (const auto& annotation : content.annotations) {
    require(std::ranges::all_of(annotation.box, [](double side) { return std::isfinite(side); }));
  }
  require(content.details.empty() || content.details.size() == content.annotations.size());
}

/// Reads what a file of these bytes holds. Only a DataError may come of it.
template <class Read>
int fuzz(const uint8_t* data, size_t size, Read read) {
  Problems problems;
  try {
    read(as_file(data, size), problems);
  } catch (const DataError& error) {
    require(std::strlen(error.what()) > 0);
  }
  check(problems);
  return 0;
}

}  // namespace rcnn::data
