#include "coco_score.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

namespace rcnn::tools {
namespace {

using Json = nlohmann::ordered_json;

eval::CocoMap score(const std::vector<eval::CocoTruth>& truths,
                    const std::vector<eval::CocoDetection>& detections, std::vector<Category>& categories) {
  std::sort(categories.begin(), categories.end(),
            [](const Category& a, const Category& b) { return a.id < b.id; });
  std::vector<int64_t> ids;
  for (const auto& category : categories) ids.push_back(category.id);
  return eval::coco_map(truths, detections, ids);
}

Json to_json(const eval::CocoSummary& s) {
  return {{"AP", s.ap},         {"AP50", s.ap50},    {"AP75", s.ap75},     {"APs", s.ap_small},
          {"APm", s.ap_medium}, {"APl", s.ap_large}, {"AR1", s.ar1},       {"AR10", s.ar10},
          {"AR100", s.ar100},   {"ARs", s.ar_small}, {"ARm", s.ar_medium}, {"ARl", s.ar_large}};
}

}  // namespace

CocoScore::CocoScore(const std::vector<eval::CocoTruth>& truths,
                     const std::vector<eval::CocoDetection>& detections, std::vector<Category> categories)
    : categories_(std::move(categories)),
      map_(score(truths, detections, categories_)),
      summary_(eval::coco_summary(map_)) {}

std::string CocoScore::class_table() const {
  size_t width = 5;
  for (const auto& category : categories_) width = std::max(width, category.name.size());
  std::string table = fmt::format("{:<{}}  objects     AP   AP50   AP75\n", "class", width);
  const auto number = [](double value) {
    return value < 0 ? std::string("     -") : fmt::format("{:6.3f}", value);
  };
  for (int64_t k = 0; k < map_.categories; ++k) {
    const auto s = eval::coco_summary(map_, {}, k);
    table += fmt::format("{:<{}}  {:>7} {} {} {}\n", categories_[static_cast<size_t>(k)].name, width,
                         map_.truths[static_cast<size_t>(k * map_.areas)], number(s.ap), number(s.ap50),
                         number(s.ap75));
  }
  return table;
}

Json CocoScore::json() const {
  auto json = to_json(summary_);
  auto& per_class = json["per_class"] = Json::object();
  for (int64_t k = 0; k < map_.categories; ++k) {
    per_class[categories_[static_cast<size_t>(k)].name] = to_json(eval::coco_summary(map_, {}, k));
  }
  return json;
}

}  // namespace rcnn::tools
