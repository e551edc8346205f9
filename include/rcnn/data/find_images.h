#pragma once

#include <filesystem>
#include <vector>

#include <rcnn/error.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// The image files that `inputs` name: files as they are, folders by what lies directly in them under an
/// image ending (.jpg .jpeg .png .bmp .tif .tiff .webp, any case), sorted. Throws DataError for a path that
/// does not exist and when no image is found.
RCNN_EXPORT std::vector<std::filesystem::path> find_images(const std::vector<std::filesystem::path>& inputs);

}  // namespace rcnn::data
