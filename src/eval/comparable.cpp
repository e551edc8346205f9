#include <algorithm>

#include <spdlog/fmt/ranges.h>

#include <rcnn/eval/comparable.h>

namespace rcnn::eval {

std::vector<std::string> incomparable(const CocoMapOptions& options) {
  const CocoMapOptions standard;
  std::vector<std::string> reasons;
  if (options.iou_thresholds != standard.iou_thresholds) {
    reasons.push_back(fmt::format("the IoU thresholds are {}, not 0.5, 0.55 .. 0.95",
                                  fmt::join(options.iou_thresholds, ", ")));
  }
  const auto same_area = [](const AreaRange& a, const AreaRange& b) {
    return a.name == b.name && a.min == b.min && a.max == b.max;
  };
  if (!std::ranges::equal(options.areas, standard.areas, same_area))
    reasons.emplace_back("the area ranges are not COCO's");
  if (options.max_detections != standard.max_detections) {
    reasons.push_back(
        fmt::format("the best {} results of an image and category are scored, not {} (pycocotools' AP is "
                    "at 100, or -1)",
                    fmt::join(options.max_detections, ", "), fmt::join(standard.max_detections, ", ")));
  }
  return reasons;
}

std::vector<std::string> incomparable(const VocMapOptions& options) {
  if (options.iou_threshold == VocMapOptions().iou_threshold) return {};
  return {
      fmt::format("the IoU threshold is {}, not {}", options.iou_threshold, VocMapOptions().iou_threshold)};
}

}  // namespace rcnn::eval
