#pragma once

#include <functional>
#include <optional>
#include <vector>

#include <rcnn/data/options.h>
#include <rcnn/eval/voc_map.h>
#include <rcnn/infer/detector.h>
#include <rcnn/infer/results.h>
#include <rcnn/train/run.h>

#include "coco_score.h"

namespace rcnn::tools {

/// A config's "eval".
struct EvalOptions {
  enum class Metric { voc, coco } metric = Metric::voc;
  eval::VocMapOptions voc;
  train::ScoringOptions scoring;  ///< during training

  /// Keys: metric (voc, coco), rule (area, points11) and iou_threshold (voc), and those of scoring. Without a
  /// metric it is the one of the data set's type.
  static EvalOptions from(const config::Node& node, data::DataOptions::Type type);
};

inline const std::function<bool()> kNeverStop = [] { return false; };

struct Evaluation {
  Score score;
  std::vector<ImageDetections> images;
};

/// A score's numbers by name: "mAP", "AP50", "per_class.person", "per_class.person.AP50".
train::Scores numbers_of(const Score& score);

/// What a model scores that finds nothing: the numbers that there are, and their names.
Score empty_score(const data::DataOptions& data, const data::Dataset& test_set, const EvalOptions& options);

/// Detects on every image of the data set's test part and scores the result; progress goes to stderr.
/// `data.classes` are the detector's, and `test_set` was opened with them. `stop` is asked before each image:
/// true gives it up, and nothing is returned.
std::optional<Evaluation> evaluate(const Detector& detector, const data::DataOptions& data,
                                   const data::Dataset& test_set, const EvalOptions& options,
                                   const ScoreOptions& score, const std::function<bool()>& stop);

/// The same with the proposals of the detector's RPN, scored alone.
Evaluation evaluate_proposals(const Detector& detector, const data::DataOptions& data,
                              const data::Dataset& test_set);

}  // namespace rcnn::tools
