#pragma once

#include <filesystem>
#include <string>

#include <rcnn/data/formats/format.h>

namespace rcnn::data {

/// Data sets in COCO's instances files, for the table of formats.
Format coco_format();

/// Why a file is no JSON; empty when it is. Throws DataError when it cannot be read.
std::string why_no_json(const std::filesystem::path& file);

}  // namespace rcnn::data
