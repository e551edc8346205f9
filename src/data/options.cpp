#include <rcnn/config/config.h>
#include <rcnn/data/coco.h>
#include <rcnn/data/options.h>
#include <rcnn/data/voc.h>

namespace rcnn::data {
namespace {

void read_policy(const config::Node& node, const char* key, Policy& policy) {
  node.read(key, policy, {{"skip", Policy::skip}, {"stop", Policy::stop}});
}

/// Which images a part of the data set has.
void read_split(const config::Node& node, const DataOptions& options, SplitOptions& split) {
  if (options.type == DataOptions::Type::voc) {
    node.read("split", split.split);
  } else {
    split.annotations = options.root / node.require("annotations");
    split.images = options.root / node.require("images");
  }
  node.read("limit", split.limit, {.min = 0});
}

ScaleJitterOptions read_scale_jitter(const config::Node& node) {
  ScaleJitterOptions options;
  node.read("min", options.min, {.min = 0.01, .max = 100});
  node.read("max", options.max, {.min = 0.01, .max = 100});
  if (options.max < options.min) throw node.error("max", "must not be below min");
  std::vector<int64_t> size = {options.size.height, options.size.width};
  node.read("size", size, {.min = 16});
  if (size.empty() || size.size() > 2) {
    throw node.error("size", "must be [height, width], or one number for both in a list");
  }
  options.size = {size.front(), size.back()};
  node.finish();
  return options;
}

ColorJitterOptions read_color_jitter(const config::Node& node) {
  ColorJitterOptions options;
  node.read("brightness", options.brightness, {.min = 0});
  node.read("contrast", options.contrast, {.min = 0});
  node.read("saturation", options.saturation, {.min = 0});
  node.read("hue", options.hue, {.min = 0, .max = 0.5});
  node.finish();
  return options;
}

/// What happens to images in training.
void read_transform(const config::Node& train, TransformOptions& options) {
  train.read("flip", options.flip, {.min = 0, .max = 1});
  train.read("min_sizes", options.min_sizes, {.min = 16});
  if (train.has("scale_jitter")) {
    if (!options.min_sizes.empty()) {
      throw train.error("scale_jitter", "contradicts min_sizes: both choose the size of an image");
    }
    options.scale_jitter = read_scale_jitter(train.child("scale_jitter"));
  }
  options.color_jitter = read_color_jitter(train.child("color_jitter"));
}

/// The smaller sizes must stay below the largest.
void check_sizes(const config::Node& node, const DataOptions& options) {
  if (options.max_size < options.min_size) throw node.error("max_size", "must not be below min_size");
  for (const int64_t size : options.train.transform.min_sizes) {
    if (options.max_size < size) throw node.error("max_size", "must not be below any of train.min_sizes");
  }
}

VocOptions voc_options(const DataOptions& options, const SplitOptions& split) {
  return {.root = options.root,
          .split = split.split,
          .classes = options.classes,
          .bad_boxes = options.bad_boxes,
          .bad_images = options.bad_images,
          .limit = split.limit};
}

CocoOptions coco_options(const DataOptions& options, const SplitOptions& split) {
  return {.annotations = split.annotations,
          .images = split.images,
          .classes = options.classes,
          .keep_empty = split.keep_empty,
          .bad_boxes = options.bad_boxes,
          .bad_images = options.bad_images,
          .limit = split.limit};
}

}  // namespace

DataOptions DataOptions::from(const config::Node& node) {
  DataOptions options;
  node.read("type", options.type, {{"voc", Type::voc}, {"coco", Type::coco}});
  std::string root;
  node.read("root", root);
  options.root = config::data_path(root);
  node.read("classes", options.classes);
  const auto train = node.child("train");
  read_split(train, options, options.train);
  read_transform(train, options.train.transform);
  train.read("group_by_aspect", options.train.group_by_aspect);
  if (options.type == Type::coco) train.read("keep_empty", options.train.keep_empty);
  train.finish();
  const auto test = node.child("test");
  read_split(test, options, options.test);
  test.finish();
  node.read("min_size", options.min_size, {.min = 16});
  node.read("max_size", options.max_size, {.min = 16});
  check_sizes(node, options);
  node.read("workers", options.workers, {.min = 0, .max = 256});
  read_policy(node, "bad_boxes", options.bad_boxes);
  read_policy(node, "bad_images", options.bad_images);
  node.finish();
  return options;
}

TransformOptions DataOptions::train_transform() const {
  TransformOptions transform = train.transform;
  transform.min_size = min_size;
  transform.max_size = max_size;
  return transform;
}

LoaderOptions DataOptions::train_loader() const {
  return {.workers = workers, .group_by_aspect = train.group_by_aspect, .bad_images = bad_images};
}

std::shared_ptr<Dataset> open(const DataOptions& options, const SplitOptions& split, Problems& problems) {
  if (options.type == DataOptions::Type::coco) return read_coco(coco_options(options, split), problems);
  return read_voc(voc_options(options, split), problems);
}

std::shared_ptr<Dataset> open(const DataOptions& options, const SplitOptions& split) {
  if (options.type == DataOptions::Type::coco) return read_coco(coco_options(options, split));
  return read_voc(voc_options(options, split));
}

}  // namespace rcnn::data
