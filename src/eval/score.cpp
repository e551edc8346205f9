#include <algorithm>
#include <iterator>
#include <limits>

#include <spdlog/fmt/ranges.h>

#include <rcnn/eval/coco/coco_summary.h>
#include <rcnn/eval/comparable.h>
#include <rcnn/eval/score.h>
#include <rcnn/printable.h>

namespace rcnn::eval {
namespace {

std::vector<int64_t> ids_of(const std::vector<Category>& categories) {
  std::vector<int64_t> ids;
  for (const auto& category : categories) ids.push_back(category.id);
  return ids;
}

/// A line a class: its objects, AP, AP50 and AP75.
std::string class_table(const CocoMap& map, const std::vector<ClassScore>& classes) {
  size_t width = 5;
  for (const auto& row : classes) width = std::max(width, printable(row.name).size());
  std::string table = fmt::format("{:<{}}  objects     AP   AP50   AP75\n", "class", width);
  for (size_t k = 0; k < classes.size(); ++k) {
    const auto& [name, ap, numbers] = classes[k];
    table += fmt::format("{:<{}}  {:>7}", printable(name), width, map.truths_at(static_cast<int64_t>(k), 0));
    for (size_t i = 0; i < 3; ++i) {
      const double value = numbers[i].second;
      table += value < 0 ? fmt::format(" {:>6}", "-") : fmt::format(" {:6.3f}", value);
    }
    table += '\n';
  }
  return table;
}

/// Says whether the score can be compared with published ones.
void finish(Score& score) {
  score.table += score.incomparable.empty() ? std::string(" Comparable with published scores: yes\n")
                                            : fmt::format(" Comparable with published scores: no: {}\n",
                                                          fmt::join(score.incomparable, "; "));
}

}  // namespace

Numbers Score::flat() const {
  Numbers flat = numbers;
  for (const auto& [name, ap, of_class] : classes) {
    const auto prefix = "per_class." + name;
    if (of_class.empty()) flat.emplace_back(prefix, ap);
    for (const auto& [number, value] : of_class) flat.emplace_back(prefix + "." + number, value);
  }
  if (negatives) flat.emplace_back("negative_images.images", static_cast<double>(negatives->images));
  return flat;
}

Score coco_score(const CocoInput& input, const ScoreOptions& options) {
  CocoMapOptions how;
  how.max_detections.back() = options.max_detections;
  const auto map = coco_map(input.truths, input.detections, ids_of(input.categories), how);
  const auto summary = coco_summary(map, how);
  Score score{.metric = Score::Metric::coco,
              .value = std::max(summary.ap, 0.0),
              .numbers = named_numbers(summary, how),
              .negatives = negative_images(input.truths, input.detections, input.image_ids),
              .incomparable = incomparable(how),
              .warnings = input.warnings};
  for (int64_t k = 0; k < map.categories; ++k) {
    const auto of_class = coco_summary(map, how, k);
    score.classes.push_back(
        {input.categories[static_cast<size_t>(k)].name, of_class.ap, named_numbers(of_class, how)});
  }
  std::ranges::copy(input.incomparable, std::back_inserter(score.incomparable));
  score.table = to_text(summary, how) + to_text(*score.negatives);
  finish(score);
  if (options.per_class) score.table += '\n' + class_table(map, score.classes);
  if (options.errors) add_errors(score, input);
  return score;
}

Score voc_score(const std::vector<ImageResult>& images, const std::vector<Category>& categories,
                const VocMapOptions& options, std::vector<std::string> reasons) {
  const auto map = voc_map(images, std::ssize(categories), options);
  Score score{.metric = Score::Metric::voc,
              .value = map.mean_average_precision,
              .numbers = {{"mAP", map.mean_average_precision}},
              .incomparable = incomparable(options),
              .table = to_table(map, categories)};
  for (size_t i = 0; i < categories.size(); ++i) {
    score.classes.push_back({categories[i].name, map.classes[i].average_precision.value_or(
                                                     std::numeric_limits<double>::quiet_NaN())});
  }
  std::ranges::move(reasons, std::back_inserter(score.incomparable));
  finish(score);
  return score;
}

Score proposal_score(const CocoInput& input) {
  ProposalScore found;
  const auto& limits = found.options.limits;
  const BestOverlapOptions of_overlap{.limits = limits};
  found.recall = proposal_recall(input.truths, input.detections, found.options);
  found.overlap = best_overlap(input.truths, input.detections, ids_of(input.categories), of_overlap);
  for (const auto& category : input.categories) found.classes.push_back(category.name);
  const int64_t last = found.recall.limits - 1;
  Score score{.metric = Score::Metric::proposals,
              .value = std::max(found.recall.average(0, last), 0.0),
              .incomparable = input.incomparable,
              .warnings = input.warnings,
              .table = to_text(found.recall, found.options) + '\n' +
                       to_text(found.overlap, input.categories, of_overlap)};
  const auto add = [&](const char* name, auto number_at) {
    for (int64_t m = last; m >= 0; --m) {
      score.numbers.emplace_back(fmt::format("{}{}", name, limits[static_cast<size_t>(m)]), number_at(m));
    }
  };
  add("AR", [&](int64_t m) { return found.recall.average(0, m); });
  add("recall", [&](int64_t m) { return found.recall.recall_at(0, 0, m); });
  score.numbers.emplace_back("MABO", found.overlap.mean(last));
  score.proposals = std::move(found);
  finish(score);
  return score;
}

void add_errors(Score& score, const CocoInput& input) {
  const auto ids = ids_of(input.categories);
  auto& errors = score.errors.emplace();
  for (const auto& category : input.categories) errors.classes.push_back(category.name);
  errors.kinds = error_breakdown(input.truths, input.detections, ids);
  errors.confusion = confusion(input.truths, input.detections, ids, errors.thresholds);
  score.table += '\n' + to_text(errors.kinds) +
                 fmt::format("\nWith a score from {} and an IoU from {}:\n",
                             errors.thresholds.score_threshold, errors.thresholds.iou_threshold) +
                 to_text(errors.confusion, errors.classes);
}

}  // namespace rcnn::eval
