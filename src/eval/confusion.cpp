#include <algorithm>
#include <optional>

#include <spdlog/fmt/fmt.h>

#include <rcnn/eval/confusion.h>
#include <rcnn/printable.h>

#include "eval/coco_images.h"
#include "eval/require.h"

namespace rcnn::eval {
namespace {

/// The free object that a detection takes.
std::optional<size_t> best_free(const std::vector<Placed<CocoTruth>>& truths, const std::vector<bool>& taken,
                                const Placed<CocoDetection>& detection, double threshold) {
  std::optional<size_t> best;
  double highest = threshold;
  for (size_t i = 0; i < truths.size(); ++i) {
    if (taken[i]) continue;
    const double iou = coco_iou(*detection.item, *truths[i].item);
    const bool same = truths[i].category == detection.category;
    const bool best_is_same = best && truths[*best].category == detection.category;
    if (iou < highest || (best && iou == highest && (best_is_same || !same))) continue;
    best = i;
    highest = iou;
  }
  return best;
}

}  // namespace

Confusion confusion(std::span<const CocoTruth> truths, std::span<const CocoDetection> detections,
                    std::span<const int64_t> category_ids, const ConfusionOptions& options) {
  require(options.iou_threshold > 0, "confusion: iou_threshold must be above 0");
  const size_t background = category_ids.size(), side = background + 1;
  Confusion result{.categories = std::ssize(category_ids), .counts = std::vector<int64_t>(side * side)};
  const auto count = [&](size_t there, size_t found) { ++result.counts[there * side + found]; };
  for (const auto& [id, image] : by_image(truths, detections, category_ids)) {
    std::vector<bool> taken(image.truths.size());
    for (const auto& detection : image.detections) {
      if (detection.item->score < options.score_threshold) break;
      if (const auto found = best_free(image.truths, taken, detection, options.iou_threshold)) {
        taken[*found] = true;
        count(image.truths[*found].category, detection.category);
      } else if (!image.in_crowd(detection, options.iou_threshold)) {
        count(background, detection.category);
      }
    }
    for (size_t i = 0; i < taken.size(); ++i) {
      if (!taken[i]) count(image.truths[i].category, background);
    }
  }
  return result;
}

std::string to_text(const Confusion& confusion, std::span<const std::string> names, int64_t rows) {
  require(std::ssize(names) == confusion.categories, "to_text: {} categories but {} names",
          confusion.categories, names.size());
  struct Pair {
    int64_t there = 0, found = 0, count = 0;
  };
  const int64_t background = confusion.categories;
  std::vector<Pair> pairs;
  int64_t right = 0, wrong = 0, missed = 0, nothing = 0;
  for (int64_t there = 0; there < background; ++there) {
    right += confusion.at(there, there);
    missed += confusion.at(there, background);
    nothing += confusion.at(background, there);
    for (int64_t found = 0; found < background; ++found) {
      const int64_t count = confusion.at(there, found);
      if (there == found || count == 0) continue;
      wrong += count;
      pairs.push_back({there, found, count});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Pair& a, const Pair& b) { return a.count > b.count; });

  std::string text = fmt::format(
      "Objects found: {} as what they are, {} as another class; missed: {}; found where nothing is: {}\n",
      right, wrong, missed, nothing);
  for (const auto& [there, found, count] :
       std::span(pairs).first(static_cast<size_t>(std::min(rows, std::ssize(pairs))))) {
    text += fmt::format("  {} -> {}  {}\n", printable(names[static_cast<size_t>(there)]),
                        printable(names[static_cast<size_t>(found)]), count);
  }
  if (std::ssize(pairs) > rows) text += fmt::format("  and {} rarer confusions\n", std::ssize(pairs) - rows);
  return text;
}

}  // namespace rcnn::eval
