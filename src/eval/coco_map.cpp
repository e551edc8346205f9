#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <future>
#include <limits>
#include <numeric>
#include <thread>

#include <c10/util/Exception.h>

#include <rcnn/eval/coco_map.h>

#include "eval/coco_images.h"

namespace rcnn::eval {
namespace {

constexpr size_t kMaxThresholds = 64;  // bits of a Mask

/// A bit for each IoU threshold.
using Mask = uint64_t;

/// numpy.linspace(first, last, count), to the last bit.
std::vector<double> linspace(double first, double last, int64_t count) {
  const double step = (last - first) / static_cast<double>(count - 1);
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<double>(i) * step + first);
  values.back() = last;
  return values;
}

/// Items by category, by ascending image id within one, in the order given within both.
template <class Item>
class ByCategory {
 public:
  ByCategory(std::span<const Item> items, std::span<const int64_t> category_ids)
      : items_(category_ids.size()) {
    for (const auto& item : items) {
      if (const auto place = place_of(category_ids, item.category_id)) items_[*place].push_back(&item);
    }
  }

  /// Each category is asked for once.
  std::span<const Item* const> of(int64_t category) {
    auto& items = items_[static_cast<size_t>(category)];
    std::stable_sort(items.begin(), items.end(),
                     [](const Item* a, const Item* b) { return a->image_id < b->image_id; });
    return items;
  }

 private:
  std::vector<std::vector<const Item*>> items_;
};

/// The items of the first image in `items`, which they leave.
template <class Item>
std::span<const Item* const> take_image(std::span<const Item* const>& items, int64_t image) {
  size_t count = 0;
  while (count < items.size() && items[count]->image_id == image) ++count;
  const auto taken = items.first(count);
  items = items.subspan(count);
  return taken;
}

bool within(double area, const AreaRange& range) {
  return area >= range.min && area <= range.max;
}

/// One detection, as one area range sees it.
struct Outcome {
  Mask matched = 0, ignored = 0;
};

/// The detections of one category over all images.
struct CategoryMatches {
  std::vector<double> scores;
  std::vector<int64_t> ranks;                  ///< among those of the same image
  std::vector<std::vector<Outcome>> outcomes;  ///< [A][detections]
  std::vector<int64_t> truths;                 ///< [A], those that count
};

class CategoryMatcher {
 public:
  explicit CategoryMatcher(const CocoMapOptions& options) : options_(options) {}

  CategoryMatches match(std::span<const CocoTruth* const> truths,
                        std::span<const CocoDetection* const> detections) {
    matches_ = {};
    matches_.outcomes.resize(options_.areas.size());
    matches_.truths.resize(options_.areas.size());
    while (!truths.empty() || !detections.empty()) {
      constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
      const int64_t image = std::min(truths.empty() ? kNone : truths.front()->image_id,
                                     detections.empty() ? kNone : detections.front()->image_id);
      match_image(take_image(truths, image), take_image(detections, image));
    }
    return std::move(matches_);
  }

 private:
  void match_image(std::span<const CocoTruth* const> truths, std::span<const CocoDetection* const> all) {
    detections_.assign(all.begin(), all.end());
    std::stable_sort(detections_.begin(), detections_.end(),
                     [](const auto* a, const auto* b) { return a->score > b->score; });
    const auto limit = static_cast<size_t>(options_.max_detections.back());
    if (detections_.size() > limit) detections_.resize(limit);
    for (size_t d = 0; d < detections_.size(); ++d) {
      matches_.scores.push_back(detections_[d]->score);
      matches_.ranks.push_back(static_cast<int64_t>(d));
    }
    ious_.clear();
    for (const auto* detection : detections_) {
      for (const auto* truth : truths) ious_.push_back(coco_iou(*detection, *truth));
    }
    for (size_t a = 0; a < options_.areas.size(); ++a) match_area(truths, a);
  }

  void match_area(std::span<const CocoTruth* const> truths, size_t a) {
    const auto& range = options_.areas[a];
    const auto ignored = [&](size_t g) { return truths[g]->crowd || !within(truths[g]->area, range); };
    order_.clear();  // those that count first
    for (size_t g = 0; g < truths.size(); ++g) {
      if (!ignored(g)) order_.push_back(g);
    }
    const size_t counting = order_.size();
    for (size_t g = 0; g < truths.size(); ++g) {
      if (ignored(g)) order_.push_back(g);
    }
    matches_.truths[a] += static_cast<int64_t>(counting);

    taken_.assign(truths.size(), 0);
    for (size_t d = 0; d < detections_.size(); ++d) {
      Outcome outcome;
      for (size_t t = 0; t < options_.iou_thresholds.size(); ++t) {
        const Mask bit = Mask{1} << t;
        const size_t found = best(truths, d, t, counting);
        if (found == order_.size()) continue;
        taken_[found] |= bit;
        if (found >= counting) outcome.ignored |= bit;
        if (truths[order_[found]]->id != 0) outcome.matched |= bit;
      }
      const auto& box = detections_[d]->box;
      if (!within(box[2] * box[3], range)) outcome.ignored |= ~outcome.matched;
      matches_.outcomes[a].push_back(outcome);
    }
  }

