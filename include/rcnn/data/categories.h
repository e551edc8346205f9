#pragma once

#include <filesystem>
#include <vector>

#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn::data {

/// Reads a list of classes in the order of their labels, one a line: `ID NAME`, where every line begins with
/// an id of its own (COCO's are not contiguous), or `NAME`, whose id is the number of its line. Empty lines
/// and space around a name do not count. Throws DataError with the file and the line.
RCNN_EXPORT std::vector<Category> read_categories(const std::filesystem::path& file);

}  // namespace rcnn::data
