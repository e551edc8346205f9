#pragma once

#include "data/images/image_header.h"

namespace rcnn::data {

/// Portable bitmaps, grey maps, pixmaps (P1 to P6) and arbitrary maps (P7).
struct PnmHeader {
  bool as_text = false;
  bool bits = false;  ///< one a pixel, 1 is black
  ImageSize size = {};
  int64_t channels = 1;  ///< 1 grey, 3 RGB; 2 and 4 with alpha
  int64_t largest = 1;   ///< white; above 255 a sample has two bytes, the most significant one first
  int64_t begin = 0;     ///< of the pixels in the file

  /// Of pixels that are no text.
  int64_t row_bytes() const {
    return bits ? (size.width + 7) / 8 : size.width * channels * (largest > 255 ? 2 : 1);
  }
};

bool is_pnm(FileBytes& bytes);

/// Throws DataError for a header that is damaged.
PnmHeader read_pnm_header(FileBytes& bytes);

/// The same as all kinds have it.
ImageHeader pnm_header(FileBytes& bytes);

}  // namespace rcnn::data
