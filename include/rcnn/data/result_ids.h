#pragma once

#include <string>
#include <vector>

#include <rcnn/data/coco_file.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// Gives results the ids of the data set `file`. Where it has another file name (without folders) under a
/// result's image id, or another name under its category id, the name decides: `rcnn detect` counts images,
/// and has the category ids of its weights. Results of categories that the file does not have are left out.
///
/// Throws DataError, naming `origin`, for the first result on an image that is not in the file.
RCNN_EXPORT std::vector<CocoResult> with_ids_of(const CocoFile& file, std::vector<CocoResult> results,
                                                const CocoResultNames& names, const std::string& origin);

}  // namespace rcnn::data
