#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/config/config.h>
#include <rcnn/data/formats/format.h>
#include <rcnn/data/joined.h>
#include <rcnn/data/options.h>
#include <rcnn/data/proposals/proposal_file.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/error.h>

#include "data/formats/part_dataset.h"

namespace rcnn::data {
namespace {

/// What one of train.sources names: one of VOC's lists, a folder or an annotation file.
SourceOptions source_of(const std::filesystem::path& file) {
  const auto folder = file.parent_path();
  if (folder.string().ends_with("ImageSets/Main") && file.extension() == ".txt") {
    const auto root = folder.parent_path().parent_path();
    return {.name = (root / file.stem()).string(), .root = config::data_path(root), .split = file.stem()};
  }
  const auto path = config::data_path(file);
  std::error_code ignored;  // what is not there is for its reader to say
  if (std::filesystem::is_directory(path, ignored)) return {.name = file, .root = path};
  return {.name = file, .annotations = path};
}

void read_policy(const config::Node& node, const char* key, Policy& policy) {
  node.read(key, policy, {{"skip", Policy::skip}, {"stop", Policy::stop}});
}

/// What train's images come from, if they come from several data sets.
void read_sources(const config::Node& train, const std::string& type, std::vector<SourceOptions>& sources) {
  if (!train.has("sources")) return;
  for (const auto* key : {"split", "annotations", "images"}) {
    if (train.has(key)) throw train.error(key, "contradicts sources; null takes an inherited one away");
  }
  std::vector<std::string> files;
  train.read("sources", files);
  if (files.empty()) throw train.error("sources", "names no data set");
  for (const std::filesystem::path file : files) {
    auto source = source_of(file);
    if (type == "voc" && !source.annotations.empty()) {
      throw train.error(
          "sources",
          fmt::format("must be lists ROOT/ImageSets/Main/NAME.txt or folders, not {}", file.string()));
    }
    const auto same = [&](const SourceOptions& other) { return other.name == source.name; };
    if (std::any_of(sources.begin(), sources.end(), same)) {
      throw train.error("sources", fmt::format("names {} twice", file.string()));
    }
    sources.push_back(std::move(source));
  }
}

/// Which images a part has: a name or an annotation file. `format` is null where any may be recognised.
void read_split(const config::Node& part, const DataOptions& options, const Format* format,
                SplitOptions& split) {
  if (format != nullptr && format->read_split) {
    format->read_split(part, options, split);
    return;
  }
  if ((format == nullptr || format->has_files) && part.has("annotations")) {
    if (part.has("split"))
      throw part.error("split", "contradicts annotations; null takes an inherited one away");
    split.split.clear();
    split.annotations = options.root / part.require("annotations");
    if (part.has("images")) split.images = options.root / part.require("images");
    return;
  }
  if (format == nullptr || format->has_files) {
    if (part.has("images"))
      throw part.error("images", "says where the images of `annotations` are; there are none");
  }
  if (!part.has("split")) {
    split.usual = split.split == "train" ? std::vector<std::string>{"train", "trainval"}
                                         : std::vector<std::string>{"test", "val", "valid", "validation"};
    split.split.clear();
  }
  part.read("split", split.split);
}

/// Stored proposals: of one file, whatever the images come from.
void read_proposal_keys(const config::Node& part, SplitOptions& split) {
  std::string file;
  part.read("proposals", file);
  if (!file.empty()) split.proposals = config::data_path(file);
  part.read("proposal_limit", split.proposal_limit, {.min = 0});
}

void read_other_classes(const config::Node& node, DataOptions& options) {
  std::string word = "stop";
  node.read("other_classes", word);
  const auto meaning = OtherClasses::from(word);
  if (!meaning)
    throw node.error("other_classes", fmt::format("must be stop, ignore or merge:NAME, not {}", word));
  options.other_classes = *meaning;
  if (meaning->kind != OtherClasses::Kind::merge) return;
  if (std::ranges::find(options.classes, meaning->into) == options.classes.end()) {
    throw node.error("other_classes", fmt::format("{} is none of `classes`", meaning->into));
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
    whole.proposals.clear();  // they are those of all together
    whole.split = source.split;
    whole.usual = {"train"};
    whole.annotations = source.annotations;
    whole.images.clear();
    Problems found;
    parts.push_back({source.name, open(own, whole, found)});
    problems.add(found, source.name);
  }
  return join(parts, problems);
}

std::shared_ptr<Dataset> open_images(const DataOptions& options, const SplitOptions& split,
                                     Problems& problems) {
  if (!split.sources.empty()) return open_joined(options, split, problems);
  const auto part = located(options, split);
  const auto& format = formats().at(part.options.type);
  if (!format.open) return to_dataset(format.read(part, false, problems), part.options, part.split, problems);
  auto dataset = format.open(part.options, part.split, problems);
  TORCH_CHECK(dataset, "open: the format ", part.options.type, " gave no data set");
  return dataset;
}

/// What messages call it.
std::string origin(const DatasetPart& part) {
  const auto& split = part.split;
  if (!split.sources.empty()) {
    std::vector<std::string> names;
    for (const auto& source : split.sources) names.push_back(source.name);
    return fmt::format("{} together", fmt::join(names, ", "));
  }
  if (!split.annotations.empty()) return split.annotations.string();
  return fmt::format("{}, split {}", part.options.root.string(), part.name);
}

}  // namespace

std::optional<OtherClasses> OtherClasses::from(const std::string& word) {
  constexpr std::string_view kMerge = "merge:";
  if (word == "stop") return OtherClasses{.kind = Kind::stop};
  if (word == "ignore") return OtherClasses{.kind = Kind::ignore};
  if (word.starts_with(kMerge) && word.size() > kMerge.size())
    return OtherClasses{.kind = Kind::merge, .into = word.substr(kMerge.size())};
  return std::nullopt;
}

DataOptions DataOptions::from(const config::Node& node) {
  DataOptions options;
  options.type = formats().read(node, options.type);
  const auto* const format = options.type == kAnyFormat ? nullptr : &formats().at(options.type);
  std::string root;
  node.read("root", root);
  options.root = config::data_path(root);
  node.read("classes", options.classes);
  read_other_classes(node, options);
  const auto train = node.child("train");
  const bool has_own_keys = format != nullptr && format->read_split;
  if (!has_own_keys) read_sources(train, options.type, options.train.sources);
  if (options.train.sources.empty()) read_split(train, options, format, options.train);
  read_proposal_keys(train, options.train);
  train.read("limit", options.train.limit, {.min = 0});
  read_transform(train, options.train.transform);
  train.read("group_by_aspect", options.train.group_by_aspect);
  train.read("keep_empty", options.train.keep_empty);
  train.finish();
  const auto test = node.child("test");
  read_split(test, options, format, options.test);
  read_proposal_keys(test, options.test);
  test.read("limit", options.test.limit, {.min = 0});
  test.finish();
  node.read("min_size", options.min_size, {.min = 16});
  node.read("max_size", options.max_size, {.min = 16});
  check_sizes(node, options);
  node.read("max_megapixels", options.max_megapixels, {.min = 1, .max = kMostMegapixels});
  node.read("workers", options.workers, {.min = 0, .max = 256});
  read_policy(node, "bad_boxes", options.bad_boxes);
  read_policy(node, "bad_values", options.bad_values);
  read_policy(node, "bad_images", options.bad_images);
  if (node.has("yolo_lines")) {
    constexpr std::array<std::string_view, 4> kLines = {"box", "outline", "oriented", "pose"};
    options.yolo_lines = kLines[node.one_of("yolo_lines", {kLines.begin(), kLines.end()})];
  }
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
  auto dataset = open_images(options, split, problems);
  if (split.proposals.empty()) return dataset;
  try {
    return with_proposals(dataset, read_proposals(split.proposals),
                          {.file = split.proposals,
                           .limit = split.proposal_limit,
                           .bad_boxes = options.bad_boxes,
                           .bad_images = options.bad_images},
                          problems);
  } catch (const DataError& error) {
    problems.error(
        "the proposals cannot be used (rcnn propose makes a file of them; a model that makes its own needs "
        "none: proposals=null)",
        error.what());
    return dataset;
  }
}

std::shared_ptr<Dataset> open(const DataOptions& options, const SplitOptions& split) {
  return open_counting(options, split).dataset;
}

OpenedPart open_counting(const DataOptions& options, const SplitOptions& split) {
  Problems problems;
  const auto part = split.sources.empty() ? located(options, split)
                                          : DatasetPart{.name = {}, .options = options, .split = split};
  auto dataset = open(part.options, part.split, problems);
  problems.settle(origin(part));
  return {std::move(dataset), problems.left_out("bad_images")};
}

}  // namespace rcnn::data
