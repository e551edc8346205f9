#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <rcnn/eval/coco/coco_map.h>
#include <rcnn/export.h>

namespace rcnn::eval {

/// When a detection has found an object.
struct CocoMatchesOptions {
  double iou_threshold = 0.5;
};

/// Which detection found which object.
struct CocoMatches {
  static constexpr int64_t kNone = -1;     ///< a false positive; an object that was missed
  static constexpr int64_t kIgnored = -2;  ///< does not count: crowds, what lies in one, other categories

  std::vector<int64_t> of_detections;  ///< [D]: for each detection the place of its object, kNone or kIgnored
  std::vector<int64_t> of_truths;      ///< [T]: for each object the place of its detection, kNone or kIgnored
};

/// COCO's matching at one IoU threshold, as coco_map() does it for objects of any area, without a limit of
/// detections: those of an image and category go by falling score, each takes the free object of the highest
/// IoU that reaches the threshold, crowds last. Because better scores choose first, the matches of detections
/// above some score are the same as without those below it.
///
/// `category_ids` ascend without repetition; objects and detections of others do not count. Throws
/// std::invalid_argument for a score that is not a number.
RCNN_EXPORT CocoMatches coco_matches(std::span<const CocoTruth> truths,
                                     std::span<const CocoDetection> detections,
                                     std::span<const int64_t> category_ids,
                                     const CocoMatchesOptions& options = {});

}  // namespace rcnn::eval
