#include "evaluate.h"

#include <chrono>
#include <unordered_set>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/coco_file.h>
#include <rcnn/log.h>

namespace rcnn::tools {
namespace {

using Type = data::DataOptions::Type;

/// What `find` finds on every image; nothing on one that cannot be decoded, if the policy bears that. COCO's
/// images have ids of their own; others are counted.
template <class Find>
std::vector<ImageDetections> find_all(const data::Dataset& dataset, const data::DataOptions& options,
                                      Find find) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<ImageDetections> images;
  data::Problems problems;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto& record = dataset.record(i);
    images.push_back({.image_id = options.type == Type::coco ? std::stoll(record.id) : i + 1,
                      .file_name = record.image.filename().string(),
                      .detections = {}});
    try {
      images.back().detections = find(dataset.image(i));
    } catch (const DataError& error) {
      if (options.bad_images == data::Policy::stop) throw;
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

CocoInput coco_input(const data::DataOptions& data, const data::Dataset& dataset,
                     const std::vector<ImageDetections>& images) {
  CocoInput input{.image_ids = {},
                  .categories = dataset.categories(),
                  .truths = data.type == Type::coco ? truths_of_file(data.test.annotations, images)
                                                    : truths_of_records(dataset),
                  .detections = {}};
  for (const auto& image : images) {
    input.image_ids.push_back(image.image_id);
    for (const auto& [box, score, label] : image.detections) {
      input.detections.push_back({.image_id = image.image_id,
                                  .category_id = dataset.categories()[static_cast<size_t>(label - 1)].id,
                                  .box = {box.x1, box.y1, box.width(), box.height()},
                                  .score = score});
    }
  }
  return input;
}

}  // namespace

EvalOptions EvalOptions::from(const config::Node& node, Type type) {
  EvalOptions options{.metric = type == Type::coco ? Metric::coco : Metric::voc, .voc = {}};
  node.read("metric", options.metric, {{"voc", Metric::voc}, {"coco", Metric::coco}});
  node.read("rule", options.voc.rule, {{"area", eval::VocRule::area}, {"points11", eval::VocRule::points11}});
  node.read("iou_threshold", options.voc.iou_threshold, {.min = 0, .max = 1});
  node.read("period", options.period, {.min = 0});
  node.finish();
  return options;
}

Evaluation evaluate(const Detector& detector, const data::DataOptions& data, const data::Dataset& test_set,
                    const EvalOptions& options, const ScoreOptions& score_options) {
  Evaluation evaluation;
  evaluation.images =
      find_all(test_set, data, [&](const at::Tensor& image) { return detector.detect(image); });
  if (options.metric == EvalOptions::Metric::coco) {
    evaluation.score = coco_score(coco_input(data, test_set, evaluation.images), score_options);
  } else {
    evaluation.score = voc_score(test_set, evaluation.images, options.voc);
    if (score_options.errors) {
      add_errors(coco_input(data, test_set, evaluation.images), evaluation.score);
    }
  }
  return evaluation;
}

Evaluation evaluate_proposals(const Detector& detector, const data::DataOptions& data,
                              const data::Dataset& test_set) {
  Evaluation evaluation;
  evaluation.images =
      find_all(test_set, data, [&](const at::Tensor& image) { return detector.proposals(image); });
  evaluation.score = proposal_score(coco_input(data, test_set, evaluation.images));
  return evaluation;
}

}  // namespace rcnn::tools
