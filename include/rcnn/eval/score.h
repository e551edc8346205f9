#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <rcnn/detection.h>
#include <rcnn/eval/coco/best_overlap.h>
#include <rcnn/eval/coco/proposal_recall.h>
#include <rcnn/eval/errors/confusion.h>
#include <rcnn/eval/errors/error_breakdown.h>
#include <rcnn/eval/errors/negative_images.h>
#include <rcnn/eval/input/coco_input.h>
#include <rcnn/eval/voc_map.h>
#include <rcnn/export.h>

namespace rcnn::eval {

/// Numbers with their names, in the order in which they are told.
using Numbers = std::vector<std::pair<std::string, double>>;

/// What one class scored.
struct ClassScore {
  std::string name;
  double ap = 0;         ///< its average precision; not a number where VOC's rules have none
  Numbers numbers = {};  ///< COCO's twelve, -1 where it has none; of VOC there are none beside `ap`
};

/// Why detections are wrong.
struct ScoreErrors {
  ErrorBreakdown kinds;
  ConfusionOptions thresholds;  ///< of the confusion
  Confusion confusion;
  std::vector<std::string> classes;  ///< the confusion's
};

/// How well proposals cover objects.
struct ProposalScore {
  ProposalRecallOptions options = {.limits = {10, 100, 300, 1000, 2000}};  ///< of both
  ProposalRecall recall;
  BestOverlap overlap;
  std::vector<std::string> classes;  ///< the overlap's
};

/// All that is known about how good detections (or proposals) are.
struct RCNN_EXPORT Score {
  enum class Metric { voc, coco, proposals } metric = Metric::coco;
  double value = 0;  ///< the one number: mAP, COCO's AP, AR of proposals; 0 when there is none
  /// Of all classes: "mAP"; or "AP", "AP50" .. "ARl", see named_numbers(); of proposals "AR2000", "AR1000" ..
  /// "AR10", then "recall2000" .. "recall10", at IoU 0.5, and "MABO", at the highest limit.
  Numbers numbers = {};
  std::vector<ClassScore> classes = {};  ///< in the order of the categories; none of proposals
  std::optional<NegativeImages> negatives = {};
  std::optional<ProposalScore> proposals = {};
  std::optional<ScoreErrors> errors = {};
  std::vector<std::string> incomparable = {};  ///< why it cannot be compared with published ones, a line each
  std::vector<std::string> warnings = {};      ///< what a reader of the numbers has to know, a line each
  std::string table = {};                      ///< for people

  /// Each number by its name: "AP", "per_class.person.AP50" (VOC's: "mAP", "per_class.person"), and
  /// "negative_images.images".
  Numbers flat() const;
};

/// What a score has beside its numbers.
struct ScoreOptions {
  bool per_class = false;  ///< COCO's numbers by class in the table, too; Score::classes has them in any case
  bool errors = false;     ///< why detections are wrong
  int64_t max_detections = 100;  ///< best ones of an image and class that COCO's AP is taken at, above 10
};

/// COCO's score, pycocotools' numbers to the last bit; the last limit's name is in that of its number,
/// "AR100". Throws what coco_map() throws.
RCNN_EXPORT Score coco_score(const CocoInput& input, const ScoreOptions& options = {});

/// VOC's score of images, whose label l is of categories[l - 1]. `incomparable` are reasons beside the
/// options' own. Throws what voc_map() throws.
RCNN_EXPORT Score voc_score(const std::vector<ImageResult>& images, const std::vector<Category>& categories,
                            const VocMapOptions& options = {}, std::vector<std::string> incomparable = {});

/// The detections as proposals, whatever their class. The value is AR at the highest limit.
RCNN_EXPORT Score proposal_score(const CocoInput& input);

/// Adds why detections are wrong, to the table, too.
RCNN_EXPORT void add_errors(Score& score, const CocoInput& input);

}  // namespace rcnn::eval
