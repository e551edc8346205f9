#pragma once

#include <string>
#include <vector>

#include <rcnn/data/formats/place.h>

namespace rcnn::data {

/// What can be said of a JSON file without reading all that it means.
struct CocoGlance {
  bool is_instances = false;
  std::string lacks = {};                ///< why it is no instances file, where it resembles one
  std::vector<std::string> images = {};  ///< file names of the first
  std::string problem = {};              ///< why it is no JSON
};

/// An instances file has images, and annotations of categories or with boxes, which captions, key points
/// alone and lists of results are not. Looks at the file's head, and at the whole file only if that does not
/// tell. Throws DataError when it cannot be read.
CocoGlance glance(const std::filesystem::path& file);

}  // namespace rcnn::data
