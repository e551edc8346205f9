#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <rcnn/export.h>
#include <rcnn/types.h>

namespace rcnn::data {

/// Reads a list of classes in the order of their labels, one a line: `ID NAME`, where every line begins with
/// an id of its own (COCO's are not contiguous), or `NAME`, whose id is the number of its line. Empty lines
/// and space around a name do not count. Throws DataError with the file and the line.
RCNN_EXPORT std::vector<Category> read_categories(const std::filesystem::path& file);

/// The labels (1 for the first) of those categories that `words` name, by their names or, where no category
/// has this name, by their ids; each once, rising. Throws ConfigError for another word, with the nearest name
/// or a few that are known.
RCNN_EXPORT std::vector<int64_t> labels_of(const std::vector<std::string>& words,
                                           const std::vector<Category>& categories);

}  // namespace rcnn::data
