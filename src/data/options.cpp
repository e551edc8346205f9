#include <algorithm>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/config/config.h>
#include <rcnn/data/formats/format.h>
#include <rcnn/data/joined.h>
#include <rcnn/data/options.h>

namespace rcnn::data {
namespace {

void read_policy(const config::Node& node, const char* key, Policy& policy) {
  node.read(key, policy, {{"skip", Policy::skip}, {"stop", Policy::stop}});
}

/// What train's images come from, if they come from several data sets.
void read_sources(const config::Node& train, const Format& format, std::vector<SourceOptions>& sources) {
  if (!format.source || !train.has("sources")) return;
  for (const auto* key : {"split", "annotations", "images"}) {
    if (train.has(key)) throw train.error(key, "contradicts sources; null takes an inherited one away");
  }
  std::vector<std::string> files;
  train.read("sources", files);
  if (files.empty()) throw train.error("sources", "names no data set");
  for (const std::filesystem::path file : files) {
    auto source = format.source(train, file);
    const auto same = [&](const SourceOptions& other) { return other.name == source.name; };
    if (std::any_of(sources.begin(), sources.end(), same)) {
      throw train.error("sources", fmt::format("names {} twice", file.string()));
    }
    sources.push_back(std::move(source));
  }
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

std::shared_ptr<Dataset> open_joined(const DataOptions& options, const SplitOptions& split,
                                     Problems& problems) {
  std::vector<NamedDataset> parts;
  for (const auto& source : split.sources) {
    auto own = options;
    own.root = source.root;
    auto whole = split;
    whole.sources.clear();
    whole.split = source.split;
    whole.annotations = source.annotations;
    whole.images.clear();
    Problems found;
    parts.push_back({source.name, open(own, whole, found)});
    problems.add(found, source.name);
  }
  return join(parts, problems);
}

/// What messages call it.
std::string origin(const DataOptions& options, const SplitOptions& split) {
  if (!split.sources.empty()) {
    std::vector<std::string> names;
    for (const auto& source : split.sources) names.push_back(source.name);
    return fmt::format("{} together", fmt::join(names, ", "));
  }
  if (!split.annotations.empty()) return split.annotations.string();
  return fmt::format("{}, split {}", options.root.string(), split.split);
}

}  // namespace

DataOptions DataOptions::from(const config::Node& node) {
  DataOptions options;
  options.type = formats().read(node, options.type);
  const auto& format = formats().at(options.type);
  std::string root;
  node.read("root", root);
  options.root = config::data_path(root);
  node.read("classes", options.classes);
  const auto train = node.child("train");
  read_sources(train, format, options.train.sources);
  if (options.train.sources.empty()) format.read_split(train, options, options.train);
  train.read("limit", options.train.limit, {.min = 0});
  read_transform(train, options.train.transform);
  train.read("group_by_aspect", options.train.group_by_aspect);
  if (format.read_train) format.read_train(train, options.train);
  train.finish();
  const auto test = node.child("test");
  format.read_split(test, options, options.test);
  test.read("limit", options.test.limit, {.min = 0});
  test.finish();
  node.read("min_size", options.min_size, {.min = 16});
  node.read("max_size", options.max_size, {.min = 16});
  check_sizes(node, options);
  node.read("max_megapixels", options.max_megapixels, {.min = 1, .max = kMostMegapixels});
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
  if (!split.sources.empty()) return open_joined(options, split, problems);
  auto dataset = formats().at(options.type).open(options, split, problems);
  TORCH_CHECK(dataset, "open: the format ", options.type, " gave no data set");
  return dataset;
}

std::shared_ptr<Dataset> open(const DataOptions& options, const SplitOptions& split) {
  Problems problems;
  auto dataset = open(options, split, problems);
  problems.settle(origin(options, split));
  return dataset;
}

}  // namespace rcnn::data
