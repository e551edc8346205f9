#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/formats/yolo/yolo_layout.h"

namespace rcnn::data {

/// A piece of all images in some folders below `top`, and of labels there that have none.
YoloPiece piece_of(const YoloFiles& files, std::string top, const std::vector<const Folder*>& folders);

/// The same for all folders from `top`.
YoloPiece piece_of(const YoloFiles& files, const std::string& top);

/// The parts of a data set without a file that says them: images/PART and labels/PART, PART/images and
/// PART/labels, PART with images and labels side by side, folders below these, and all of it without PART.
/// None where no image has labels of YOLO's; texts that are none by their first lines may be such in labels/
/// where something says what classes are called, or `has_names`.
std::vector<YoloPart> parts_of_folders(const YoloFiles& files, bool has_names);

/// Whether a text's first line may be one of YOLO's labels: a class and four numbers or more.
bool looks_like_labels(std::string_view text);

}  // namespace rcnn::data
