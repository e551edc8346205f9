#include <algorithm>
#include <atomic>
#include <cmath>
#include <future>
#include <numeric>
#include <thread>

#include <rcnn/eval/coco/coco_map.h>

#include "eval/coco/category_scorer.h"
#include "eval/input/id_places.h"
#include "eval/require.h"

namespace rcnn::eval {
namespace {

constexpr size_t kMaxThresholds = 64;  // bits of Thresholds

/// Images, numbered as they come.
class Images {
 public:
  size_t number(int64_t id) {
    const size_t number = numbers_.of(id);
    if (number != IdPlaces::kNone) return number;
    numbers_.add(id);
    ids_.push_back(id);
    return ids_.size() - 1;
  }

  size_t size() const { return ids_.size(); }

  /// [number]: the place of its id among all by ascending id.
  std::vector<size_t> places() const {
    std::vector<size_t> order(ids_.size()), places(ids_.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ids_[a] < ids_[b]; });
    for (size_t place = 0; place < order.size(); ++place) places[order[place]] = place;
    return places;
  }

 private:
  IdPlaces numbers_;
  std::vector<int64_t> ids_;
};

/// Items by category, in the order given within one.
template <class Item>
class ByCategory {
 public:
  ByCategory(std::span<const Item> items, const IdPlaces& categories, Images& images)
      : ends_(categories.size() + 1) {
    std::vector<uint32_t> category_of(items.size());
    for (size_t i = 0; i < items.size(); ++i) {
      category_of[i] = categories.of(items[i].category_id);
      if (category_of[i] != IdPlaces::kNone) ++ends_[category_of[i] + 1];
    }
    std::partial_sum(ends_.begin(), ends_.end(), ends_.begin());
    items_.resize(ends_.back());
    std::vector<size_t> next(ends_.begin(), ends_.end() - 1);
    for (size_t i = 0; i < items.size(); ++i) {
      if (category_of[i] == IdPlaces::kNone) continue;
      items_[next[category_of[i]]++] = {&items[i], images.number(items[i].image_id)};
    }
  }

  /// Image i becomes image numbers[i].
  void renumber_images(const std::vector<size_t>& numbers) {
    for (auto& item : items_) item.image = numbers[item.image];
  }

  std::span<const OnImage<Item>> of(int64_t category) const {
    const auto k = static_cast<size_t>(category);
    return std::span(items_).subspan(ends_[k], ends_[k + 1] - ends_[k]);
  }

 private:
  std::vector<OnImage<Item>> items_;
  std::vector<size_t> ends_;  // [1 + categories]
};

void check(const CocoMapOptions& options, std::span<const CocoDetection> detections) {
  require(!options.iou_thresholds.empty() && options.iou_thresholds.size() <= kMaxThresholds,
          "coco_map: 1 to 64 IoU thresholds, got {}", options.iou_thresholds.size());
  const auto& limits = options.max_detections;
  require(!limits.empty() && limits.front() > 0 && std::is_sorted(limits.begin(), limits.end()),
          "coco_map: max_detections must be positive and ascending");
  for (const auto& detection : detections) {
    require(!std::isnan(detection.score), "coco_map: the score of a detection on image {} is not a number",
            detection.image_id);
  }
}

}  // namespace

std::vector<double> CocoMapOptions::coco_iou_thresholds() {
  return linspace(0.5, 0.95, 10);
}

CocoMap coco_map(std::span<const CocoTruth> truths, std::span<const CocoDetection> detections,
                 std::span<const int64_t> category_ids, const CocoMapOptions& options) {
  check(options, detections);
  const auto categories = category_places(category_ids);
  CocoMap map{.thresholds = std::ssize(options.iou_thresholds),
              .categories = std::ssize(category_ids),
              .areas = std::ssize(options.areas),
              .limits = std::ssize(options.max_detections),
              .precision = {},
              .recall = {},
              .truths = {}};
  const auto cells = static_cast<size_t>(map.thresholds * map.categories * map.areas * map.limits);
  map.precision.assign(cells * CocoMap::kRecalls, -1);
  map.recall.assign(cells, -1);
  map.truths.assign(static_cast<size_t>(map.categories * map.areas), 0);

  Images images;
  ByCategory<CocoTruth> truths_of(truths, categories, images);
  ByCategory<CocoDetection> detections_of(detections, categories, images);
  const auto places = images.places();
  truths_of.renumber_images(places);
  detections_of.renumber_images(places);
  std::atomic<int64_t> next = 0;
  const auto work = [&] {
    CategoryScorer scorer(options, images.size());
    for (int64_t k = next++; k < map.categories; k = next++) {
      scorer.score(truths_of.of(k), detections_of.of(k), k, map);
    }
  };
  const auto threads = std::min<int64_t>(std::max(1u, std::thread::hardware_concurrency()), map.categories);
  std::vector<std::future<void>> others;  // they carry what is thrown, and wait when they go
  for (int64_t i = 1; i < threads; ++i) others.push_back(std::async(std::launch::async, work));
  work();
  for (auto& other : others) other.get();
  return map;
}

}  // namespace rcnn::eval
