#include "coco_files.h"

#include <utility>

namespace rcnn::tools {

eval::CocoAnnotations to_annotations(const data::CocoFile& file) {
  eval::CocoAnnotations annotations{.images = {}, .categories = file.categories, .truths = {}};
  annotations.images.reserve(file.images.size());
  for (const auto& image : file.images) annotations.images.push_back({image.id, image.file_name, image.size});
  annotations.truths.reserve(file.annotations.size());
  for (const auto& a : file.annotations)
    annotations.truths.push_back({a.image_id, a.category_id, a.box, a.area, a.crowd, a.id});
  return annotations;
}

eval::CocoResults to_results(data::CocoResultList list) {
  eval::CocoResults results{
      .detections = {},
      .images = {std::move(list.images.names), std::move(list.images.of_results)},
      .categories = {std::move(list.categories.names), std::move(list.categories.of_results)}};
  results.detections.reserve(list.results.size());
  for (const auto& r : list.results)
    results.detections.push_back({r.image_id, r.category_id, r.box, r.score});
  return results;
}

}  // namespace rcnn::tools
