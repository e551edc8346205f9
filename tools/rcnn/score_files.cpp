#include "score_files.h"

#include <iostream>
#include <unordered_set>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/coco_file.h>
#include <rcnn/error.h>

#include "coco_score.h"

namespace rcnn::tools {
namespace {

/// Refuses results for images that the annotations do not know: they belong to another data set.
std::vector<eval::CocoDetection> detections_of(const std::vector<data::CocoResult>& results,
                                               const data::CocoFile& file,
                                               const ScoreFilesArguments& arguments) {
  std::unordered_set<int64_t> images;
  for (const auto& image : file.images) images.insert(image.id);
  std::vector<eval::CocoDetection> detections;
  detections.reserve(results.size());
  for (const auto& r : results) {
    if (!images.contains(r.image_id)) {
      throw DataError(
          fmt::format("{}: has results for image {}, which is not in {}; give the annotations of the same "
                      "data set",
                      arguments.detections.string(), r.image_id, arguments.annotations.string()));
    }
    detections.push_back({r.image_id, r.category_id, r.box, r.score});
  }
  return detections;
}

}  // namespace

std::vector<eval::CocoTruth> truths_of(const data::CocoFile& file) {
  std::vector<eval::CocoTruth> truths;
  truths.reserve(file.annotations.size());
  for (const auto& a : file.annotations)
    truths.push_back({a.image_id, a.category_id, a.box, a.area, a.crowd, a.id});
  return truths;
}

void score_files(const ScoreFilesArguments& arguments) {
  const auto file = data::read_coco_file(arguments.annotations);
  const auto detections = detections_of(data::read_coco_results(arguments.detections), file, arguments);
  const CocoScore score(truths_of(file), detections, file.categories);
  if (arguments.json) {
    std::cout << score.json().dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    return;
  }
  std::cout << score.table();
  if (arguments.per_class) std::cout << '\n' << score.class_table();
}

}  // namespace rcnn::tools
