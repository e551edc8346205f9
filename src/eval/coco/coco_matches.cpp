#include <rcnn/eval/coco/coco_matches.h>

#include "eval/coco/coco_images.h"
#include "eval/matching.h"

namespace rcnn::eval {
CocoMatches coco_matches(std::span<const CocoTruth> truths, std::span<const CocoDetection> detections,
                         std::span<const int64_t> category_ids, const CocoMatchesOptions& options) {
  CocoMatches matches{.of_detections = std::vector<int64_t>(detections.size(), CocoMatches::kIgnored),
                      .of_truths = std::vector<int64_t>(truths.size(), CocoMatches::kIgnored)};
  const auto place_in = [](const auto& items, const auto* item) { return item - items.data(); };
  Matching<Choice::last_best> matching(reachable({options.iou_threshold}));
  for (const auto& [id, image] : by_image(truths, detections, category_ids)) {
    const auto of_truth = [&](size_t i) -> int64_t& {
      return matches.of_truths[static_cast<size_t>(place_in(truths, image.truths[i].item))];
    };
    matching.clear();
    for (size_t i = 0; i < image.truths.size(); ++i) {
      matching.add();
      of_truth(i) = CocoMatches::kNone;
    }
    for (size_t i = 0; i < image.crowds.size(); ++i) matching.add(/*region=*/true);
    for (const auto& detection : image.detections) {
      const auto place = place_in(detections, detection.item);
      auto& match = matches.of_detections[static_cast<size_t>(place)];
      matching.clear_offers();
      offer_own(matching, detection, image.truths);
      offer_own(matching, detection, image.crowds, image.truths.size());
      const auto taken = matching.take();
      if (!taken) {
        match = CocoMatches::kNone;
      } else if (*taken < image.truths.size()) {
        match = place_in(truths, image.truths[*taken].item);
        of_truth(*taken) = place;
      }
    }
  }
  return matches;
}

}  // namespace rcnn::eval
