#include "score_files.h"

#include <unordered_set>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/coco_file.h>
#include <rcnn/error.h>

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

void score_files(const ScoreFilesArguments& arguments) {
  const auto file = data::read_coco_file(arguments.annotations);
  CocoInput input{
      .image_ids = {},
      .categories = file.categories,
      .truths = truths_of(file),
      .detections = detections_of(data::read_coco_results(arguments.detections), file, arguments)};
  for (const auto& image : file.images) input.image_ids.push_back(image.id);
  print(arguments.proposals ? proposal_score(input) : coco_score(std::move(input), arguments.score),
        arguments.json);
}

}  // namespace rcnn::tools
