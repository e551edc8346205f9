#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "eval/category_objects.h"

namespace rcnn::eval {

/// Counts detections of one category by falling score, in one area range, and keeps the precision at each
/// that found an object: at the others recall stays and precision only falls.
class Tally {
 public:
  explicit Tally(size_t thresholds) : passed_(thresholds), precision_(thresholds) {}

  void clear();

  void add(const Outcome& outcome, Thresholds all) {
    if (outcome.ignored == all) return;
    ++seen_;
    if ((outcome.matched | outcome.ignored) != 0) count(outcome);
  }

  /// After each detection that found an object at threshold t: the highest precision at its recall or a
  /// greater one. Asked for once, when all are counted.
  const std::vector<double>& envelope(size_t t);

 private:
  void count(const Outcome& outcome);

  int64_t seen_ = 0;
  std::vector<int64_t> passed_;                 // [thresholds]: of those seen, what is ignored
  std::vector<std::vector<double>> precision_;  // [thresholds, found]
};

}  // namespace rcnn::eval
