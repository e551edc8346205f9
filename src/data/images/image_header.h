#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <rcnn/types.h>

#include "data/images/file_bytes.h"

namespace rcnn::data {

/// The kinds of files that are decoded. OpenCV knows more, but what cannot be sized here is not given to it.
enum class ImageKind { jpeg, png, bmp, tiff, webp, jpeg2000, pnm, pam, pfm, radiance, sun };

/// What the first bytes of an image file say.
struct ImageHeader {
  ImageKind kind = ImageKind::jpeg;
  ImageSize size = {};  ///< of the first image in it, as its decoder will find it
  int orientation = 1;  ///< EXIF's or TIFF's
  int64_t end = 0;      ///< the file must reach so far, as far as the header tells; 0 where it does not
};

/// Finds the kind by the content and reads what its decoder will allocate by, a few blocks of the file
/// whatever they hold. Nothing for what begins as none of the kinds. Throws DataError for a header that is
/// damaged, cut off, or of a variant that its decoder does not know.
std::optional<ImageHeader> read_image_header(FileBytes& bytes);

/// The same for the kinds whose header is a text: PNM, PAM, PFM and Radiance's HDR.
std::optional<ImageHeader> read_text_header(FileBytes& bytes);

/// Where so many rows end; INT64_MAX for what no file reaches.
int64_t end_of_rows(int64_t begin, int64_t bytes_of_a_row, int64_t rows);

/// "a.bmp: is damaged or cut off: its BMP header ..."
DataError damaged_header(const FileBytes& bytes, std::string_view kind);

}  // namespace rcnn::data
