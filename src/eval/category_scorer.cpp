#include "eval/category_scorer.h"

#include <algorithm>

namespace rcnn::eval {

std::vector<double> linspace(double first, double last, int64_t count) {
  const double step = (last - first) / static_cast<double>(count - 1);
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<double>(i) * step + first);
  values.back() = last;
  return values;
}

CategoryScorer::CategoryScorer(const CocoMapOptions& options, size_t images)
    : options_(options),
      recalls_(linspace(0, 1, CocoMap::kRecalls)),
      objects_(options),
      tallies_(options.areas.size() * options.max_detections.size(), Tally(options.iou_thresholds.size())),
      images_(images) {}

void CategoryScorer::score(std::span<const OnImage<CocoTruth>> truths,
                           std::span<const OnImage<CocoDetection>> detections, int64_t k, CocoMap& map) {
  if (truths.empty()) return;
  set_truths(truths);
  set_detections(detections);
  count();
  for (size_t a = 0; a < options_.areas.size(); ++a) fill(k, a, map);
  for (const auto& truth : truths) images_[truth.image] = {};
  for (const auto& detection : detections) images_[detection.image] = {};
}

void CategoryScorer::set_truths(std::span<const OnImage<CocoTruth>> truths) {
  order_.clear();
  for (size_t i = 0; i < truths.size(); ++i) order_.push_back({truths[i].image, i});
  radix_sort(order_, spare_);
  truths_.clear();
  for (const auto& [image, place] : order_) {
    auto& objects = images_[image].objects;
    if (objects.count++ == 0) objects.first = truths_.size();
    truths_.push_back(truths[place].item);
  }
  objects_.set(truths_);
}

/// Their order is by falling score, of equal ones by image, and within one as given.
void CategoryScorer::set_detections(std::span<const OnImage<CocoDetection>> detections) {
  detections_.clear();
  order_.clear();
  for (const auto& [item, image] : detections) {
    order_.push_back({image, detections_.size()});
    detections_.push_back({*item, image});
  }
  radix_sort(order_, spare_);
  for (auto& [key, place] : order_) key = falling_key(detections_[place].detection.score);
  radix_sort(order_, spare_);
}

void CategoryScorer::count() {
  for (auto& tally : tallies_) tally.clear();
  // Limits that cut nothing off are one.
  const auto& limits = options_.max_detections;
  int64_t most = 0;
  for (const auto& [detection, image] : detections_) most = std::max(most, ++images_[image].detections);
  limits_ = 1;
  while (limits_ < limits.size() && limits[limits_ - 1] < most) ++limits_;

  for (const auto& [detection, image] : detections_) images_[image].detections = 0;
  for (const auto& [key, place] : order_) {
    const auto& [detection, image_place] = detections_[place];
    auto& image = images_[image_place];
    const int64_t rank = image.detections++;
    if (rank >= limits.back()) continue;
    const auto outcomes = objects_.match(detection, image.objects);
    for (size_t m = limits_; m-- > 0 && rank < limits[m];) {
      for (size_t a = 0; a < outcomes.size(); ++a) tally(a, m).add(outcomes[a], objects_.all());
    }
  }
}

void CategoryScorer::fill(int64_t k, size_t a, CocoMap& map) {
  const int64_t truths = objects_.counting(a), area = static_cast<int64_t>(a);
  map.truths[map.truths_index(k, area)] = truths;
  if (truths == 0) return;
  const auto recall_of = [&](size_t found) {
    return static_cast<double>(found) / static_cast<double>(truths);
  };
  needed_.clear();  // how many have to be found for each recall
  size_t found = 1;
  for (const double recall : recalls_) {
    while (recall_of(found) < recall) ++found;
    needed_.push_back(found);
  }
  for (size_t m = 0; m < limits_; ++m) {
    // The last tally is that of all limits from here on.
    const int64_t first = static_cast<int64_t>(m), end = m + 1 < limits_ ? first + 1 : map.limits;
    for (int64_t t = 0; t < map.thresholds; ++t) {
      const auto& precision = tally(a, m).envelope(static_cast<size_t>(t));
      for (int64_t limit = first; limit < end; ++limit) {
        map.recall[map.recall_index(t, k, area, limit)] = recall_of(precision.size());
        for (int64_t r = 0; r < CocoMap::kRecalls; ++r) {
          const size_t needed = needed_[static_cast<size_t>(r)];
          map.precision[map.precision_index(t, r, k, area, limit)] =
              needed <= precision.size() ? precision[needed - 1] : 0;
        }
      }
    }
  }
}

}  // namespace rcnn::eval
