#pragma once

#include <filesystem>
#include <vector>

#include <rcnn/data/tools/convert.h>
#include <rcnn/export.h>

namespace rcnn::data {

/// Whether a folder is laid out as YOLO's data sets are: images/PART and labels/PART, PART/images and
/// PART/labels, or images and labels alone.
RCNN_EXPORT bool is_yolo(const std::filesystem::path& root);

/// Reads YOLO's text files: labels/NAME.txt beside images/NAME.jpg, each line `class x y width height`, the
/// centre and the sides as shares of the image's, or `class x1 y1 x2 y2 ...`, a polygon. Class 0 is the first
/// of `classes` (see read_categories(); their ids do not count). An image without a file, or with an empty
/// one, has no object. Boxes are to a millionth of a pixel; images are numbered from 1 through all parts.
///
/// Lines that are wrong are added to `problems` and left out. Throws DataError when nothing is found.
RCNN_EXPORT std::vector<AnnotatedPart> read_yolo(const std::filesystem::path& root,
                                                 const std::vector<Category>& classes, Problems& problems);

}  // namespace rcnn::data
