#pragma once

#include <string>
#include <vector>

#include <rcnn/data/formats/coco/coco_file.h>

namespace rcnn::data {

/// Leaves those categories of a file that are classes, each with a name of its own. None are categories
/// without objects that group others, by being their supercategory (`supercategories`, one each) or as
/// Roboflow's root, and those with the name of another. Two of one name that both have objects are an
/// error, unless names need not be unique.
void choose_classes(CocoFile& file, const std::vector<std::string>& supercategories, bool unique_names,
                    Problems& problems);

}  // namespace rcnn::data
