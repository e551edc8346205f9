#pragma once

#include <cstdint>
#include <string>

/// What goes into a detector and what comes out of it, without LibTorch. The conventions stand in types.h.
namespace rcnn {

/// In pixels.
struct ImageSize {
  int64_t height = 0;
  int64_t width = 0;
  bool operator==(const ImageSize&) const = default;
};

/// Corners in pixels, x2 and y2 exclusive.
struct Box {
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  float width() const { return x2 - x1; }
  float height() const { return y2 - y1; }
  bool operator==(const Box&) const = default;
};

/// One class of a data set: its own id (COCO's are not contiguous) and its name.
struct Category {
  int64_t id = 0;
  std::string name;
  bool operator==(const Category&) const = default;
};

/// One detected object, in the pixels of the image as it was given.
struct Detection {
  Box box;
  float score = 0;
  int64_t label = 0;  ///< 1..C
};

/// The same for who has no use for labels: the class by the data set's own id and by its name.
struct DetectedObject {
  Box box;
  float score = 0;
  int64_t class_id = 0;
  std::string class_name = {};
  bool operator==(const DetectedObject&) const = default;
};

}  // namespace rcnn
