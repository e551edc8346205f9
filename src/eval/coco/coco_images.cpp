#include "eval/coco/coco_images.h"

#include <algorithm>
#include <cmath>

#include "eval/input/id_places.h"
#include "eval/require.h"

namespace rcnn::eval {

std::vector<double> reachable(std::vector<double> iou_thresholds) {
  for (auto& threshold : iou_thresholds) threshold = std::min(threshold, 1 - 1e-10);
  return iou_thresholds;
}

bool CocoImage::in_crowd(const Placed<CocoDetection>& detection, double share) const {
  return std::any_of(crowds.begin(), crowds.end(), [&](const Placed<CocoTruth>& crowd) {
    return crowd.category == detection.category &&
           coco_iou(detection.item->box, crowd.item->box, /*crowd=*/true) > share;
  });
}

std::map<int64_t, CocoImage> by_image(std::span<const CocoTruth> truths,
                                      std::span<const CocoDetection> detections,
                                      std::span<const int64_t> category_ids) {
  const auto places = category_places(category_ids);
  const auto for_each_placed = [&](const auto& items, auto see) {
    for (const auto& item : items) {
      const size_t place = places.of(item.category_id);
      if (place != IdPlaces::kNone) see(item, place);
    }
  };
  std::map<int64_t, CocoImage> images;
  for_each_placed(truths, [&](const CocoTruth& truth, size_t category) {
    auto& image = images[truth.image_id];
    (truth.crowd ? image.crowds : image.truths).push_back({&truth, category});
  });
  for_each_placed(detections, [&](const CocoDetection& detection, size_t category) {
    require(!std::isnan(detection.score), "the score of a detection on image {} is not a number",
            detection.image_id);
    images[detection.image_id].detections.push_back({&detection, category});
  });
  for (auto& [id, image] : images) {
    std::stable_sort(image.detections.begin(), image.detections.end(),
                     [](const auto& a, const auto& b) { return a.item->score > b.item->score; });
  }
  return images;
}

}  // namespace rcnn::eval
