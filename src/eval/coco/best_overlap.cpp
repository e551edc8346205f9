#include <algorithm>
#include <cmath>
#include <unordered_map>

#include <spdlog/fmt/fmt.h>

#include <rcnn/eval/coco/best_overlap.h>
#include <rcnn/printable.h>

#include "eval/coco/coco_iou.h"
#include "eval/require.h"

namespace rcnn::eval {
namespace {

using ProposalsByImage = std::unordered_map<int64_t, std::vector<const CocoDetection*>>;

/// The best `limit` of each image, by falling score.
ProposalsByImage best_by_image(std::span<const CocoDetection> proposals, int64_t limit) {
  ProposalsByImage images;
  for (const auto& proposal : proposals) {
    require(!std::isnan(proposal.score), "best_overlap: a score is not a number");
    images[proposal.image_id].push_back(&proposal);
  }
  for (auto& [id, best] : images) {
    std::ranges::stable_sort(best, std::greater(), [](const auto* proposal) { return proposal->score; });
    if (std::ssize(best) > limit) best.resize(static_cast<size_t>(limit));
  }
  return images;
}

/// Adds the greatest IoU of an object at each limit to `sums`.
void add_best(const CocoTruth& truth, const std::vector<const CocoDetection*>& proposals,
              const std::vector<int64_t>& limits, double* sums) {
  double best = 0;
  size_t next = 0;
  for (size_t m = 0; m < limits.size(); ++m) {
    for (; next < proposals.size() && next < static_cast<size_t>(limits[m]); ++next) {
      best = std::max(best, coco_iou(proposals[next]->box, truth.box));
    }
    sums[m] += best;
  }
}

std::string overlap_cell(double value) {
  return value < 0 ? fmt::format("{:>8}", "-") : fmt::format("{:8.3f}", value);
}

}  // namespace

double BestOverlap::mean(int64_t m) const {
  double sum = 0;
  int64_t with_objects = 0;
  for (int64_t k = 0; k < categories; ++k) {
    if (truths[static_cast<size_t>(k)] == 0) continue;
    sum += abo_at(k, m);
    ++with_objects;
  }
  return with_objects > 0 ? sum / static_cast<double>(with_objects) : -1;
}

BestOverlap best_overlap(std::span<const CocoTruth> truths, std::span<const CocoDetection> proposals,
                         std::span<const int64_t> category_ids, const BestOverlapOptions& options) {
  const auto& limits = options.limits;
  require(!limits.empty() && limits.front() > 0 && std::ranges::is_sorted(limits, std::less_equal()),
          "best_overlap: limits must ascend from 1 or more");
  require(std::ranges::is_sorted(category_ids, std::less_equal()), "best_overlap: category ids must ascend");
  BestOverlap overlap;
  overlap.categories = std::ssize(category_ids);
  overlap.limits = std::ssize(limits);
  overlap.truths.resize(category_ids.size());
  overlap.abo.resize(category_ids.size() * limits.size());
  const auto images = best_by_image(proposals, limits.back());
  for (const auto& truth : truths) {
    const auto category = std::ranges::lower_bound(category_ids, truth.category_id);
    if (truth.crowd || category == category_ids.end() || *category != truth.category_id) continue;
    const auto k = static_cast<size_t>(category - category_ids.begin());
    ++overlap.truths[k];
    if (const auto image = images.find(truth.image_id); image != images.end()) {
      add_best(truth, image->second, limits, &overlap.abo[k * limits.size()]);
    }
  }
  for (size_t i = 0; i < overlap.abo.size(); ++i) {
    const auto count = overlap.truths[i / limits.size()];
    overlap.abo[i] = count > 0 ? overlap.abo[i] / static_cast<double>(count) : -1;
  }
  return overlap;
}

std::string to_text(const BestOverlap& overlap, std::span<const Category> categories,
                    const BestOverlapOptions& options) {
  require(overlap.limits == std::ssize(options.limits) && overlap.categories == std::ssize(categories),
          "to_text: the overlap was made with other options");
  size_t width = std::string_view("proposals").size();
  for (const auto& category : categories) width = std::max(width, printable(category.name).size());
  std::string text = fmt::format("Average best overlap\n{:<{}}", "proposals", width);
  for (const int64_t limit : options.limits) text += fmt::format("{:>8}", limit);
  text += fmt::format("\n{:<{}}", "mean", width);
  for (int64_t m = 0; m < overlap.limits; ++m) text += overlap_cell(overlap.mean(m));
  for (int64_t k = 0; k < overlap.categories; ++k) {
    text += fmt::format("\n{:<{}}", printable(categories[static_cast<size_t>(k)].name), width);
    for (int64_t m = 0; m < overlap.limits; ++m) text += overlap_cell(overlap.abo_at(k, m));
  }
  return text + '\n';
}

}  // namespace rcnn::eval
