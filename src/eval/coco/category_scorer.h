#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <rcnn/eval/coco/coco_map.h>

#include "eval/matching.h"
#include "eval/precision_curve.h"
#include "eval/radix_sort.h"

namespace rcnn::eval {

/// An object or a detection, and the place of its image among all by ascending id.
template <class Item>
struct OnImage {
  const Item* item = nullptr;
  size_t image = 0;
};

/// Scores one category after the other, and keeps its memory between them.
class CategoryScorer {
 public:
  CategoryScorer(const CocoMapOptions& options, size_t images);

  /// Fills category k's part of `map`, which holds -1 there, from what is of this category, in the order
  /// given.
  void score(std::span<const OnImage<CocoTruth>> truths, std::span<const OnImage<CocoDetection>> detections,
             int64_t k, CocoMap& map);

 private:
  struct Found {
    CocoDetection detection;
    size_t image = 0;
  };

  /// What is of this category on one image: objects first .. first + count - 1.
  struct Image {
    size_t first = 0, count = 0;
    int64_t detections = 0;
  };

  void set_truths(std::span<const OnImage<CocoTruth>> truths);
  void set_detections(std::span<const OnImage<CocoDetection>> detections);
  void match(const CocoDetection& detection, const Image& image);
  void count();
  void fill(int64_t k, size_t a, CocoMap& map);

  PrecisionCurve& curve(size_t a, size_t m) { return curves_[a * options_.max_detections.size() + m]; }

  const CocoMapOptions& options_;
  const std::vector<double> recalls_;
  Matching<Choice::last_best> matching_;
  std::vector<int64_t> counting_;       // [areas]: the objects that count
  std::vector<Outcome> outcomes_;       // [areas]: of the last detection
  std::vector<PrecisionCurve> curves_;  // [areas, limits]
  size_t limits_ = 0;                   // of those, so many that differ
  std::vector<Image> images_;
  std::vector<const CocoTruth*> truths_;
  std::vector<Found> detections_;     // copies, which lie together
  std::vector<Keyed> order_, spare_;  // of the truths, then of the detections
};

/// numpy.linspace(first, last, count), to the last bit.
std::vector<double> linspace(double first, double last, int64_t count);

}  // namespace rcnn::eval
