#include "eval/coco/category_scorer.h"

#include <algorithm>
#include <limits>

#include "eval/coco/coco_images.h"
#include "eval/coco/coco_iou.h"

namespace rcnn::eval {
namespace {

bool within(double area, const AreaRange& range) {
  return area >= range.min && area <= range.max;
}

}  // namespace

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
      matching_(reachable(options.iou_thresholds), options.areas.size()),
      outcomes_(options.areas.size()),
      curves_(options.areas.size() * options.max_detections.size(),
              PrecisionCurve(options.iou_thresholds.size(), std::numeric_limits<double>::epsilon())),
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
  matching_.clear();
  counting_.assign(options_.areas.size(), 0);
  for (const auto& [key, place] : order_) {
    const auto& [truth, image_place] = truths[place];
    auto& image = images_[image_place];
    if (image.count++ == 0) image.first = truths_.size();
    truths_.push_back(truth);
    matching_.add(truth->crowd, [&](size_t a) {
      const bool counts = within(truth->area, options_.areas[a]);
      counting_[a] += counts && !truth->crowd;
      return counts;
    });
  }
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

void CategoryScorer::match(const CocoDetection& detection, const Image& image) {
  matching_.clear_offers();
  for (size_t object = image.first; object < image.first + image.count; ++object) {
    matching_.offer(object, coco_iou(detection.box, truths_[object]->box, truths_[object]->crowd));
  }
  const double area = detection.box[2] * detection.box[3];
  for (size_t a = 0; a < outcomes_.size(); ++a) {
    Outcome outcome;
    matching_.take(a, [&](size_t object, Thresholds at, bool ignored) {
      if (ignored) outcome.ignored |= at;
      if (truths_[object]->id != 0) outcome.matched |= at;
    });
    if (!within(area, options_.areas[a])) outcome.ignored |= matching_.all() & ~outcome.matched;
    outcomes_[a] = outcome;
  }
}

void CategoryScorer::count() {
  for (auto& curve : curves_) curve.clear();
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
    match(detection, image);
    for (size_t m = limits_; m-- > 0 && rank < limits[m];) {
      for (size_t a = 0; a < outcomes_.size(); ++a) curve(a, m).add(outcomes_[a], matching_.all());
    }
  }
}

void CategoryScorer::fill(int64_t k, size_t a, CocoMap& map) {
  const int64_t truths = counting_[a], area = static_cast<int64_t>(a);
  map.truths[map.truths_index(k, area)] = truths;
  if (truths == 0) return;
  const auto needed = needed_for(recalls_, truths);
  for (size_t m = 0; m < limits_; ++m) {
    // The last curve is that of all limits from here on.
    const int64_t first = static_cast<int64_t>(m), end = m + 1 < limits_ ? first + 1 : map.limits;
    for (int64_t t = 0; t < map.thresholds; ++t) {
      const auto& precision = curve(a, m).envelope(static_cast<size_t>(t));
      for (int64_t limit = first; limit < end; ++limit) {
        map.recall[map.recall_index(t, k, area, limit)] =
            static_cast<double>(precision.size()) / static_cast<double>(truths);
        for (int64_t r = 0; r < CocoMap::kRecalls; ++r) {
          map.precision[map.precision_index(t, r, k, area, limit)] =
              precision_at(precision, needed[static_cast<size_t>(r)]);
        }
      }
    }
  }
}

}  // namespace rcnn::eval
