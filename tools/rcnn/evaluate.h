#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <rcnn/data/options.h>
#include <rcnn/eval/voc_map.h>
#include <rcnn/infer/detector.h>
#include <rcnn/infer/results.h>

namespace rcnn::tools {

/// A config's "eval".
struct EvalOptions {
  enum class Metric { voc, coco } metric = Metric::voc;
  eval::VocMapOptions voc;
  int64_t period = 0;  ///< epochs between scores during training; the end is always scored

  /// Keys: metric (voc, coco), rule (area, points11) and iou_threshold (voc), period. Without a metric it is
  /// the one of the data set's type.
  static EvalOptions from(const config::Node& node, data::DataOptions::Type type);
};

struct Evaluation {
  double value = 0;             ///< mAP, or COCO's AP, 0 when there is none
  std::string table;            ///< for people
  nlohmann::ordered_json json;  ///< for programs
  std::vector<ImageDetections> images;
};

/// Detects on every image of the data set's test part and scores the result; progress goes to stderr.
/// `options.classes` are the detector's.
Evaluation evaluate(const Detector& detector, const data::DataOptions& data, const data::Dataset& test_set,
                    const EvalOptions& options);

}  // namespace rcnn::tools
