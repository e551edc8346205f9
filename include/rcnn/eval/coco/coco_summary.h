#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <rcnn/eval/coco/coco_map.h>
#include <rcnn/export.h>

namespace rcnn::eval {

/// COCO's twelve numbers, means over the categories (or of one) that have objects; -1 where none has.
struct CocoSummary {
  double ap = -1;    ///< over all IoU thresholds
  double ap50 = -1;  ///< at IoU 0.5
  double ap75 = -1;
  double ap_small = -1, ap_medium = -1, ap_large = -1;
  double ar1 = -1, ar10 = -1, ar100 = -1;  ///< recall with so many detections an image and category
  double ar_small = -1, ar_medium = -1, ar_large = -1;
};

/// What pycocotools' summarize() computes, to the last bit, of all categories or of the one at `category`:
/// numpy's means, which are summed pairwise. `map` must have been made with the options' areas and three
/// limits; throws std::invalid_argument otherwise.
RCNN_EXPORT CocoSummary coco_summary(const CocoMap& map, const CocoMapOptions& options = {},
                                     std::optional<int64_t> category = std::nullopt);

/// The twelve by their usual names, "AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs",
/// "ARm", "ARl"; the last of the limits is in the name of its number.
RCNN_EXPORT std::vector<std::pair<std::string, double>> named_numbers(const CocoSummary& summary,
                                                                      const CocoMapOptions& options = {});

/// The twelve lines as pycocotools prints them, with the reason behind every -1.
RCNN_EXPORT std::string to_text(const CocoSummary& summary, const CocoMapOptions& options = {});

}  // namespace rcnn::eval
