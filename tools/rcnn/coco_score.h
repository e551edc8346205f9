#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <rcnn/data/coco_file.h>
#include <rcnn/eval/coco_map.h>
#include <rcnn/types.h>

namespace rcnn::tools {

/// A file's annotations as the evaluation takes them.
std::vector<eval::CocoTruth> truths_of(const data::CocoFile& file);

/// What is scored: the objects of a data set and what was found on its images.
struct CocoInput {
  std::vector<int64_t> image_ids;
  std::vector<Category> categories;  ///< in any order
  std::vector<eval::CocoTruth> truths;
  std::vector<eval::CocoDetection> detections;
};

struct ScoreOptions {
  bool per_class = false;  ///< COCO's numbers by class in the table, too; in JSON they are always there
  bool errors = false;     ///< the errors by kind and the confusions of classes
};

struct Score {
  double value = 0;             ///< the one number: mAP, or COCO's AP, 0 when there is none
  std::string table;            ///< for people
  nlohmann::ordered_json json;  ///< for programs
};

/// COCO's numbers: {"AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl",
/// "per_class", "negative_images"}, and what add_errors() adds.
Score coco_score(CocoInput input, const ScoreOptions& options);

/// Why detections are wrong: adds two tables, and {"errors", "confusion"} to the JSON.
void add_errors(CocoInput input, Score& score);

/// The detections as proposals, whatever their class: {"proposals", "most", "AR", "iou_thresholds",
/// "recall"}, AR by area and limit, recall by limit and IoU threshold. The value is AR at the highest limit.
Score proposal_score(const CocoInput& input);

/// On stdout: the table, or the JSON in one line.
void print(const Score& score, bool json);

}  // namespace rcnn::tools
