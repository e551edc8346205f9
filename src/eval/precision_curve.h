#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "eval/matching.h"

namespace rcnn::eval {

/// What became of a detection, at each threshold: wrong where it neither matched nor is ignored.
struct Outcome {
  Thresholds matched = 0;
  Thresholds ignored = 0;
};

/// Precision over recall of one category, at several IoU thresholds at once: what every average precision is
/// computed from. Detections come by falling score. Precision is kept at each that found an object: at the
/// others recall stays and precision only falls.
class PrecisionCurve {
 public:
  /// `epsilon` is added to the number of detections that a precision is divided by, as pycocotools does.
  explicit PrecisionCurve(size_t thresholds = 1, double epsilon = 0)
      : epsilon_(epsilon), passed_(thresholds), precision_(thresholds) {}

  void clear();

  /// `all` are all thresholds.
  void add(const Outcome& outcome, Thresholds all = 1) {
    if (outcome.ignored == all) return;
    ++seen_;
    if ((outcome.matched | outcome.ignored) != 0) count(outcome);
  }

  /// So far: detections that are not ignored, and those of them that found an object.
  int64_t counted(size_t t = 0) const { return seen_ - passed_[t]; }
  int64_t found(size_t t = 0) const { return std::ssize(precision_[t]); }

  /// After each detection that found an object: the highest precision at its recall or a greater one
  /// (Everingham et al. 2010, section 4.2). Asked for once, when all are counted.
  const std::vector<double>& envelope(size_t t = 0);

 private:
  void count(const Outcome& outcome);

  double epsilon_;
  int64_t seen_ = 0;
  std::vector<int64_t> passed_;                 // [thresholds]: of those seen, what is ignored
  std::vector<std::vector<double>> precision_;  // [thresholds, found]
};

/// How many of `truths` objects have to be found for a recall of each of the ascending levels, at least one.
std::vector<size_t> needed_for(std::span<const double> levels, int64_t truths);

/// The highest precision where so many objects are found; 0 where they never are.
inline double precision_at(const std::vector<double>& envelope, size_t needed) {
  return needed <= envelope.size() ? envelope[needed - 1] : 0;
}

/// The area under the curve of `truths` objects.
double area_under(const std::vector<double>& envelope, int64_t truths);

}  // namespace rcnn::eval
