#include <algorithm>
#include <map>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/config/config.h>
#include <rcnn/data/formats/format.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/error.h>

#include "data/formats/coco/coco_format.h"
#include "data/images/image_ending.h"
#include "data/paths.h"
#include "text.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kLargestConfig = 1 << 20;
/// Throws DataError for a file that cannot be read.
bool may_be_config(const fs::path& file, std::string_view head) {
  const auto start = trimmed(head);
  if (!start.empty() && start[0] != '{' && start[0] != '/') return false;
  if (fs::file_size(file) > kLargestConfig) return false;
  const auto text = read_text(file, kLargestConfig);
  const auto mentions = [&](const char* key) { return text.find(key) != std::string::npos; };
  return mentions("\"_base_\"") || mentions("\"data\"") || mentions("\"model\"");
}

std::vector<DatasetPart> config_parts(const fs::path& file, const std::vector<std::string>& overrides) {
  for (const auto& override : overrides) {
    if (override.starts_with("data.") || override.starts_with("data=")) continue;
    throw ConfigError(
        fmt::format("{}: only what a config says of its data counts here, data.key=value", override));
  }
  const auto root = config::Config::load(file, overrides).root();
  if (root.has("stages"))
    throw root.error("stages", "a chain of trainings, each with data of its own; give the config of one");
  if (!root.has("data")) throw root.error("data", "is missing; the config names no data set");
  const auto options = DataOptions::from(root.child("data"));
  return {{.name = "train", .options = options, .split = options.train},
          {.name = "test", .options = options, .split = options.test}};
}

/// What lies in a folder, for people: "12 .xml in annots, 12 .jpg in images"; most files first.
std::string contents_of(const Place& place) {
  constexpr size_t kNamed = 6;
  std::map<std::pair<std::string, std::string>, int64_t> counts;  // by folder and ending
  for (const auto& folder : place.folders()) {
    for (const auto& file : folder.files) ++counts[{folder.path, lower(std::string(ending_of(file)))}];
  }
  if (counts.empty()) return "no file";
  std::vector<std::pair<int64_t, std::string>> lines;
  for (const auto& [key, count] : counts) {
    const auto& [folder, ending] = key;
    lines.emplace_back(-count, fmt::format("{} {}{}", count, ending.empty() ? "without ending" : ending,
                                           folder.empty() ? "" : " in " + folder));
  }
  std::ranges::sort(lines);
  std::vector<std::string> named;
  for (const auto& [count, line] : lines) {
    if (named.size() < kNamed) named.push_back(line);
  }
  if (lines.size() > kNamed) named.push_back(fmt::format("{} more kinds of files", lines.size() - kNamed));
  return fmt::format("{}", fmt::join(named, ", "));
}

/// "it is one of the format yolo"; empty where it is of none.
std::string other_format(const Place& place, const std::string& type) {
  for (const auto& name : formats().names()) {
    if (name != type && formats().at(name).parts && !formats().at(name).parts(place, {.type = name}).empty())
      return "it is one of the format " + name;
  }
  return "";
}

DataError no_data_set(const Place& place, const std::string& type) {
  const auto what =
      type == kAnyFormat ? "is no data set that is known" : "is no data set of the format " + type;
  const auto nearest = type == kAnyFormat ? formats().nearest(place) : other_format(place, type);
  std::string seen;
  if (place.is_folder()) seen = fmt::format("; it holds {}", contents_of(place));
  if (!nearest.empty()) seen += "; " + nearest;
  return DataError(fmt::format("{}: {}{}; known are {}", place.path().string(), what, seen,
                               fmt::join(formats().names(), ", ")));
}

std::vector<std::string> names_of(const std::vector<DatasetPart>& parts) {
  std::vector<std::string> names;
  for (const auto& part : parts) names.push_back(part.name);
  return names;
}

DataError no_part(const fs::path& dataset, const std::string& name, const std::vector<DatasetPart>& parts) {
  return DataError(fmt::format("{}: has no part {}; there are: {}; name one (--split, in a config split)",
                               dataset.string(), name, fmt::join(names_of(parts), ", ")));
}

std::vector<DatasetPart> all_parts(const Place& place, const LocateOptions& options) {
  const auto& file = place.path();
  if (auto parts = formats().parts(place, options); !parts.empty()) {
    options.refuse_overrides(file);
    return parts;
  }
  if (!place.is_folder()) {
    const auto head = place.head();
    if (may_be_config(file, head)) {
      options.refuse_images(file);
      return config_parts(file, options.overrides);
    }
    const bool may_be_json = head.starts_with('{') || head.starts_with('[');
    if (const auto problem = may_be_json ? why_no_json(file) : ""; !problem.empty())
      throw DataError(fmt::format("{}: is no JSON or is cut short: {}", file.string(), problem));
  }
  throw no_data_set(place, options.type);
}

