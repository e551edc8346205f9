#include <algorithm>
#include <optional>

#include <rcnn/eval/coco_matches.h>

#include "eval/coco_images.h"

namespace rcnn::eval {
namespace {

/// Among equal IoUs the last, as in pycocotools.
template <class IsFree>
std::optional<size_t> best(const std::vector<Placed<CocoTruth>>& truths,
                           const Placed<CocoDetection>& detection, double threshold, IsFree is_free) {
  std::optional<size_t> found;
  double highest = std::min(threshold, kAlmostOne);
  for (size_t i = 0; i < truths.size(); ++i) {
    if (truths[i].category != detection.category || !is_free(i)) continue;
    const double iou = coco_iou(*detection.item, *truths[i].item);
    if (iou < highest) continue;
    highest = iou;
    found = i;
  }
  return found;
}

}  // namespace

CocoMatches coco_matches(std::span<const CocoTruth> truths, std::span<const CocoDetection> detections,
                         std::span<const int64_t> category_ids, const CocoMatchesOptions& options) {
  CocoMatches matches{.of_detections = std::vector<int64_t>(detections.size(), CocoMatches::kIgnored),
                      .of_truths = std::vector<int64_t>(truths.size(), CocoMatches::kIgnored)};
  for (const auto& [id, image] : by_image(truths, detections, category_ids)) {
    const auto place_of_truth = [&](size_t i) { return image.truths[i].item - truths.data(); };
    const auto of_truth = [&](size_t i) -> int64_t& {
      return matches.of_truths[static_cast<size_t>(place_of_truth(i))];
    };
    for (size_t i = 0; i < image.truths.size(); ++i) of_truth(i) = CocoMatches::kNone;
    for (const auto& detection : image.detections) {
      const auto place = detection.item - detections.data();
      auto& match = matches.of_detections[static_cast<size_t>(place)];
      const auto is_free = [&](size_t i) { return of_truth(i) == CocoMatches::kNone; };
      if (const auto found = best(image.truths, detection, options.iou_threshold, is_free)) {
        match = place_of_truth(*found);
        of_truth(*found) = place;
      } else if (!best(image.crowds, detection, options.iou_threshold, [](size_t) { return true; })) {
        match = CocoMatches::kNone;
      }
    }
  }
  return matches;
}

}  // namespace rcnn::eval
