#pragma once

#include <rcnn/types.h>

namespace rcnn::data {

inline constexpr const char* kTurned =
    "an image asks to be shown turned or flipped (EXIF); its pixels are taken as they are stored";

/// What is wrong when annotations state another size than an image has.
inline const char* other_size(ImageSize stated, ImageSize size) {
  const bool turned = stated.height == size.width && stated.width == size.height;
  return turned ? "the annotations are of the image turned by its EXIF orientation; turn the stored pixels"
                : "the annotations are of the image at another size";
}

}  // namespace rcnn::data
