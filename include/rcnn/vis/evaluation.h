#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <rcnn/eval/coco/coco_map.h>
#include <rcnn/export.h>
#include <rcnn/types.h>
#include <rcnn/vis/report/report.h>

namespace rcnn::vis {

/// What was detected on some images and, where it is known, what is there.
struct EvaluationInput {
  std::vector<int64_t> image_ids;    ///< without repetition
  std::vector<Category> categories;  ///< in any order
  std::optional<std::vector<eval::CocoTruth>> truths;
  std::vector<eval::CocoDetection> detections;
  std::vector<std::string> incomparable = {};  ///< see Report::incomparable; what the data add
};

/// An image's pixels, uint8 [H, W, 3] RGB on the CPU, and its name.
struct NamedImage {
  std::string name;
  at::Tensor image;
};

/// How much of an evaluation a report shows.
struct EvaluationOptions {
  eval::ConfusionOptions thresholds;
  int64_t max_detections = 100;  ///< best ones of an image and class that AP is taken at, above 10
  int64_t images = 8;            ///< to show: so many of the worst and so many of the best
  /// The image with this id; none when it cannot be read: it is then left out.
  std::function<std::optional<NamedImage>(int64_t image_id)> read = {};
};

/// Fills the parts of a report that an evaluation knows: classes, scores, confusions and errors, and the
/// images, which rank_images() chooses. Without truths there are counts by class, the scores' histogram and
/// the images with the most detections. Throws what the evaluations throw.
RCNN_EXPORT void add_evaluation(Report& report, EvaluationInput input, const EvaluationOptions& options);

}  // namespace rcnn::vis
