#include "print_score.h"

#include <iostream>

#include <nlohmann/json.hpp>

#include <rcnn/log.h>

namespace rcnn::tools {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const eval::Numbers& numbers) {
  auto json = Json::object();
  for (const auto& [name, value] : numbers) json[name] = value;
  return json;
}

Json to_json(const std::vector<eval::ClassScore>& classes) {
  auto json = Json::object();
  for (const auto& [name, ap, numbers] : classes) json[name] = numbers.empty() ? Json(ap) : to_json(numbers);
  return json;
}

Json to_json(const eval::ProposalScore& score) {
  const auto& [options, recall, overlap, classes] = score;
  auto average = Json::object(), by_iou = Json::array(), abo = Json::object();
  for (int64_t a = 0; a < recall.areas; ++a) {
    auto& row = average[std::string(options.areas[static_cast<size_t>(a)].name)] = Json::array();
    for (int64_t m = 0; m < recall.limits; ++m) row.push_back(recall.average(a, m));
  }
  for (int64_t m = 0; m < recall.limits; ++m) {
    auto& row = by_iou.emplace_back(Json::array());
    for (int64_t t = 0; t < recall.thresholds; ++t) row.push_back(recall.recall_at(t, 0, m));
  }
  for (int64_t k = 0; k < overlap.categories; ++k) {
    auto& row = abo[classes[static_cast<size_t>(k)]] = Json::array();
    for (int64_t m = 0; m < overlap.limits; ++m) row.push_back(overlap.abo_at(k, m));
  }
  return {{"proposals", options.limits},
          {"most", recall.most},
          {"AR", average},
          {"iou_thresholds", options.iou_thresholds},
          {"recall", by_iou},
          {"ABO", abo}};
}

Json to_json(const eval::ErrorBreakdown& breakdown) {
  Json json = {{"AP50", breakdown.ap50}};
  for (const auto& [name, count, gain] : breakdown.errors) {
    json[std::string(name)] = {{"count", count}, {"dAP", gain}};
  }
  return json;
}

Json confusion_json(const eval::ScoreErrors& errors) {
  auto matrix = Json::array();
  const auto side = errors.confusion.categories + 1;
  for (int64_t row = 0; row < side; ++row) {
    const auto begin = errors.confusion.counts.begin() + row * side;
    matrix.push_back(std::vector<int64_t>(begin, begin + side));
  }
  return {{"score_threshold", errors.thresholds.score_threshold},
          {"iou_threshold", errors.thresholds.iou_threshold},
          {"classes", errors.classes},
          {"matrix", matrix}};
}

Json to_json(const eval::Score& score) {
  auto json = Json::object();
  if (score.metric == eval::Score::Metric::voc) json["metric"] = "voc";
  if (score.proposals) json.update(to_json(*score.proposals));
  json.update(to_json(score.numbers));
  if (score.metric != eval::Score::Metric::proposals) json["per_class"] = to_json(score.classes);
  if (const auto& negatives = score.negatives) {
    json["negative_images"] = {{"images", negatives->images},
                               {"score_thresholds", negatives->score_thresholds},
                               {"false_positives_per_image", negatives->false_positives}};
  }
  json["comparable"] = score.incomparable.empty();
  json["reasons"] = score.incomparable;
  json["warnings"] = score.warnings;
  if (score.errors) {
    json["errors"] = to_json(score.errors->kinds);
    json["confusion"] = confusion_json(*score.errors);
  }
  return json;
}

}  // namespace

void print(const eval::Score& score, bool json) {
  for (const auto& warning : score.warnings) log::warn(warning);
  // Names are bytes of a file; what is no UTF-8 is written with replacement characters.
  std::cout << (json ? to_json(score).dump(-1, ' ', false, Json::error_handler_t::replace) + '\n'
                     : score.table);
}

}  // namespace rcnn::tools
