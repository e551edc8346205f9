#include "eval/coco_images.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <c10/util/Exception.h>

namespace rcnn::eval {

double coco_iou(const CocoDetection& detection, const CocoTruth& truth) {
  const auto &d = detection.box, &g = truth.box;
  const double width = std::fmin(d[2] + d[0], g[2] + g[0]) - std::fmax(d[0], g[0]);
  if (width <= 0) return 0;
  const double height = std::fmin(d[3] + d[1], g[3] + g[1]) - std::fmax(d[1], g[1]);
  if (height <= 0) return 0;
  const double intersection = width * height;
  const double own = d[2] * d[3];
  return intersection / (truth.crowd ? own : own + g[2] * g[3] - intersection);
}

std::optional<size_t> place_of(std::span<const int64_t> category_ids, int64_t id) {
  const auto found = std::lower_bound(category_ids.begin(), category_ids.end(), id);
  if (found == category_ids.end() || *found != id) return std::nullopt;
  return static_cast<size_t>(found - category_ids.begin());
}

bool CocoImage::in_crowd(const Placed<CocoDetection>& detection, double share) const {
  return std::any_of(crowds.begin(), crowds.end(), [&](const Placed<CocoTruth>& crowd) {
    return crowd.category == detection.category && coco_iou(*detection.item, *crowd.item) > share;
  });
}

std::map<int64_t, CocoImage> by_image(std::span<const CocoTruth> truths,
                                      std::span<const CocoDetection> detections,
                                      std::span<const int64_t> category_ids) {
  TORCH_CHECK(std::adjacent_find(category_ids.begin(), category_ids.end(), std::greater_equal<>()) ==
                  category_ids.end(),
              "category_ids must ascend");
  const auto for_each_placed = [&](const auto& items, auto see) {
    for (const auto& item : items) {
      if (const auto place = place_of(category_ids, item.category_id)) see(item, *place);
    }
  };
  std::map<int64_t, CocoImage> images;
  for_each_placed(truths, [&](const CocoTruth& truth, size_t category) {
    auto& image = images[truth.image_id];
    (truth.crowd ? image.crowds : image.truths).push_back({&truth, category});
  });
  for_each_placed(detections, [&](const CocoDetection& detection, size_t category) {
    TORCH_CHECK(!std::isnan(detection.score), "the score of a detection on image ", detection.image_id,
                " is not a number");
    images[detection.image_id].detections.push_back({&detection, category});
  });
  for (auto& [id, image] : images) {
    std::stable_sort(image.detections.begin(), image.detections.end(),
                     [](const auto& a, const auto& b) { return a.item->score > b.item->score; });
  }
  return images;
}

}  // namespace rcnn::eval
