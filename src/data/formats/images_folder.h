#pragma once

#include <filesystem>
#include <string>

namespace rcnn::data {

/// The folder that the names of images in an annotation file start from, by where the first of them lies:
/// beside the file, in `images` or a folder of the part's name there, in ../NAME, ../images/NAME, ../images
/// and .. (annotations/instances_train2017.json: images/train2017), or else in the only folder beside it
/// that has an image of this name. The file's own folder when there is no image. Throws DataError, which
/// lists the places, where it is in none.
std::filesystem::path images_folder_of(const std::filesystem::path& file, const std::string& part,
                                       const std::string& first_image);

}  // namespace rcnn::data
