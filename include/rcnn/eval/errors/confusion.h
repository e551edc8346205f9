#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <rcnn/eval/coco/coco_map.h>
#include <rcnn/export.h>

namespace rcnn::eval {

/// Defaults of Roboflow's supervision (ConfusionMatrix.from_detections).
struct ConfusionOptions {
  double score_threshold = 0.3;  ///< detections below it do not count
  double iou_threshold = 0.5;    ///< above 0
};

/// What is there against what was found. Place C stands for background: as a row what was found where nothing
/// is, as a column what was missed.
struct Confusion {
  int64_t categories = 0;       ///< C
  std::vector<int64_t> counts;  ///< [C + 1, C + 1]: rows are what is there, columns what was found

  int64_t at(int64_t there, int64_t found) const {
    return counts[static_cast<size_t>(there * (categories + 1) + found)];
  }
};

/// Detections of an image go by falling score, whatever their category; each takes the free object of the
/// highest IoU that reaches the threshold, among equal ones one of its own category. What takes none and lies
/// in a crowd of its category by more than the threshold's share does not count, nor does the crowd.
///
/// `category_ids` are C, ascending and without repetition; objects and detections of others are left out.
/// Throws std::invalid_argument for a score that is not a number and for an IoU threshold that is not above
/// 0.
RCNN_EXPORT Confusion confusion(std::span<const CocoTruth> truths, std::span<const CocoDetection> detections,
                                std::span<const int64_t> category_ids, const ConfusionOptions& options = {});

/// Objects of one category that were found as another, by place.
struct ConfusedPair {
  int64_t there = 0, found = 0, count = 0;
};

/// All that are, the most frequent first, equal ones by their places.
RCNN_EXPORT std::vector<ConfusedPair> confused_pairs(const Confusion& confusion);

/// For people: what was found right, as another class, missed and found where nothing is, then the `rows`
/// most frequent confusions of two classes, "dog -> cat  13" for dogs found as cats. Throws
/// std::invalid_argument unless there are C names.
RCNN_EXPORT std::string to_text(const Confusion& confusion, std::span<const std::string> names,
                                int64_t rows = 20);

}  // namespace rcnn::eval
