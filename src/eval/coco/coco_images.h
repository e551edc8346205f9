#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include <rcnn/eval/coco/coco_map.h>

#include "eval/coco/coco_iou.h"
#include "eval/matching.h"

namespace rcnn::eval {

/// As pycocotools has IoU thresholds: a perfect box still reaches the highest.
std::vector<double> reachable(std::vector<double> iou_thresholds);

/// An object or a detection and the place of its category among those asked for.
template <class Item>
struct Placed {
  const Item* item = nullptr;
  size_t category = 0;
};

struct CocoImage {
  std::vector<Placed<CocoTruth>> truths, crowds;       ///< in the order given
  std::vector<Placed<CocoDetection>> detections = {};  ///< by falling score, equal ones in the order given

  /// Whether more than `share` of a detection lies in a crowd of its category.
  bool in_crowd(const Placed<CocoDetection>& detection, double share) const;
};

/// Offers a detection those of the free `objects` that are of its category. The first of them is object
/// `first` of the matching.
template <Choice choice>
void offer_own(Matching<choice>& matching, const Placed<CocoDetection>& detection,
               const std::vector<Placed<CocoTruth>>& objects, size_t first = 0) {
  for (size_t i = 0; i < objects.size(); ++i) {
    const auto& [object, category] = objects[i];
    if (category != detection.category || !matching.is_free(first + i)) continue;
    matching.offer(first + i, coco_iou(detection.item->box, object->box, object->crowd));
  }
}

/// The images that have objects or detections of the given ascending categories, by their ids. What is
/// returned points into what was given. Throws std::invalid_argument for a score that is not a number and for
/// categories that do not ascend.
std::map<int64_t, CocoImage> by_image(std::span<const CocoTruth> truths,
                                      std::span<const CocoDetection> detections,
                                      std::span<const int64_t> category_ids);

}  // namespace rcnn::eval
