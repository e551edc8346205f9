#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <rcnn/eval/coco_map.h>

namespace rcnn::eval {

/// A bit for each IoU threshold.
using Thresholds = uint64_t;

/// What became of a detection in one area range, at each threshold.
struct Outcome {
  Thresholds matched = 0;
  Thresholds ignored = 0;
};

bool within(double area, const AreaRange& range);

/// The objects of one category, which detections take: at each threshold and in each area range by
/// themselves.
class CategoryObjects {
 public:
  /// Objects first .. first + count - 1 are those of one image.
  struct Image {
    size_t first = 0, count = 0;
  };

  explicit CategoryObjects(const CocoMapOptions& options);

  /// Starts anew with these objects, none of them taken. They have to stay.
  void set(std::span<const CocoTruth* const> truths);

  /// Those that count in area range a.
  int64_t counting(size_t a) const { return counting_[a]; }

  /// Lets a detection on this image take what it can. Better scores go first. The outcome in each area range
  /// is valid until the next call.
  std::span<const Outcome> match(const CocoDetection& detection, Image image);

  Thresholds all() const { return all_; }

 private:
  /// An object that a detection reaches.
  struct Candidate {
    size_t object = 0;
    double iou = 0;
    Thresholds reached = 0;
  };

  void find_candidates(const CocoDetection& detection, Image image);
  Outcome take(size_t a);

  const CocoMapOptions& options_;
  std::vector<double> ious_;  // what each threshold asks for
  double lowest_iou_ = 0;
  Thresholds all_ = 0;
  std::span<const CocoTruth* const> truths_;
  std::vector<char> ignored_;      // [truths, areas]
  std::vector<Thresholds> taken_;  // [truths, areas]
  std::vector<int64_t> counting_;  // [areas]
  std::vector<Candidate> candidates_;
  std::vector<Outcome> outcomes_;  // [areas]
};

}  // namespace rcnn::eval
