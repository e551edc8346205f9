#include <rcnn/data/formats/coco/coco.h>
#include <rcnn/data/options.h>

namespace rcnn::data {
namespace {

DataOptions data_options(const CocoOptions& options) {
  return {.type = "coco",
          .root = options.annotations.parent_path(),
          .classes = options.classes,
          .max_megapixels = options.max_megapixels,
          .bad_boxes = options.bad_boxes,
          .bad_images = options.bad_images};
}

SplitOptions split_options(const CocoOptions& options) {
  return {.annotations = options.annotations,
          .images = options.images,
          .limit = options.limit,
          .keep_empty = options.keep_empty};
}

}  // namespace

std::shared_ptr<Dataset> read_coco(const CocoOptions& options, Problems& problems) {
  return open(data_options(options), split_options(options), problems);
}

std::shared_ptr<Dataset> read_coco(const CocoOptions& options) {
  return open(data_options(options), split_options(options));
}

}  // namespace rcnn::data
