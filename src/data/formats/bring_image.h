#pragma once

#include <filesystem>

#include <rcnn/data/formats/format.h>

namespace rcnn::data {

/// Puts an image, or a folder of images as a link, where a converted data set has it; the folders above are
/// made. Throws DataError when the disk refuses.
void bring(const std::filesystem::path& image, const std::filesystem::path& to, ImageFiles how);

}  // namespace rcnn::data
