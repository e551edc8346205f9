#include "coco_score.h"

#include <algorithm>
#include <iostream>

#include <spdlog/fmt/ranges.h>

#include <rcnn/eval/coco/coco_summary.h>
#include <rcnn/eval/coco/proposal_recall.h>
#include <rcnn/eval/comparable.h>
#include <rcnn/eval/errors/confusion.h>
#include <rcnn/eval/errors/error_breakdown.h>
#include <rcnn/eval/errors/negative_images.h>
#include <rcnn/log.h>
#include <rcnn/printable.h>

namespace rcnn::tools {
namespace {

using Json = nlohmann::ordered_json;

std::vector<int64_t> category_ids(const eval::CocoInput& input) {
  std::vector<int64_t> ids;
  for (const auto& category : input.categories) ids.push_back(category.id);
  return ids;
}

eval::CocoMapOptions map_options(const ScoreOptions& options) {
  eval::CocoMapOptions result;
  result.max_detections.back() = options.max_detections;
  return result;
}

Json to_json(const eval::CocoSummary& s, const eval::CocoMapOptions& options) {
  const auto most = fmt::format("AR{}", options.max_detections.back());
  return {{"AP", s.ap},         {"AP50", s.ap50},    {"AP75", s.ap75},     {"APs", s.ap_small},
          {"APm", s.ap_medium}, {"APl", s.ap_large}, {"AR1", s.ar1},       {"AR10", s.ar10},
          {most, s.ar100},      {"ARs", s.ar_small}, {"ARm", s.ar_medium}, {"ARl", s.ar_large}};
}

Json to_json(const eval::NegativeImages& negatives) {
  return {{"images", negatives.images},
          {"score_thresholds", negatives.score_thresholds},
          {"false_positives_per_image", negatives.false_positives}};
}

Json to_json(const eval::ErrorBreakdown& breakdown) {
  Json json = {{"AP50", breakdown.ap50}};
  for (const auto& [name, count, gain] : breakdown.errors) {
    json[std::string(name)] = {{"count", count}, {"dAP", gain}};
  }
  return json;
}

Json to_json(const eval::Confusion& confusion, const eval::ConfusionOptions& options,
             const std::vector<std::string>& names) {
  auto matrix = Json::array();
  const auto side = confusion.categories + 1;
  for (int64_t row = 0; row < side; ++row) {
    const auto begin = confusion.counts.begin() + row * side;
    matrix.push_back(std::vector<int64_t>(begin, begin + side));
  }
  return {{"score_threshold", options.score_threshold},
          {"iou_threshold", options.iou_threshold},
          {"classes", names},
          {"matrix", matrix}};
}

/// A line a class: its objects, AP, AP50 and AP75.
std::string class_table(const eval::CocoMap& map, const eval::CocoMapOptions& options,
                        const std::vector<Category>& categories) {
  size_t width = 5;
  for (const auto& category : categories) width = std::max(width, printable(category.name).size());
  std::string table = fmt::format("{:<{}}  objects     AP   AP50   AP75\n", "class", width);
  const auto number = [](double value) {
    return value < 0 ? std::string("     -") : fmt::format("{:6.3f}", value);
  };
  for (int64_t k = 0; k < map.categories; ++k) {
    const auto s = eval::coco_summary(map, options, k);
    table += fmt::format("{:<{}}  {:>7} {} {} {}\n", printable(categories[static_cast<size_t>(k)].name),
                         width, map.truths_at(k, 0), number(s.ap), number(s.ap50), number(s.ap75));
  }
  return table;
}

}  // namespace

Score coco_score(const eval::CocoInput& input, const ScoreOptions& options) {
  const auto ids = category_ids(input);
  const auto how = map_options(options);
  const auto map = eval::coco_map(input.truths, input.detections, ids, how);
  const auto summary = eval::coco_summary(map, how);
  const auto negatives = eval::negative_images(input.truths, input.detections, input.image_ids);

  Score score{.value = std::max(summary.ap, 0.0),
              .table = eval::to_text(summary, how) + eval::to_text(negatives),
              .json = to_json(summary, how)};
  auto reasons = eval::incomparable(how);
  reasons.insert(reasons.end(), input.incomparable.begin(), input.incomparable.end());
  auto& per_class = score.json["per_class"] = Json::object();
  for (int64_t k = 0; k < map.categories; ++k) {
    per_class[input.categories[static_cast<size_t>(k)].name] = to_json(eval::coco_summary(map, how, k), how);
  }
  score.json["negative_images"] = to_json(negatives);
  finish(score, reasons, input.warnings);
  if (options.per_class) score.table += '\n' + class_table(map, how, input.categories);
  if (options.errors) add_errors(input, score);
  return score;
}

void finish(Score& score, const std::vector<std::string>& reasons, const std::vector<std::string>& warnings) {
  score.table += reasons.empty()
                     ? std::string(" Comparable with published scores: yes\n")
                     : fmt::format(" Comparable with published scores: no: {}\n", fmt::join(reasons, "; "));
  score.json["comparable"] = reasons.empty();
  score.json["reasons"] = reasons;
  score.json["warnings"] = warnings;
  score.warnings = warnings;
}

void add_errors(const eval::CocoInput& input, Score& score) {
  const auto ids = category_ids(input);
  std::vector<std::string> names;
  for (const auto& category : input.categories) names.push_back(category.name);
  const auto errors = eval::error_breakdown(input.truths, input.detections, ids);
  const eval::ConfusionOptions options;
  const auto confusion = eval::confusion(input.truths, input.detections, ids, options);
  score.table += '\n' + eval::to_text(errors) +
                 fmt::format("\nWith a score from {} and an IoU from {}:\n", options.score_threshold,
                             options.iou_threshold) +
                 eval::to_text(confusion, names);
  score.json["errors"] = to_json(errors);
  score.json["confusion"] = to_json(confusion, options, names);
}

Score proposal_score(const eval::CocoInput& input) {
  const eval::ProposalRecallOptions options;
  const auto recall = eval::proposal_recall(input.truths, input.detections, options);
  auto average = Json::object(), by_iou = Json::array();
  for (int64_t a = 0; a < recall.areas; ++a) {
    auto& row = average[std::string(options.areas[static_cast<size_t>(a)].name)] = Json::array();
    for (int64_t m = 0; m < recall.limits; ++m) row.push_back(recall.average(a, m));
  }
  for (int64_t m = 0; m < recall.limits; ++m) {
    auto& row = by_iou.emplace_back(Json::array());
    for (int64_t t = 0; t < recall.thresholds; ++t) row.push_back(recall.recall_at(t, 0, m));
  }
  Score score{.value = std::max(recall.average(0, recall.limits - 1), 0.0),
              .table = eval::to_text(recall, options),
              .json = {{"proposals", options.limits},
                       {"most", recall.most},
                       {"AR", average},
                       {"iou_thresholds", options.iou_thresholds},
                       {"recall", by_iou}}};
  finish(score, input.incomparable, input.warnings);
  return score;
}

void print(const Score& score, bool json) {
  for (const auto& warning : score.warnings) log::warn(warning);
  // Names are bytes of a file; what is no UTF-8 is written with replacement characters.
  std::cout << (json ? score.json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n' : score.table);
}

}  // namespace rcnn::tools
