#include "evaluate.h"

#include <chrono>

#include <spdlog/fmt/fmt.h>

#include <rcnn/log.h>

namespace rcnn::tools {

EvalOptions EvalOptions::from(const config::Node& node) {
  EvalOptions options;
  enum class Metric { voc } metric = Metric::voc;
  node.read("metric", metric, {{"voc", Metric::voc}});
  node.read("rule", options.voc.rule, {{"area", eval::VocRule::area}, {"points11", eval::VocRule::points11}});
  node.read("iou_threshold", options.voc.iou_threshold, {.min = 0, .max = 1});
  node.read("period", options.period, {.min = 0});
  node.finish();
  return options;
}

eval::VocMap evaluate(const Detector& detector, const data::Dataset& dataset, const EvalOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<eval::ImageResult> results;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    eval::ImageResult result;
    for (const auto& object : dataset.record(i).objects) {
      result.truths.push_back({.box = object.box, .label = object.label, .difficult = object.ignore});
    }
    result.detections = detector.detect(dataset.image(i));
    results.push_back(std::move(result));
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  log::info(fmt::format("scored {} images, {:.2f} s an image", dataset.size(),
                        seconds.count() / static_cast<double>(dataset.size())));
  return eval::voc_map(results, static_cast<int64_t>(detector.categories().size()), options.voc);
}

}  // namespace rcnn::tools
