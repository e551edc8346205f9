#include <algorithm>
#include <iterator>
#include <map>

#include <spdlog/fmt/fmt.h>

#include <rcnn/eval/coco/coco_matches.h>
#include <rcnn/eval/comparable.h>
#include <rcnn/eval/errors/image_scores.h>
#include <rcnn/vis/evaluation.h>

#include "vis/report/html.h"

namespace rcnn::vis {
namespace {

using eval::CocoMatches;
using Verdict = JudgedBox::Verdict;

/// The evaluation with what all its parts need.
class Evaluation {
 public:
  Evaluation(EvaluationInput input, const EvaluationOptions& options)
      : input_(std::move(input)),
        options_(options),
        truths_(input_.truths.value_or(std::vector<eval::CocoTruth>())) {
    std::ranges::sort(input_.categories, {}, &Category::id);
    for (const auto& category : input_.categories) {
      labels_[category.id] = std::ssize(ids_) + 1;
      ids_.push_back(category.id);
    }
    matches_ = eval::coco_matches(truths_, input_.detections, ids_,
                                  {.iou_threshold = options_.thresholds.iou_threshold});
  }

  void add_to(Report& report) const {
    report.annotated = input_.truths.has_value();
    report.thresholds = options_.thresholds;
    report.classes.clear();
    for (const auto& category : input_.categories) report.classes.push_back(category.name);
    report.histogram = eval::score_histogram(input_.detections, matches_);
    if (!report.annotated) {
      report.found = found();
      report.images = most_detections();
      return;
    }
    report.map_options.max_detections.back() = options_.max_detections;
    report.map = eval::coco_map(truths_, input_.detections, ids_, report.map_options);
    report.incomparable = eval::incomparable(report.map_options);
    std::ranges::copy(input_.incomparable, std::back_inserter(report.incomparable));
    report.confusion = eval::confusion(truths_, input_.detections, ids_, options_.thresholds);
    report.errors = eval::error_breakdown(truths_, input_.detections, ids_);
    const auto ranked = eval::rank_images(eval::image_scores(input_.image_ids, truths_, input_.detections,
                                                             matches_, options_.thresholds.score_threshold),
                                          options_.images);
    report.worst = pictures(ranked.worst);
    report.best = pictures(ranked.best);
  }

 private:
  bool is_shown(const eval::CocoDetection& detection) const {
    return detection.score >= options_.thresholds.score_threshold && labels_.contains(detection.category_id);
  }

  template <class Item>
  JudgedBox judged(const Item& item, Verdict verdict) const {
    const auto [x, y, width, height] = item.box;
    return {.verdict = verdict,
            .box = {static_cast<float>(x), static_cast<float>(y), static_cast<float>(x + width),
                    static_cast<float>(y + height)},
            .label = labels_.at(item.category_id)};
  }

  /// Wrong detections, missed objects, right detections, found objects; detections by falling score.
  std::vector<JudgedBox> boxes_of(int64_t image_id) const {
    std::vector<JudgedBox> boxes;
    for (size_t i = 0; i < input_.detections.size(); ++i) {
      const auto& detection = input_.detections[i];
      const int64_t match = matches_.of_detections[i];
      if (detection.image_id != image_id || !is_shown(detection) || match == CocoMatches::kIgnored) continue;
      boxes.push_back(judged(detection, !input_.truths                ? Verdict::none
                                        : match == CocoMatches::kNone ? Verdict::wrong
                                                                      : Verdict::right));
      boxes.back().score = static_cast<float>(detection.score);
    }
    for (size_t i = 0; i < truths_.size(); ++i) {
      const int64_t match = matches_.of_truths[i];
      if (truths_[i].image_id != image_id || match == CocoMatches::kIgnored) continue;
      const bool found =
          match != CocoMatches::kNone && is_shown(input_.detections[static_cast<size_t>(match)]);
      boxes.push_back(judged(truths_[i], found ? Verdict::found : Verdict::missed));
    }
    const auto rank = [](const JudgedBox& box) {
      const int order = box.verdict == Verdict::wrong    ? 0
                        : box.verdict == Verdict::missed ? 1
                        : box.verdict == Verdict::right  ? 2
                                                         : 3;
      return std::pair(order, -box.score.value_or(0));
    };
    std::ranges::stable_sort(boxes, {}, rank);
    return boxes;
  }

  void add_picture(std::vector<ReportImage>& pictures, int64_t image_id, std::string remark) const {
    if (!options_.read) return;
    auto image = options_.read(image_id);
    if (!image) return;
    pictures.push_back({.image = std::move(image->image),
                        .name = std::move(image->name),
                        .remark = std::move(remark),
                        .boxes = boxes_of(image_id)});
  }

  std::vector<ReportImage> pictures(const std::vector<eval::ImageScore>& scores) const {
    std::vector<ReportImage> pictures;
    for (const auto& score : scores) {
      add_picture(pictures, score.image_id,
                  fmt::format("F1 {:.2f}: {} right, {} wrong, {} missed", score.f1(), score.right,
                              score.wrong, score.missed));
    }
    return pictures;
  }

  std::vector<int64_t> found() const {
    std::vector<int64_t> counts(ids_.size());
    for (const auto& detection : input_.detections) {
      const auto label = labels_.find(detection.category_id);
      if (label != labels_.end()) ++counts[static_cast<size_t>(label->second - 1)];
    }
    return counts;
  }

  std::vector<ReportImage> most_detections() const {
    std::map<int64_t, int64_t> counts;
    for (const auto& detection : input_.detections) counts[detection.image_id] += is_shown(detection);
    auto ids = input_.image_ids;
    std::ranges::stable_sort(ids, std::greater<>(), [&](int64_t id) { return counts[id]; });
    std::vector<ReportImage> pictures;
    for (const int64_t id : ids) {
      if (std::ssize(pictures) == options_.images) break;
      add_picture(pictures, id, counted(counts[id], "detection"));
    }
    return pictures;
  }

  EvaluationInput input_;
  const EvaluationOptions& options_;
  const std::vector<eval::CocoTruth> truths_;
  std::vector<int64_t> ids_;           // of the categories, ascending
  std::map<int64_t, int64_t> labels_;  // by category id
  CocoMatches matches_;
};

}  // namespace

void add_evaluation(Report& report, EvaluationInput input, const EvaluationOptions& options) {
  Evaluation(std::move(input), options).add_to(report);
}

}  // namespace rcnn::vis
