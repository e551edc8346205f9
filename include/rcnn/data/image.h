#pragma once

#include <filesystem>
#include <string>

#include <ATen/core/Tensor.h>

#include <rcnn/error.h>
#include <rcnn/types.h>

namespace rcnn::data {

/// Decodes an image file to uint8 [H, W, 3] RGB, contiguous on the CPU. Grey is repeated, alpha is dropped,
/// 16 bits become 8; EXIF orientation is ignored: boxes refer to the pixels as they are stored. Throws
/// DataError naming the file when it is missing, no image, a kind OpenCV cannot read, larger than 100
/// megapixels, or cut off (a JPEG whose data ends early, which OpenCV would fill with grey).
at::Tensor read_image(const std::filesystem::path& file);

/// The size that read_image would give, for JPEG and PNG from the header alone. Throws DataError for what can
/// be seen without decoding: all that read_image refuses but damage inside of the data.
ImageSize image_size(const std::filesystem::path& file);

/// Writes uint8 [H, W, 3] RGB as PNG or JPEG by the file's ending. Throws DataError when the disk refuses.
void write_image(const std::filesystem::path& file, const at::Tensor& image);

/// "4.6.0"
std::string opencv_version();

}  // namespace rcnn::data
