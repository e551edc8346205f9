#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <rcnn/eval/input/coco_input.h>

namespace rcnn::tools {

inline constexpr int64_t kMaxDetections = 100;  ///< COCO's

struct ScoreOptions {
  bool per_class = false;  ///< COCO's numbers by class in the table, too; in JSON they are always there
  bool errors = false;     ///< the errors by kind and the confusions of classes
  int64_t max_detections = kMaxDetections;  ///< best ones of an image and class that AP is taken at, above 10
};

struct Score {
  double value = 0;                        ///< the one number: mAP, or COCO's AP, 0 when there is none
  std::string table;                       ///< for people
  nlohmann::ordered_json json;             ///< for programs
  std::vector<std::string> warnings = {};  ///< what a reader of the numbers has to know
};

/// COCO's numbers: {"AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl",
/// "per_class", "negative_images"}, what add_errors() adds, and what finish() does. "AR100" has the number of
/// ScoreOptions::max_detections in its name.
Score coco_score(const eval::CocoInput& input, const ScoreOptions& options);

/// Why detections are wrong: adds two tables, and {"errors", "confusion"} to the JSON.
void add_errors(const eval::CocoInput& input, Score& score);

/// The detections as proposals, whatever their class: {"proposals", "most", "AR", "iou_thresholds",
/// "recall"}, AR by area and limit, recall by limit and IoU threshold, and what finish() adds. The value is
/// AR at the highest limit.
Score proposal_score(const eval::CocoInput& input);

/// Whether the score can be compared with published ones: adds a line, and {"comparable", "reasons",
/// "warnings"} to the JSON.
void finish(Score& score, const std::vector<std::string>& reasons, const std::vector<std::string>& warnings);

/// On stdout the table, or the JSON in one line; on stderr the warnings.
void print(const Score& score, bool json);

}  // namespace rcnn::tools
