#pragma once

#include <cstdint>
#include <string_view>

#include <rcnn/types.h>

#include "data/images/file_bytes.h"

namespace rcnn::data {

/// The kinds of files that are decoded. OpenCV knows more, but what cannot be sized here is not given to it.
enum class ImageKind { jpeg, png, bmp, tiff, webp, jpeg2000, pnm, sun };

/// What the first bytes of an image file say.
struct ImageHeader {
  ImageKind kind = ImageKind::jpeg;
  ImageSize size = {};   ///< of the first image in it, as its decoder will find it
  int orientation = 1;   ///< EXIF's or TIFF's
  bool several = false;  ///< pages or frames, of which the first one counts
  int64_t end = 0;       ///< the file must reach so far, as far as the header tells; 0 where it does not
};

/// Finds the kind by the content and reads what its decoder will allocate by, a few blocks of the file
/// whatever they hold. Throws DataError for what begins as none of the kinds, with its name where it is
/// known, for a header that is damaged or cut off, and for a variant whose pixels would be misread.
ImageHeader read_image_header(FileBytes& bytes);

/// The same for what begins as a PNG.
ImageHeader png_header(FileBytes& bytes);

/// Where so many rows end; INT64_MAX for what no file reaches.
int64_t end_of_rows(int64_t begin, int64_t bytes_of_a_row, int64_t rows);

/// "a.bmp: is damaged or cut off: its BMP header ..."
DataError damaged_header(const FileBytes& bytes, std::string_view kind);

/// "a.tif: has float pixels; convert it to 8 or 16 bits"
DataError unread_pixels(const FileBytes& bytes, std::string_view pixels);

}  // namespace rcnn::data
