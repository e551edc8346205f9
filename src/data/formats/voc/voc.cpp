#include <rcnn/data/formats/voc/voc.h>
#include <rcnn/data/options.h>

namespace rcnn::data {
namespace {

DataOptions data_options(const VocOptions& options) {
  return {.type = "voc",
          .root = options.root,
          .classes = options.classes,
          .max_megapixels = options.max_megapixels,
          .bad_boxes = options.bad_boxes,
          .bad_images = options.bad_images};
}

}  // namespace

std::shared_ptr<Dataset> read_voc(const VocOptions& options, Problems& problems) {
  return open(data_options(options), {.split = options.split, .limit = options.limit}, problems);
}

std::shared_ptr<Dataset> read_voc(const VocOptions& options) {
  return open(data_options(options), {.split = options.split, .limit = options.limit});
}

}  // namespace rcnn::data
