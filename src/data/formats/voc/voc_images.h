#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include <rcnn/data/formats/place.h>

#include "data/formats/image_index.h"
#include "data/formats/voc/voc_layout.h"

namespace rcnn::data {

/// Finds the images of a part; the paths that it returns start from the place.
class VocImages {
 public:
  VocImages(const Place& place, const VocPart& part);

  /// Where the image of an id lies if it has its place: below part.images, of the id's name with any ending
  /// of an image, or with none. Of several the one that `file_name` says, or the first of kImageEndings.
  std::optional<std::string> in_place(const std::string& id, std::string_view file_name) const;

  /// Where it lies otherwise, in part.scope: of the id's name, or as <filename> calls it.
  std::optional<std::string> elsewhere(const std::string& id, const std::string& file_name);

 private:
  bool may_lie_in(std::string_view folder, std::string_view wanted) const;

  const Place& place_;
  const VocPart& part_;
  std::unordered_map<std::string, const Folder*> folders_;
  std::optional<ImageIndex> index_;  // made when it is needed
};

}  // namespace rcnn::data
