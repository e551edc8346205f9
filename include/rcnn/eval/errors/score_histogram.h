#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <rcnn/eval/coco/coco_map.h>
#include <rcnn/eval/coco/coco_matches.h>
#include <rcnn/export.h>

namespace rcnn::eval {

/// How scores are spread over right and wrong detections. Bin b of B holds the scores from low + b * width to
/// below the next one's, the last also `high` itself.
struct ScoreHistogram {
  double low = 0, high = 1;           ///< 0 and 1, or the lowest and the highest score where these lie beyond
  std::vector<int64_t> right, wrong;  ///< [B]: true and false positives

  double width() const { return (high - low) / static_cast<double>(right.size()); }
};

/// Counts detections by score; those that do not count in `matches`, which are theirs, are left out. Throws
/// std::invalid_argument for a score that is not finite and for less than one bin.
RCNN_EXPORT ScoreHistogram score_histogram(std::span<const CocoDetection> detections,
                                           const CocoMatches& matches, int64_t bins = 20);

}  // namespace rcnn::eval
