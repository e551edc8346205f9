#pragma once

#include <ATen/core/Tensor.h>

#include <rcnn/data/image.h>

#include "data/file_bytes.h"

namespace rcnn::data {

/// Whether a file begins as JPEGs do.
bool is_jpeg(FileBytes& bytes);

/// What a JPEG's header says. Throws DataError when the file ends before the image does.
ImageInfo jpeg_info(FileBytes& bytes);

/// Decodes a JPEG to uint8 [H, W, 3] RGB with libjpeg-turbo, the pixels that OpenCV and Pillow give. Throws
/// DataError for data that is damaged, as far as a decoder can notice: libjpeg's warnings about it are errors
/// here.
at::Tensor decode_jpeg(FileBytes& bytes);

}  // namespace rcnn::data
