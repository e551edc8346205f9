#pragma once

#include <cstdint>

#include "data/images/file_bytes.h"

namespace rcnn::data {

struct Orientation {
  int value = 1;        ///< 1 as stored, 2 .. 8 to be flipped or turned
  int64_t offset = -1;  ///< where its two bytes lie in the file; -1: nowhere
};

/// What the TIFF structure in bytes begin .. end - 1 of a file, TIFF or EXIF, says of the image's orientation
/// (EXIF 2.32, section 4.6.4, tag 0x0112 of the first directory): 1 when it says nothing, or nothing that
/// could be understood.
Orientation find_orientation(FileBytes& bytes, int64_t begin, int64_t end);

}  // namespace rcnn::data
