#pragma once

#include <vector>

#include <rcnn/data/options.h>
#include <rcnn/eval/voc_map.h>
#include <rcnn/infer/detector.h>
#include <rcnn/infer/results.h>

#include "coco_score.h"

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
  Score score;
  std::vector<ImageDetections> images;
};

/// Detects on every image of the data set's test part and scores the result; progress goes to stderr.
/// `data.classes` are the detector's, and `test_set` was opened with them.
Evaluation evaluate(const Detector& detector, const data::DataOptions& data, const data::Dataset& test_set,
                    const EvalOptions& options, const ScoreOptions& score);

/// The same with the proposals of the detector's RPN, scored alone.
Evaluation evaluate_proposals(const Detector& detector, const data::DataOptions& data,
                              const data::Dataset& test_set);

}  // namespace rcnn::tools
