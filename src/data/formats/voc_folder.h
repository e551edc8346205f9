#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rcnn/data/problems.h>

namespace rcnn::data {

/// Whether this is what VOC's lists of one class have in a second column: is the class there (1), not (-1),
/// hard to see (0).
bool is_presence(std::string_view word);

/// A data set in Pascal VOC's layout: what lies where.
class VocFolder {
 public:
  explicit VocFolder(std::filesystem::path root) : root_(std::move(root)) {}

  /// Throws DataError unless its folders are there.
  void check() const;

  /// Makes them, see io::make_new_folder().
  void make() const;

  /// The ids in ImageSets/Main/<split>.txt, in order. Names that lead out of the data set or come twice are
  /// added to `problems` and left out. Throws DataError when there is no such list, or nothing in it.
  std::vector<std::string> ids(const std::string& split, Problems& problems) const;

  std::filesystem::path annotation(const std::string& id) const { return root_ / annotation_name(id); }

  /// The first of JPEGImages/<id> .jpg, .JPG, .jpeg, .JPEG, .png that is there.
  std::optional<std::filesystem::path> image(const std::string& id) const;

  const std::filesystem::path& root() const { return root_; }

  static std::string annotation_name(const std::string& id) { return "Annotations/" + id + ".xml"; }

 private:
  std::string id_of(std::string_view line) const;

  std::filesystem::path root_;
};

}  // namespace rcnn::data
