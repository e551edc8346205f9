#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <rcnn/data/formats/place.h>

namespace rcnn::data {

/// The images of a data set, found by what its annotation files call them.
class ImageIndex {
 public:
  /// `place` is a folder.
  explicit ImageIndex(const Place& place);

  /// Where the image lies below the place that an annotation file in its folder `from` calls `name`: a path
  /// or a name alone, with the image's ending, in any case of letters, or without it (VOC's ids). Taken is,
  /// in this order: the path from `from` or from the place; the file whose path ends most like it, for it
  /// may be another computer's; of these the one in `from`, below it, beside it, anywhere. None where there
  /// is no such image, or where several are equally near.
  std::optional<std::string> find(std::string_view name, std::string_view from) const;

  /// The images that lie in a folder itself, by the paths that find() gives.
  std::vector<std::string> in(std::string_view folder) const;

  /// Whether find() may find it, from wherever it is looked for.
  bool has(std::string_view name) const;

 private:
  struct Entry {
    std::string folder, file;
  };
  const std::vector<size_t>* named(std::string_view name) const;

  std::vector<Entry> entries_;
  std::unordered_map<std::string, std::vector<size_t>> by_name_, by_stem_;  // in lower case
};

}  // namespace rcnn::data
