#pragma once

#include <ATen/core/Tensor.h>

#include <rcnn/types.h>

#include "data/images/file_bytes.h"

namespace rcnn::data {

/// Decodes a JPEG to uint8 [H, W, 3] RGB with libjpeg-turbo, the pixels that OpenCV and Pillow give. Throws
/// DataError for data that is damaged, as far as a decoder can notice: libjpeg's warnings about it are errors
/// here. So is another size than `size`, which the header has said, before there is memory for it. Zeros to
/// spare before the end marker are remarked (remarks.h) where the data is whole without them.
at::Tensor decode_jpeg(FileBytes& bytes, ImageSize size);

}  // namespace rcnn::data
