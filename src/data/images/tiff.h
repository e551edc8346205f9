#pragma once

#include <ATen/core/Tensor.h>

#include <rcnn/types.h>

#include "data/images/file_bytes.h"

namespace rcnn::data {

/// Decodes the first image of a TIFF to uint8 [H, W, 3] RGB with libtiff, the pixels as they are stored,
/// whatever the orientation (by which Pillow turns a TIFF, and no other kind). Else they are Pillow's: alpha
/// is dropped (of colours that were multiplied by it, these are divided first), CMYK is converted as Pillow
/// does; 16 bits are divided by 257. (OpenCV multiplies colours by alpha, takes white for black in 16 bits,
/// and 12 bits for 16.) Throws DataError for data that is damaged, as far as libtiff notices, or compressed
/// in a way that it does not know; so for another size than `size`, which the header has said.
at::Tensor decode_tiff(FileBytes& bytes, ImageSize size);

}  // namespace rcnn::data
