#include <algorithm>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include <rcnn/eval/coco/coco_summary.h>

#include "eval/numpy_mean.h"
#include "eval/require.h"

namespace rcnn::eval {
namespace {

/// One of the twelve.
struct Number {
  std::string_view name;  ///< without a limit
  double CocoSummary::*value;
  bool precision;
  double iou = 0;  ///< 0: the mean over all
  const char* area = "all";
  size_t limit = 2;
};

constexpr Number kNumbers[] = {{"AP", &CocoSummary::ap, true},
                               {"AP50", &CocoSummary::ap50, true, 0.5},
                               {"AP75", &CocoSummary::ap75, true, 0.75},
                               {"APs", &CocoSummary::ap_small, true, 0, "small"},
                               {"APm", &CocoSummary::ap_medium, true, 0, "medium"},
                               {"APl", &CocoSummary::ap_large, true, 0, "large"},
                               {"AR", &CocoSummary::ar1, false, 0, "all", 0},
                               {"AR", &CocoSummary::ar10, false, 0, "all", 1},
                               {"AR", &CocoSummary::ar100, false},
                               {"ARs", &CocoSummary::ar_small, false, 0, "small"},
                               {"ARm", &CocoSummary::ar_medium, false, 0, "medium"},
                               {"ARl", &CocoSummary::ar_large, false, 0, "large"}};

int64_t area_index(const CocoMapOptions& options, std::string_view name) {
  const auto found = std::find_if(options.areas.begin(), options.areas.end(),
                                  [&](const AreaRange& area) { return area.name == name; });
  require(found != options.areas.end(), "coco_summary: the options have no area '{}'", name);
  return found - options.areas.begin();
}

/// The mean of what counts, in pycocotools' order; -1 does not count.
double mean(const CocoMap& map, const CocoMapOptions& options, const Number& number,
            std::optional<int64_t> category) {
  const int64_t a = area_index(options, number.area), m = static_cast<int64_t>(number.limit);
  const int64_t first = category.value_or(0), end = category ? *category + 1 : map.categories;
  std::vector<double> counting;
  const auto add = [&](double value) {
    if (value > -1) counting.push_back(value);
  };
  for (int64_t t = 0; t < map.thresholds; ++t) {
    if (number.iou > 0 && options.iou_thresholds[static_cast<size_t>(t)] != number.iou) continue;
    if (!number.precision) {
      for (int64_t k = first; k < end; ++k) add(map.recall_at(t, k, a, m));
      continue;
    }
    for (int64_t r = 0; r < CocoMap::kRecalls; ++r) {
      for (int64_t k = first; k < end; ++k) add(map.precision_at(t, r, k, a, m));
    }
  }
  return counting.empty() ? -1 : numpy_mean(counting);
}

const char* why_none(const Number& number, const CocoMapOptions& options) {
  const auto& thresholds = options.iou_thresholds;
  if (number.iou > 0 && std::find(thresholds.begin(), thresholds.end(), number.iou) == thresholds.end()) {
    return "this IoU is not among the thresholds";
  }
  return std::string_view(number.area) == "all" ? "there is no object" : "there is no object of this size";
}

}  // namespace

CocoSummary coco_summary(const CocoMap& map, const CocoMapOptions& options, std::optional<int64_t> category) {
  require(options.max_detections.size() == 3 && map.limits == 3 &&
              map.thresholds == std::ssize(options.iou_thresholds) && map.areas == std::ssize(options.areas),
          "coco_summary: the map was made with other options, or with other than three limits");
  require(!category || (*category >= 0 && *category < map.categories), "coco_summary: no category {}",
          category.value_or(0));
  CocoSummary summary;
  for (const auto& number : kNumbers) summary.*number.value = mean(map, options, number, category);
  return summary;
}

std::vector<std::pair<std::string, double>> named_numbers(const CocoSummary& summary,
                                                          const CocoMapOptions& options) {
  std::vector<std::pair<std::string, double>> numbers;
  for (const auto& number : kNumbers) {
    auto& [name, value] = numbers.emplace_back(number.name, summary.*number.value);
    if (name == "AR") name += fmt::format("{}", options.max_detections[number.limit]);
  }
  return numbers;
}

std::string to_text(const CocoSummary& summary, const CocoMapOptions& options) {
  std::string text;
  for (const auto& number : kNumbers) {
    const auto iou = number.iou > 0 ? fmt::format("{:.2f}", number.iou)
                                    : fmt::format("{:.2f}:{:.2f}", options.iou_thresholds.front(),
                                                  options.iou_thresholds.back());
    const double value = summary.*number.value;
    text += fmt::format(" {:<18} {} @[ IoU={:<9} | area={:>6} | maxDets={:>3} ] = {:.3f}{}\n",
                        number.precision ? "Average Precision" : "Average Recall",
                        number.precision ? "(AP)" : "(AR)", iou, number.area,
                        options.max_detections[number.limit], value,
                        value == -1 ? fmt::format("  ({})", why_none(number, options)) : "");
  }
  return text;
}

}  // namespace rcnn::eval
