#pragma once

#include <string>
#include <vector>

#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/data/options.h>
#include <rcnn/data/problems.h>

#include "data/formats/yolo/yolo_layout.h"

namespace rcnn::data {

/// What the classes of a YOLO data set are called.
struct YoloClasses {
  std::vector<std::string> names = {};       ///< by number; empty where a number has none
  std::string origin = {};                   ///< what messages call the place that has them
  std::vector<std::string> from_files = {};  ///< the same without what data.classes adds
};

/// The names of the file that counts, and from data.classes those of further numbers, where it has the others
/// as the file does; all from there where no file has names. Warns of files that have other names and do not
/// count. Throws DataError where nothing names the classes, or files contradict each other.
YoloClasses yolo_classes(const YoloSet& set, const DataOptions& options, Problems& problems);

/// Warns of objects whose class data.classes names, and no file.
void tell_of_own_names(const YoloClasses& classes, const CocoFile& content, Problems& problems);

}  // namespace rcnn::data
