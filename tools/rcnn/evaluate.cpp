#include "evaluate.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <unordered_set>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/coco_file.h>
#include <rcnn/log.h>

#include "progress.h"

namespace rcnn::tools {
namespace {

using Type = data::DataOptions::Type;

/// Every image, with nothing found on it yet. COCO's images have ids of their own; others are counted.
std::vector<ImageDetections> all_images(const TestSet& test) {
  std::vector<ImageDetections> images;
  for (int64_t i = 0; i < test.dataset->size(); ++i) {
    const auto& record = test.dataset->record(i);
    images.push_back({.image_id = test.options.type == Type::coco ? std::stoll(record.id) : i + 1,
                      .file_name = record.image.filename().string(),
                      .detections = {}});
  }
  return images;
}

/// What `find` finds on every image; nothing on one that cannot be decoded, if the policy bears that. None at
/// all when `stop` says so.
template <class Find>
std::optional<std::vector<ImageDetections>> find_all(const TestSet& test, Find find,
                                                     const std::function<bool()>& stop) {
  const auto start = std::chrono::steady_clock::now();
  const auto& dataset = *test.dataset;
  auto images = all_images(test);
  data::Problems problems;
  const ProgressLine line("scoring");
  for (int64_t i = 0; i < dataset.size(); ++i) {
    if (stop()) return std::nullopt;
    line.show(i, dataset.size());
    try {
      images[static_cast<size_t>(i)].detections = to_list(find(dataset.image(i)));
    } catch (const DataError& error) {
      if (test.options.bad_images == data::Policy::stop) throw;
      problems.warn("an image that cannot be decoded, scored as if nothing was found on it", error.what());
    }
  }
  problems.settle("evaluation");
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  log::info(fmt::format("scored {} images, {:.2f} s an image", dataset.size(),
                        seconds.count() / static_cast<double>(dataset.size())));
  return images;
}

nlohmann::ordered_json to_json(const eval::VocMap& result, const std::vector<Category>& categories) {
  nlohmann::ordered_json per_class = nlohmann::ordered_json::object();
  for (size_t i = 0; i < categories.size(); ++i) {
    const auto& ap = result.classes[i].average_precision;
    per_class[categories[i].name] = ap ? nlohmann::ordered_json(*ap) : nlohmann::ordered_json(nullptr);
  }
  return {{"metric", "voc"}, {"mAP", result.mean_average_precision}, {"per_class", per_class}};
}

Score voc_score(const data::Dataset& dataset, const std::vector<ImageDetections>& images,
                const eval::VocMapOptions& options) {
  std::vector<eval::ImageResult> results;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    auto& result = results.emplace_back();
    for (const auto& object : dataset.record(i).objects) {
      result.truths.push_back({.box = object.box, .label = object.label, .difficult = object.ignore});
    }
    result.detections = images[static_cast<size_t>(i)].detections;
  }
  const auto& categories = dataset.categories();
  const auto map = eval::voc_map(results, std::ssize(categories), options);
  return {.value = map.mean_average_precision,
          .table = eval::to_table(map, categories),
          .json = to_json(map, categories)};
}

/// The objects of a COCO file as they stand there, areas of outlines included, of the images that were looked
/// at.
std::vector<eval::CocoTruth> truths_of_file(const std::filesystem::path& file,
                                            const std::vector<ImageDetections>& images) {
  std::unordered_set<int64_t> ids;
  for (const auto& image : images) ids.insert(image.image_id);
  auto truths = truths_of(data::read_coco_file(file));
  std::erase_if(truths, [&](const eval::CocoTruth& truth) { return !ids.contains(truth.image_id); });
  return truths;
}

std::vector<eval::CocoTruth> truths_of_records(const data::Dataset& dataset) {
  const auto& categories = dataset.categories();
  std::vector<eval::CocoTruth> truths;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    for (const auto& [box, label, ignore] : dataset.record(i).objects) {
      truths.push_back({.image_id = i + 1,
                        .category_id = categories[static_cast<size_t>(label - 1)].id,
                        .box = {box.x1, box.y1, box.width(), box.height()},
                        .area = double{box.width()} * box.height(),
                        .crowd = ignore,
                        .id = std::ssize(truths) + 1});
    }
  }
  return truths;
}

