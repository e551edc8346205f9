#pragma once

#include <cstdint>
#include <optional>

#include "data/images/image_header.h"

namespace rcnn::data {

/// read_image_header() for the kinds whose header is a text: PNM, PAM, PFM and Radiance's HDR.
std::optional<ImageHeader> read_text_header(FileBytes& bytes);

/// Where so many rows end; INT64_MAX for what no file reaches.
inline int64_t end_of_rows(int64_t begin, int64_t bytes_of_a_row, int64_t rows) {
  if (begin < 0 || bytes_of_a_row < 0 || rows < 0) return INT64_MAX;
  return rows > 0 && bytes_of_a_row > (INT64_MAX - begin) / rows ? INT64_MAX : begin + bytes_of_a_row * rows;
}

}  // namespace rcnn::data