/// What the person says of every part instead of the part's own options.
void say(const LocateOptions& said, DataOptions& options) {
  const auto take = [](const auto& from, auto& to) {
    if (from) to = *from;
  };
  take(said.max_megapixels, options.max_megapixels);
  take(said.bad_boxes, options.bad_boxes);
  take(said.bad_values, options.bad_values);
  take(said.bad_images, options.bad_images);
  take(said.other_classes, options.other_classes);
  if (!said.classes.empty()) options.classes = said.classes;
  if (!said.yolo_lines.empty()) options.yolo_lines = said.yolo_lines;
}

/// The images of an annotation file are looked for around it, and then below the root.
std::vector<DatasetPart> parts_with_images(const Place& place, const DataOptions& options,
                                           const SplitOptions& split) {
  const bool may_lie_elsewhere =
      !split.annotations.empty() && split.images.empty() && fs::is_directory(options.root);
  try {
    return formats().parts(place, {.type = options.type, .images = split.images});
  } catch (const DataError&) {
    if (!may_lie_elsewhere) throw;
    auto parts = formats().parts(place, {.type = options.type, .images = options.root});
    Problems unused;
    for (const auto& part : parts) {
      const auto& format = formats().at(part.options.type);
      DatasetPart first = part;
      first.split.limit = 1;
      const auto content = format.read ? format.read(first, false, unused).content : CocoFile();
      if (content.images.empty() || !is_there(part.split.images / content.images.front().file_name)) throw;
    }
    return parts;
  }
}

/// The part that has the name, or is the usual one.
const DatasetPart& chosen(const std::vector<DatasetPart>& parts, const SplitOptions& split,
                          const fs::path& dataset) {
  const bool is_named = !split.split.empty();
  const auto wanted = is_named ? std::vector<std::string>{split.split} : split.usual;
  for (const auto& name : wanted) {
    const auto is_it = [&](const DatasetPart& part) {
      return (is_named ? part.name : lower(part.name)) == name;
    };
    const auto found = std::ranges::find_if(parts, is_it);
    if (found != parts.end()) return *found;
  }
  if (split.split.empty() && parts.size() == 1) return parts.front();
  throw no_part(dataset, fmt::format("{}", fmt::join(wanted, " or ")), parts);
}

}  // namespace

void LocateOptions::refuse_images(const fs::path& dataset) const {
  if (!images.empty())
    throw ConfigError(fmt::format("--images: {} says itself where they are", dataset.string()));
}

void LocateOptions::refuse_overrides(const fs::path& dataset) const {
  if (overrides.empty()) return;
  throw ConfigError(
      fmt::format("{}: {} is no config, whose data it could change", overrides.front(), dataset.string()));
}

void DatasetPart::require_own_files() const {
  if (options.type != kAnyFormat && !formats().at(options.type).read) {
    throw ConfigError(fmt::format("{}: is of the format {}, which has no annotation files that this works on",
                                  name, options.type));
  }
  if (split.sources.empty()) return;
  throw ConfigError(fmt::format("{}: is joined from {} data sets; take them one by one, as folders or files",
                                name, split.sources.size()));
}

DatasetPart located(const DataOptions& options, const SplitOptions& split) {
  DatasetPart part{.name = split.split, .options = options, .split = split};
  const bool is_any = options.type == kAnyFormat;
  if (!is_any) {
    const bool is_named = !split.annotations.empty() && !split.images.empty();
    if (split.own.has_value() || is_named || formats().at(options.type).open) return part;
  }
  const auto& named = split.annotations.empty() ? options.root : split.annotations;
  if (!is_there(named)) {
    throw DataError(
        fmt::format("{}: there is no such file or folder; what a config names is taken from RCNN_DATA, or "
                    "from data/ in the current folder, unless it begins with /",
                    named.string()));
  }
  const Place place(named);
  const auto parts = parts_with_images(place, options, split);
  if (parts.empty()) throw no_data_set(place, options.type);
  const auto& found = chosen(parts, split, place.path());
  part.name = found.name;
  part.options.type = found.options.type;
  part.split.split = found.split.split;
  part.split.annotations = found.split.annotations;
  part.split.images = found.split.images;
  part.split.own = found.split.own;
  return part;
}

std::vector<DatasetPart> locate(const fs::path& dataset, const LocateOptions& options) {
  auto parts = all_parts(Place(dataset), options);
  for (auto& part : parts) say(options, part.options);
  if (options.splits.empty()) return parts;
  const auto names = names_of(parts);
  for (const auto& split : options.splits) {
    if (std::ranges::find(names, split) == names.end()) throw no_part(dataset, split, parts);
  }
  std::erase_if(parts, [&](const DatasetPart& part) {
    return std::ranges::find(options.splits, part.name) == options.splits.end();
  });
  return parts;
}

}  // namespace rcnn::data
