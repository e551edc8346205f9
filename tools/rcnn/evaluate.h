#pragma once

#include <functional>

#include <rcnn/data/dataset.h>
#include <rcnn/eval/voc_map.h>
#include <rcnn/infer/detector.h>

namespace rcnn::tools {

/// A config's "eval".
struct EvalOptions {
  eval::VocMapOptions voc;
  int64_t period = 0;  ///< epochs between scores during training; the end is always scored

  /// Keys: metric (voc), rule (area, points11), iou_threshold, period.
  static EvalOptions from(const config::Node& node);
};

/// Detects on every image of a data set and scores the result; progress goes to stderr.
eval::VocMap evaluate(const Detector& detector, const data::Dataset& dataset, const EvalOptions& options);

}  // namespace rcnn::tools
