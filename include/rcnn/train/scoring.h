#pragma once

#include <cstdint>
#include <string>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/train/hooks.h>

namespace rcnn::train {

/// When a run is scored, and what follows from it: a part of a config's "eval".
struct RCNN_EXPORT ScoringOptions {
  int64_t period = 0;     ///< epochs between scores; 0: the end alone, which is always scored
  std::string best = {};  ///< the number whose highest value makes a model the best; empty: the first
  int64_t patience = 0;   ///< scores in a row without a new best after which the run ends; 0: never

  /// Reads period, best and patience; the node is its owner's to finish. Throws ConfigError.
  static ScoringOptions from(const config::Node& eval);

  /// The number of `scores` that counts; what is no number is below all. Throws ConfigError when there is
  /// none of the name.
  double deciding(const Scores& scores) const;
};

}  // namespace rcnn::train
