#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include <rcnn/eval/errors/confusion.h>
#include <rcnn/printable.h>

#include "eval/coco/coco_images.h"
#include "eval/coco/coco_iou.h"
#include "eval/matching.h"
#include "eval/require.h"

namespace rcnn::eval {
namespace {

using ConfusionMatching = Matching<Choice::first_best>;

/// Offers a detection the free objects, those of its own category first: they win among equal ones.
void offer_all(ConfusionMatching& matching, const Placed<CocoDetection>& detection,
               const std::vector<Placed<CocoTruth>>& objects) {
  std::vector<std::pair<size_t, double>> others;
  for (size_t i = 0; i < objects.size(); ++i) {
    if (!matching.is_free(i)) continue;
    const double iou = coco_iou(detection.item->box, objects[i].item->box);
    if (objects[i].category == detection.category) {
      matching.offer(i, iou);
    } else if (iou > 0) {
      others.emplace_back(i, iou);
    }
  }
  for (const auto& [object, iou] : others) matching.offer(object, iou);
}

}  // namespace
Confusion confusion(std::span<const CocoTruth> truths, std::span<const CocoDetection> detections,
                    std::span<const int64_t> category_ids, const ConfusionOptions& options) {
  require(options.iou_threshold > 0, "confusion: iou_threshold must be above 0");
  const size_t background = category_ids.size(), side = background + 1;
  Confusion result{.categories = std::ssize(category_ids), .counts = std::vector<int64_t>(side * side)};
  const auto count = [&](size_t there, size_t found) { ++result.counts[there * side + found]; };
  ConfusionMatching matching({options.iou_threshold});
  for (const auto& [id, image] : by_image(truths, detections, category_ids)) {
    matching.clear();
    for (size_t i = 0; i < image.truths.size(); ++i) matching.add();
    for (const auto& detection : image.detections) {
      if (detection.item->score < options.score_threshold) break;
      matching.clear_offers();
      offer_all(matching, detection, image.truths);
      if (const auto taken = matching.take()) {
        count(image.truths[*taken].category, detection.category);
      } else if (!image.in_crowd(detection, options.iou_threshold)) {
        count(background, detection.category);
      }
    }
    for (size_t i = 0; i < image.truths.size(); ++i) {
      if (matching.is_free(i)) count(image.truths[i].category, background);
    }
  }
  return result;
}

std::vector<ConfusedPair> confused_pairs(const Confusion& confusion) {
  std::vector<ConfusedPair> pairs;
  for (int64_t there = 0; there < confusion.categories; ++there) {
    for (int64_t found = 0; found < confusion.categories; ++found) {
      const int64_t count = confusion.at(there, found);
      if (there != found && count > 0) pairs.push_back({there, found, count});
    }
  }
  std::ranges::stable_sort(pairs, std::greater<>(), &ConfusedPair::count);
  return pairs;
}

std::string to_text(const Confusion& confusion, std::span<const std::string> names, int64_t rows) {
  require(std::ssize(names) == confusion.categories, "to_text: {} categories but {} names",
          confusion.categories, names.size());
  const int64_t background = confusion.categories;
  int64_t right = 0, wrong = 0, missed = 0, nothing = 0;
  for (int64_t k = 0; k < background; ++k) {
    right += confusion.at(k, k);
    missed += confusion.at(k, background);
    nothing += confusion.at(background, k);
  }
  const auto pairs = confused_pairs(confusion);
  for (const auto& pair : pairs) wrong += pair.count;

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
