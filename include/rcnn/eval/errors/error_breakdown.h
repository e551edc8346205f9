#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <rcnn/eval/coco/coco_map.h>
#include <rcnn/export.h>

namespace rcnn::eval {

/// Where errors part from one another; the defaults are TIDE's.
struct ErrorBreakdownOptions {
  double foreground_iou = 0.5;   ///< from here on a box lies on an object
  double background_iou = 0.1;   ///< up to here it lies on background
  int64_t max_detections = 100;  ///< best ones of an image, over all categories
};

/// One way of being wrong.
struct ErrorCount {
  std::string_view name;
  int64_t count = 0;
  double gain = 0;  ///< dAP: what AP50 would gain if this error alone were mended
};

/// Why detections are wrong and objects missed, as TIDE sorts it (Bolya et al., ECCV 2020, section 2.2), each
/// wrong detection into the first that fits:
///   localisation    IoU with an object of its class between background's and the foreground's
///   classification  IoU with an object of another class reaches the foreground's
///   duplicate       IoU with an object of its class does, but a better-scored detection took that
///   background      no IoU above background's
///   both            what is left: of another class and not on it
///   missed          objects neither found nor what one of the first two would find when mended
struct ErrorBreakdown {
  double ap50 = 0;  ///< TIDE's: the mean over classes that have objects or detections, not objects alone
  std::array<ErrorCount, 6> errors = {};
};

/// The errors and their dAP by the rules of tidecv 1.0.1. Mending moves a localisation or classification
/// error onto its object, if no detection has that and no better-scored error claims it, and removes it
/// otherwise; duplicate, background and both are removed; missed objects are taken off the count. A detection
/// that takes no object and lies in a crowd of its category by more than the foreground's share is left out.
///
/// `category_ids` ascend without repetition; objects and detections of others are left out. Without any, all
/// numbers are 0. Throws std::invalid_argument for a score that is not a number and for options out of their
/// ranges.
RCNN_EXPORT ErrorBreakdown error_breakdown(std::span<const CocoTruth> truths,
                                           std::span<const CocoDetection> detections,
                                           std::span<const int64_t> category_ids,
                                           const ErrorBreakdownOptions& options = {});

/// A table for people: a line an error with its count and its dAP.
RCNN_EXPORT std::string to_text(const ErrorBreakdown& breakdown);

}  // namespace rcnn::eval
