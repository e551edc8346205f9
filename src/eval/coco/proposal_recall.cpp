#include <algorithm>
#include <unordered_map>

#include <spdlog/fmt/fmt.h>

#include <rcnn/eval/coco/proposal_recall.h>

#include "eval/numpy_mean.h"
#include "eval/require.h"

namespace rcnn::eval {
namespace {

constexpr int64_t kAny = 0;  // the one category

template <class Item>
std::vector<Item> without_categories(std::span<const Item> items) {
  std::vector<Item> copies(items.begin(), items.end());
  std::stable_sort(copies.begin(), copies.end(),
                   [](const Item& a, const Item& b) { return a.category_id < b.category_id; });
  for (auto& item : copies) item.category_id = kAny;
  return copies;
}

std::string cell(double value) {
  return value < 0 ? fmt::format("{:>8}", "-") : fmt::format("{:8.3f}", value);
}

}  // namespace

double ProposalRecall::average(int64_t a, int64_t m) const {
  if (truths[static_cast<size_t>(a)] == 0) return -1;
  std::vector<double> recalls;
  for (int64_t t = 0; t < thresholds; ++t) recalls.push_back(recall_at(t, a, m));
  return numpy_mean(recalls);
}

ProposalRecall proposal_recall(std::span<const CocoTruth> truths, std::span<const CocoDetection> proposals,
                               const ProposalRecallOptions& options) {
  const std::vector<int64_t> categories = {kAny};
  auto map = coco_map(
      without_categories(truths), without_categories(proposals), categories,
      {.iou_thresholds = options.iou_thresholds, .areas = options.areas, .max_detections = options.limits});
  std::unordered_map<int64_t, int64_t> counts;
  int64_t most = 0;
  for (const auto& proposal : proposals) most = std::max(most, ++counts[proposal.image_id]);
  return {.thresholds = map.thresholds,
          .areas = map.areas,
          .limits = map.limits,
          .recall = std::move(map.recall),
          .truths = std::move(map.truths),
          .most = most};
}

std::string to_text(const ProposalRecall& recall, const ProposalRecallOptions& options) {
  require(recall.thresholds == std::ssize(options.iou_thresholds) &&
              recall.areas == std::ssize(options.areas) && recall.limits == std::ssize(options.limits),
          "to_text: the recall was made with other options");
  const auto row = [&](int64_t m) { return fmt::format("{:>9}", options.limits[static_cast<size_t>(m)]); };
  const auto end = [&](int64_t m) {
    return options.limits[static_cast<size_t>(m)] > recall.most
               ? fmt::format("  (at most {} an image)\n", recall.most)
               : "\n";
  };
  std::string text = fmt::format("Average recall, IoU {:.2f} to {:.2f}\nproposals",
                                 options.iou_thresholds.front(), options.iou_thresholds.back());
  for (const auto& area : options.areas) text += fmt::format("{:>8}", area.name);
  text += '\n';
  for (int64_t m = 0; m < recall.limits; ++m) {
    text += row(m);
    for (int64_t a = 0; a < recall.areas; ++a) text += cell(recall.average(a, m));
    text += end(m);
  }
  text += "\nRecall at an IoU\nproposals";
  for (const double iou : options.iou_thresholds) text += fmt::format("{:8.2f}", iou);
  text += '\n';
  for (int64_t m = 0; m < recall.limits; ++m) {
    text += row(m);
    for (int64_t t = 0; t < recall.thresholds; ++t) text += cell(recall.recall_at(t, 0, m));
    text += end(m);
  }
  return text;
}

}  // namespace rcnn::eval
