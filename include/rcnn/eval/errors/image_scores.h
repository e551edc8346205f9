#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <rcnn/eval/coco/coco_map.h>
#include <rcnn/eval/coco/coco_matches.h>
#include <rcnn/export.h>

namespace rcnn::eval {

/// How well one image was understood.
struct RCNN_EXPORT ImageScore {
  int64_t image_id = 0;
  int64_t right = 0;   ///< true positives
  int64_t wrong = 0;   ///< false positives
  int64_t missed = 0;  ///< objects without a detection

  int64_t errors() const { return wrong + missed; }

  /// The harmonic mean of precision and recall; 1 where there is nothing and nothing was found.
  double f1() const;
};

/// Counts, on each of the images `image_ids` (without repetition), the detections whose score reaches the
/// threshold and the objects that these leave unfound; `matches` are theirs. In the order of the ids; objects
/// and detections on other images are left out.
RCNN_EXPORT std::vector<ImageScore> image_scores(std::span<const int64_t> image_ids,
                                                 std::span<const CocoTruth> truths,
                                                 std::span<const CocoDetection> detections,
                                                 const CocoMatches& matches, double score_threshold = 0.3);

/// What rank_images() chose.
struct RankedImages {
  std::vector<ImageScore> worst;  ///< the worst first
  std::vector<ImageScore> best;   ///< the best first
};

/// The `count` worst and the `count` best images. Worse is a lower F1, then more errors; better is a higher
/// F1, then more objects found; the lower id comes first where these are equal. An image without an error is
/// none of the worst, one where nothing was found none of the best, and none is both: of fewer than twice
/// `count` images the worst take half.
RCNN_EXPORT RankedImages rank_images(std::vector<ImageScore> scores, int64_t count);

}  // namespace rcnn::eval
