#include <rcnn/config/config.h>
#include <rcnn/data/options.h>

namespace rcnn::data {
namespace {

void read_policy(const config::Node& node, const char* key, Policy& policy) {
  node.read(key, policy, {{"skip", Policy::skip}, {"stop", Policy::stop}});
}

}  // namespace

DataOptions DataOptions::from(const config::Node& node) {
  DataOptions options;
  enum class Type { voc } type = Type::voc;
  node.read("type", type, {{"voc", Type::voc}});
  std::string root;
  node.read("root", root);
  options.root = config::data_path(root);
  node.read("classes", options.classes);
  const auto train = node.child("train");
  train.read("split", options.train.split);
  train.read("limit", options.train.limit, {.min = 0});
  train.read("flip", options.train.flip, {.min = 0, .max = 1});
  train.finish();
  const auto test = node.child("test");
  test.read("split", options.test.split);
  test.read("limit", options.test.limit, {.min = 0});
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

std::shared_ptr<Dataset> open(const DataOptions& options, const SplitOptions& split) {
  return read_voc({.root = options.root,
                   .split = split.split,
                   .classes = options.classes,
                   .bad_boxes = options.bad_boxes,
                   .bad_images = options.bad_images,
                   .limit = split.limit});
}

}  // namespace rcnn::data
