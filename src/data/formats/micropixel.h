#pragma once

#include <cmath>

#include <rcnn/data/formats/coco/coco_file.h>

namespace rcnn::data {

/// Rounded to a millionth of a pixel: what files mean by decimals, without the last bits of sums of them.
inline double micropixel(double length) {
  return std::round(length * 1e6) / 1e6;
}

/// The box, to a millionth of a pixel, of an annotation that another format has, and its area for that of the
/// object.
inline void set_box(CocoAnnotation& annotation, double x, double y, double width, double height) {
  annotation.box = {micropixel(x), micropixel(y), micropixel(width), micropixel(height)};
  annotation.area = annotation.box[2] * annotation.box[3];
}

}  // namespace rcnn::data
