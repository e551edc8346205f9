#pragma once

#include <optional>

#include <rcnn/types.h>

#include "data/images/file_bytes.h"

namespace rcnn::data {

/// Whether a file begins as JPEGs do.
bool is_jpeg(FileBytes& bytes);

struct JpegHeader {
  ImageSize size = {};
  int orientation = 1;  ///< EXIF's
  int64_t bits = 8;     ///< of a sample
};

/// Nothing when the file ends, or says nothing in its first 64 MB, before it says its size.
std::optional<JpegHeader> read_jpeg_header(FileBytes& bytes);

/// Whether the end marker is there; bytes may follow it. Thumbnails, which have one too, lie inside of
/// contents.
bool is_complete_jpeg(FileBytes& bytes);

/// "a.jpg: is cut off: ..."
DataError jpeg_ends_early(const FileBytes& bytes);

}  // namespace rcnn::data
