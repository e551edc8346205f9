#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <rcnn/eval/coco/coco_map.h>
#include <rcnn/export.h>

namespace rcnn::eval {

/// From which scores on false positives count.
struct NegativeImagesOptions {
  std::vector<double> score_thresholds = {0.05, 0.5};
};

/// What was found on the images that show no object at all, which average precision hardly sees.
struct NegativeImages {
  int64_t images = 0;
  std::vector<double> score_thresholds;
  std::vector<double> false_positives;  ///< an image, at each score threshold; 0 when there is no such image
};

/// Counts, on those of the images `image_ids` (without repetition) that have no object and no crowd of any
/// category, the detections whose score reaches a threshold. Detections on other images are left out.
RCNN_EXPORT NegativeImages negative_images(std::span<const CocoTruth> truths,
                                           std::span<const CocoDetection> detections,
                                           std::span<const int64_t> image_ids,
                                           const NegativeImagesOptions& options = {});

/// A line for people, empty when there is no such image.
RCNN_EXPORT std::string to_text(const NegativeImages& negatives);

}  // namespace rcnn::eval