Score score_of(const std::vector<ImageDetections>& images, const TestSet& test, const EvalOptions& options,
               const ScoreOptions& score_options) {
  if (options.metric == EvalOptions::Metric::coco) return coco_score(coco_input(test, images), score_options);
  auto score = voc_score(*test.dataset, images, options.voc);
  if (score_options.errors) add_errors(coco_input(test, images), score);
  return score;
}

}  // namespace

TestSet open_test_set(data::DataOptions options, const std::vector<Category>& categories) {
  options.classes.clear();
  for (const auto& category : categories) options.classes.push_back(category.name);
  auto dataset = data::open(options, options.test);
  return {std::move(options), std::move(dataset)};
}

EvalOptions EvalOptions::from(const config::Node& node, Type type) {
  EvalOptions options{.metric = type == Type::coco ? Metric::coco : Metric::voc, .voc = {}, .scoring = {}};
  node.read("metric", options.metric, {{"voc", Metric::voc}, {"coco", Metric::coco}});
  node.read("rule", options.voc.rule, {{"area", eval::VocRule::area}, {"points11", eval::VocRule::points11}});
  node.read("iou_threshold", options.voc.iou_threshold, {.min = 0, .max = 1});
  options.scoring = train::ScoringOptions::from(node);
  node.finish();
  return options;
}

train::Scores numbers_of(const Score& score) {
  train::Scores numbers;
  const auto add = [&](const auto& self, const std::string& prefix,
                       const nlohmann::ordered_json& object) -> void {
    for (const auto& [name, value] : object.items()) {
      if (value.is_object()) self(self, fmt::format("{}{}.", prefix, name), value);
      if (value.is_number()) numbers.emplace_back(prefix + name, value.template get<double>());
      if (value.is_null()) numbers.emplace_back(prefix + name, std::numeric_limits<double>::quiet_NaN());
    }
  };
  add(add, "", score.json);
  return numbers;
}

void check_best(const EvalOptions& options, const TestSet& test) {
  const auto& name = options.scoring.best;
  if (name.empty()) return;
  const auto of_nothing = score_of(all_images(test), test, options, {});
  if (!std::isfinite(options.scoring.deciding(numbers_of(of_nothing)))) {
    throw ConfigError(fmt::format("eval.best: {} has no value: the test data have nothing of it", name));
  }
}

std::optional<Evaluation> evaluate(const TensorDetector& detector, const TestSet& test,
                                   const EvalOptions& options, const ScoreOptions& score_options,
                                   const std::function<bool()>& stop) {
  auto images = find_all(
      test, [&](const at::Tensor& image) { return detector.detect(image); }, stop);
  if (!images) return std::nullopt;
  auto score = score_of(*images, test, options, score_options);
  return Evaluation{.score = std::move(score), .images = std::move(*images)};
}

Evaluation evaluate_proposals(const TensorDetector& detector, const TestSet& test) {
  auto images = find_all(
      test, [&](const at::Tensor& image) { return detector.proposals(image); }, kNeverStop);
  auto score = proposal_score(coco_input(test, *images));
  return {.score = std::move(score), .images = std::move(*images)};
}

CocoInput coco_input(const TestSet& test, const std::vector<ImageDetections>& images) {
  const auto& [data, dataset] = test;
  CocoInput input{.image_ids = {},
                  .categories = dataset->categories(),
                  .truths = data.type == Type::coco ? truths_of_file(data.test.annotations, images)
                                                    : truths_of_records(*dataset),
                  .detections = {}};
  for (const auto& image : images) {
    input.image_ids.push_back(image.image_id);
    for (const auto& [box, score, label] : image.detections) {
      input.detections.push_back({.image_id = image.image_id,
                                  .category_id = dataset->categories()[static_cast<size_t>(label - 1)].id,
                                  .box = {box.x1, box.y1, box.width(), box.height()},
                                  .score = score});
    }
  }
  return input;
}

}  // namespace rcnn::tools
