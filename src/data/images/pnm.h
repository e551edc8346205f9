#pragma once

#include <ATen/core/Tensor.h>

#include "data/images/file_bytes.h"

namespace rcnn::data {

/// Decodes a PNM to uint8 [H, W, 3] RGB: samples of any largest value are scaled to 255, to the nearest, as
/// Pillow does; alpha is dropped. (OpenCV takes 9 of 10 bits for 9 of 255, and bytes with alpha for bytes
/// without.) Throws DataError for one that is damaged or cut off.
at::Tensor decode_pnm(FileBytes& bytes);

}  // namespace rcnn::data
