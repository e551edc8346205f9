#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rcnn::eval {

/// The file name and the folders of a path, last first: "./train/a.jpg" is {"a.jpg", "train"}. Both kinds of
/// slashes separate, for annotations made on Windows.
std::vector<std::string_view> path_parts(std::string_view path);

/// Finds paths by how they end.
class PathIndex {
 public:
  /// `paths` must outlive the index.
  explicit PathIndex(std::span<const std::string_view> paths);

  struct Found {
    std::span<const uint32_t> places;  ///< of the paths that end like the one asked for; none, one or several
    bool folders_differ = false;       ///< both have folders before the part that is equal
  };

  /// The paths that have the most last parts in common with `path`, at least the file name. One that has no
  /// other parts comes before those that do.
  Found find(std::string_view path) const;

  /// Whether a path is among those found.
  bool has(const Found& found, uint32_t place) const;

 private:
  std::vector<std::vector<std::string_view>> parts_;
  std::vector<uint32_t> order_;  // of the paths, by their parts
  std::vector<uint32_t> ranks_;  // their places in it
};

}  // namespace rcnn::eval