  /// The place in order_ of what detection d takes at threshold t, or the end.
  size_t best(std::span<const CocoTruth* const> truths, size_t d, size_t t, size_t counting) const {
    double highest = std::min(options_.iou_thresholds[t], kAlmostOne);
    size_t found = order_.size();
    const double* const row = ious_.data() + d * truths.size();
    for (size_t i = 0; i < order_.size(); ++i) {
      if ((taken_[i] >> t & 1) != 0 && !truths[order_[i]]->crowd) continue;
      if (i >= counting && found < counting) break;
      if (row[order_[i]] < highest) continue;
      highest = row[order_[i]];
      found = i;
    }
    return found;
  }

  const CocoMapOptions& options_;
  CategoryMatches matches_;
  // Of the image at hand, kept for their memory:
  std::vector<const CocoDetection*> detections_;
  std::vector<double> ious_;   // [detections, truths]
  std::vector<size_t> order_;  // of the truths
  std::vector<Mask> taken_;    // in that order
};

/// Precision and recall after each of some detections by falling score, the precision as the highest at this
/// recall or a greater one.
struct Curve {
  std::vector<double> precision, recall;

  /// Of the detections `chosen`, as threshold t sees them.
  void trace(const std::vector<Outcome>& outcomes, const std::vector<size_t>& chosen, int64_t t,
             int64_t truths) {
    double true_positives = 0, false_positives = 0;
    precision.clear();
    recall.clear();
    for (const size_t i : chosen) {
      const bool ignored = outcomes[i].ignored >> t & 1, matched = outcomes[i].matched >> t & 1;
      true_positives += matched && !ignored;
      false_positives += !matched && !ignored;
      recall.push_back(true_positives / static_cast<double>(truths));
      precision.push_back(true_positives /
                          (false_positives + true_positives + std::numeric_limits<double>::epsilon()));
    }
    for (size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  }
};

/// Fills a category's part of the result from the detections of all images.
void accumulate(const CategoryMatches& matches, int64_t k, const CocoMapOptions& options,
                const std::vector<double>& recalls, CocoMap& map) {
  std::vector<size_t> order(matches.scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return matches.scores[a] > matches.scores[b]; });
  std::vector<size_t> chosen;
  Curve curve;
  for (int64_t a = 0; a < map.areas; ++a) {
    const int64_t truths = matches.truths[static_cast<size_t>(a)];
    map.truths[map.truths_index(k, a)] = truths;
    if (truths == 0) continue;
    for (int64_t m = 0; m < map.limits; ++m) {
      const int64_t limit = options.max_detections[static_cast<size_t>(m)];
      chosen.clear();
      std::copy_if(order.begin(), order.end(), std::back_inserter(chosen),
                   [&](size_t i) { return matches.ranks[i] < limit; });
      for (int64_t t = 0; t < map.thresholds; ++t) {
        curve.trace(matches.outcomes[static_cast<size_t>(a)], chosen, t, truths);
        map.recall[map.recall_index(t, k, a, m)] = curve.recall.empty() ? 0 : curve.recall.back();
        size_t i = 0;
        for (int64_t r = 0; r < CocoMap::kRecalls; ++r) {
          while (i < chosen.size() && curve.recall[i] < recalls[static_cast<size_t>(r)]) ++i;
          map.precision[map.precision_index(t, r, k, a, m)] = i < chosen.size() ? curve.precision[i] : 0;
        }
      }
    }
  }
}

void check(const CocoMapOptions& options, std::span<const CocoDetection> detections,
           std::span<const int64_t> category_ids) {
  TORCH_CHECK(std::adjacent_find(category_ids.begin(), category_ids.end(), std::greater_equal<>()) ==
                  category_ids.end(),
              "coco_map: category_ids must ascend");
  TORCH_CHECK(!options.iou_thresholds.empty() && options.iou_thresholds.size() <= kMaxThresholds,
              "coco_map: 1 to 64 IoU thresholds, got ", options.iou_thresholds.size());
  const auto& limits = options.max_detections;
  TORCH_CHECK(!limits.empty() && limits.front() > 0 && std::is_sorted(limits.begin(), limits.end()),
              "coco_map: max_detections must be positive and ascending");
  for (const auto& detection : detections) {
    TORCH_CHECK(!std::isnan(detection.score), "coco_map: the score of a detection on image ",
                detection.image_id, " is not a number");
  }
}

}  // namespace

std::vector<double> CocoMapOptions::coco_iou_thresholds() {
  return linspace(0.5, 0.95, 10);
}

CocoMap coco_map(std::span<const CocoTruth> truths, std::span<const CocoDetection> detections,
                 std::span<const int64_t> category_ids, const CocoMapOptions& options) {
  check(options, detections, category_ids);
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

  ByCategory<CocoTruth> truths_of(truths, category_ids);
  ByCategory<CocoDetection> detections_of(detections, category_ids);
  const auto recalls = linspace(0, 1, CocoMap::kRecalls);
  std::atomic<int64_t> next = 0;
  const auto work = [&] {
    CategoryMatcher matcher(options);
    for (int64_t k = next++; k < map.categories; k = next++) {
      accumulate(matcher.match(truths_of.of(k), detections_of.of(k)), k, options, recalls, map);
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
