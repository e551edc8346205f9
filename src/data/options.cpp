#include <spdlog/fmt/fmt.h>

#include <rcnn/config/config.h>
#include <rcnn/data/coco.h>
#include <rcnn/data/options.h>
#include <rcnn/data/voc.h>

namespace rcnn::data {
namespace {

void read_policy(const config::Node& node, const char* key, Policy& policy) {
  node.read(key, policy, {{"skip", Policy::skip}, {"stop", Policy::stop}});
}

void read_path(const config::Node& node, const char* key, const std::filesystem::path& root,
               std::filesystem::path& value) {
  value = root / node.require(key);
}

/// Which images a part of the data set has.
void read_split(const config::Node& node, const DataOptions& options, SplitOptions& split) {
  if (options.type == DataOptions::Type::voc) {
    node.read("split", split.split);
  } else {
    read_path(node, "annotations", options.root, split.annotations);
    read_path(node, "images", options.root, split.images);
  }
  node.read("limit", split.limit, {.min = 0});
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
  train.read("flip", options.train.flip, {.min = 0, .max = 1});
  if (options.type == Type::coco) train.read("keep_empty", options.train.keep_empty);
  train.finish();
  const auto test = node.child("test");
  read_split(test, options, options.test);
  test.finish();
  node.read("min_size", options.min_size, {.min = 16});
  node.read("max_size", options.max_size, {.min = 16});
  if (options.max_size < options.min_size) throw node.error("max_size", "must not be below min_size");
  node.read("workers", options.workers, {.min = 0, .max = 256});
  read_policy(node, "bad_boxes", options.bad_boxes);
  read_policy(node, "bad_images", options.bad_images);
  node.finish();
  return options;
}

std::shared_ptr<Dataset> open(const DataOptions& options, const SplitOptions& split, Problems& problems) {
  switch (options.type) {
    case DataOptions::Type::voc:
      return read_voc({.root = options.root,
                       .split = split.split,
                       .classes = options.classes,
                       .bad_boxes = options.bad_boxes,
                       .bad_images = options.bad_images,
                       .limit = split.limit},
                      problems);
    case DataOptions::Type::coco:
      return read_coco({.annotations = split.annotations,
                        .images = split.images,
                        .classes = options.classes,
                        .keep_empty = split.keep_empty,
                        .bad_boxes = options.bad_boxes,
                        .bad_images = options.bad_images,
                        .limit = split.limit},
                       problems);
  }
  return nullptr;
}

std::string name_of(const DataOptions& options, const SplitOptions& split) {
  if (options.type == DataOptions::Type::coco) return split.annotations.string();
  return fmt::format("{}, split {}", options.root.string(), split.split);
}

std::shared_ptr<Dataset> open(const DataOptions& options, const SplitOptions& split) {
  Problems problems;
  auto dataset = open(options, split, problems);
  problems.settle(name_of(options, split));
  return dataset;
}

}  // namespace rcnn::data
