#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <rcnn/eval/coco_summary.h>
#include <rcnn/types.h>

namespace rcnn::tools {

/// COCO's numbers of one list of detections, for people and for programs.
class CocoScore {
 public:
  /// Of objects and detections of the given categories, in any order.
  CocoScore(const std::vector<eval::CocoTruth>& truths, const std::vector<eval::CocoDetection>& detections,
            std::vector<Category> categories);

  const eval::CocoSummary& summary() const { return summary_; }

  /// The twelve lines of pycocotools.
  std::string table() const { return eval::to_text(summary_); }

  /// A line a class: its objects, AP, AP50 and AP75.
  std::string class_table() const;

  /// {"AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl", "per_class"}
  nlohmann::ordered_json json() const;

 private:
  std::vector<Category> categories_;  // by ascending id
  eval::CocoMap map_;
  eval::CocoSummary summary_;
};

}  // namespace rcnn::tools
