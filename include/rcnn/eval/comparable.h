#pragma once

#include <string>
#include <vector>

#include <rcnn/eval/coco/coco_map.h>
#include <rcnn/eval/voc_map.h>
#include <rcnn/export.h>

namespace rcnn::eval {

/// Why scores made with these options cannot be compared with published ones, a line each; none with COCO's
/// thresholds, area ranges and limits. CocoInput::incomparable has what the data add.
RCNN_EXPORT std::vector<std::string> incomparable(const CocoMapOptions& options);

/// The same of VOC's mAP, whose IoU threshold is 0.5.
RCNN_EXPORT std::vector<std::string> incomparable(const VocMapOptions& options);

}  // namespace rcnn::eval
