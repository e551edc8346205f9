#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <rcnn/detection.h>
#include <rcnn/export.h>

namespace rcnn::eval {

/// An annotated object; a difficult one is neither to be found nor a false alarm when it is.
struct GroundTruth {
  Box box;
  int64_t label = 0;  ///< 1..C
  bool difficult = false;
};

/// One image: what is on it, and what was detected.
struct ImageResult {
  std::vector<GroundTruth> truths;
  std::vector<Detection> detections;
};

/// How precision over recall becomes one number (Everingham et al. 2010, section 4.2, and the 2010 devkit).
enum class VocRule {
  points11,  ///< VOC 2007: mean of the interpolated precision at recall 0, 0.1 .. 1
  area,      ///< VOC 2010 and later: area under the interpolated curve
};

/// How voc_map() scores.
struct VocMapOptions {
  VocRule rule = VocRule::area;
  double iou_threshold = 0.5;
};

/// The score of one class.
struct VocClassResult {
  std::optional<double> average_precision;  ///< none when the class has no ground truth that counts
  int64_t truths = 0;                       ///< without the difficult ones
  int64_t detections = 0;
  std::vector<double> precision, recall;  ///< after each detection by falling score; empty without an AP
};

/// The score of all classes.
struct VocMap {
  double mean_average_precision = 0;    ///< over the classes that have ground truth; 0 when none has
  std::vector<VocClassResult> classes;  ///< [C], label l at l - 1
};

/// The devkit's score of detections. Detections of a class go by falling score, ties by image and position;
/// each takes the ground truth of its image and class with the highest IoU, if they overlap and the IoU is at
/// least the threshold: a first take is a true positive, a later one a false positive, and a take of a
/// difficult object counts as neither.
///
/// The devkit adds 1 to widths because its corners are pixels of the object; x2 and y2 here are exclusive, so
/// the IoUs are the same. It asks for an IoU >= threshold; py-faster-rcnn's voc_eval.py asks for >. At the 11
/// recall levels both decide an equality by rounding, each in its own way; here the comparison is exact.
///
/// Throws std::invalid_argument for a label outside 1..num_classes and for a score that is not a number.
RCNN_EXPORT VocMap voc_map(const std::vector<ImageResult>& images, int64_t num_classes,
                           const VocMapOptions& options = {});

/// A table for people: a line a class with ground truths, detections and AP ("-" for none), then the mean.
/// Throws std::invalid_argument unless there is a category for each class.
RCNN_EXPORT std::string to_table(const VocMap& result, const std::vector<Category>& categories);

}  // namespace rcnn::eval
