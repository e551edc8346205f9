#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/config/config.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/error.h>

#include "data/formats/json_fields.h"
#include "data/formats/voc_folder.h"
#include "data/paths.h"
#include "text.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kInstances = "instances_";
constexpr uintmax_t kLargestConfig = 1 << 20;
constexpr const char* kExpected =
    "expected is a Pascal VOC folder (Annotations, JPEGImages, ImageSets/Main), a COCO instances file, a "
    "folder with annotations/instances_*.json, or a config";

/// Whether the first line that says anything has the second column of VOC's lists of one class.
bool has_second_column(const fs::path& list) {
  constexpr size_t kLooked = 4096;
  const auto head = read_head(list, kLooked);
  const auto text = trimmed(head);
  const auto line = trimmed(text.substr(0, text.find('\n')));
  return is_presence(trimmed(line.substr(std::min(line.find_first_of(" \t"), line.size()))));
}

std::vector<DatasetPart> voc_parts(const fs::path& root) {
  const fs::path folder = root / "ImageSets/Main";
  const auto lists = stems_in(folder, "", ".txt");
  std::vector<DatasetPart> parts;
  for (const auto& list : lists) {
    const bool of_one_class =
        std::any_of(lists.begin(), lists.end(), [&](auto& whole) { return list.ends_with("_" + whole); }) &&
        has_second_column(folder / (list + ".txt"));
    if (of_one_class) continue;
    DatasetPart part{.name = list, .options = {}, .split = {.split = list}};
    part.options.type = DataOptions::Type::voc;
    part.options.root = root;
    parts.push_back(std::move(part));
  }
  if (parts.empty()) throw DataError(fmt::format("{}: holds no list of images, NAME.txt", folder.string()));
  return parts;
}

/// What can be said of a JSON file without reading all that it means.
struct Glance {
  bool is_instances = false;  ///< has one of an instances file's lists, which may be all that is left of it
  std::string first_image;    ///< the file name of the first of them; empty where there is none
  std::string problem;        ///< why it is no JSON
};

Glance glance(const fs::path& file) {
  Glance seen;
  check_json_start(file);
  simdjson::padded_string bytes;
  if (const auto error = simdjson::padded_string::load(file.string()).get(bytes)) {
    throw DataError(fmt::format("{}: cannot be read: {}", file.string(), simdjson::error_message(error)));
  }
  try {
    simdjson::ondemand::parser parser;
    auto document = parser.iterate(bytes);
    if (document.type() != simdjson::ondemand::json_type::object) return seen;
    auto images = document.find_field("images");
    seen.is_instances = images.error() == simdjson::SUCCESS;
    if (!seen.is_instances) {
      if (images.error() != simdjson::NO_SUCH_FIELD) throw simdjson::simdjson_error(images.error());
      for (const char* list : {"annotations", "categories"}) {
        document.rewind();
        seen.is_instances |= document.find_field(list).error() == simdjson::SUCCESS;
      }
      return seen;
    }
    std::string_view name;
    if (images.at(0).find_field_unordered("file_name").get(name) == simdjson::SUCCESS)
      seen.first_image = name;
  } catch (const simdjson::simdjson_error& error) {
    seen.problem = error.what();
  }
  return seen;
}

/// The folder that the names of an instances file's images start from. A file without images says what is
/// wrong with it when it is opened.
fs::path images_folder_of(const fs::path& file, const std::string& part, const std::string& first_image) {
  const fs::path folder = file.has_parent_path() ? file.parent_path() : ".";
  if (first_image.empty()) return folder;
  const fs::path above = folder / "..";
  std::vector<std::string> looked;
  for (const fs::path& path : {folder, folder / "images", folder / part, above / part,
                               above / "images" / part, above / "images", above}) {
    const fs::path place = path.lexically_normal();  // the folder above by name, not a link's target's
    if (is_there(place / first_image)) return place;
    looked.push_back(place.string());
  }
  throw DataError(
      fmt::format("{}: its first image, {}, is in none of {}; name the folder of the images (--images)",
                  file.string(), first_image, fmt::join(looked, ", ")));
}

DatasetPart coco_part(const fs::path& file, const fs::path& images, const std::string& first_image) {
  std::string name = file.stem();
  if (name.starts_with(kInstances)) name.erase(0, kInstances.size());
  DatasetPart part{.name = name, .options = {}, .split = {.annotations = file}};
  part.split.images = images.empty() ? images_folder_of(file, name, first_image) : images;
  part.options.type = DataOptions::Type::coco;
  part.options.root = file.parent_path();
  return part;
}

bool may_be_config(const fs::path& file) {
  if (fs::file_size(file) > kLargestConfig) return false;
  const auto text = read_text_file(file, kLargestConfig);
  const auto mentions = [&](const char* key) { return text.find(key) != std::string::npos; };
  return mentions("\"_base_\"") || mentions("\"data\"") || mentions("\"model\"");
}

std::vector<DatasetPart> config_parts(const fs::path& file) {
  const auto root = config::Config::load(file).root();
  if (!root.has("data")) throw root.error("data", "is missing; the config names no data set");
  const auto options = DataOptions::from(root.child("data"));
  return {{.name = "train", .options = options, .split = options.train},
          {.name = "test", .options = options, .split = options.test}};
}

std::vector<DatasetPart> all_parts(const fs::path& dataset, const fs::path& images) {
  const std::string where = dataset.string();
  if (!is_there(dataset)) throw DataError(fmt::format("{}: there is no such file or folder", where));
  const auto without_images = [&](std::vector<DatasetPart> parts) {
    if (!images.empty()) throw ConfigError(fmt::format("--images: {} says itself where they are", where));
    return parts;
  };
  if (!fs::is_directory(dataset)) {
    const Glance seen = glance(dataset);
    if (seen.is_instances) return {coco_part(dataset, images, seen.first_image)};
    if (may_be_config(dataset)) return without_images(config_parts(dataset));
    throw DataError(seen.problem.empty()
                        ? fmt::format("{}: is no data set; {}", where, kExpected)
                        : fmt::format("{}: is no JSON or is cut short: {}", where, seen.problem));
  }
  if (is_there(dataset / "ImageSets/Main")) return without_images(voc_parts(dataset));
  std::vector<DatasetPart> parts;
  for (const auto& stem : stems_in(dataset / "annotations", kInstances, ".json")) {
    const fs::path file = dataset / "annotations" / (stem + ".json");
    parts.push_back(coco_part(file, images, images.empty() ? glance(file).first_image : ""));
  }
  if (parts.empty()) throw DataError(fmt::format("{}: is no data set; {}", where, kExpected));
  return parts;
}

}  // namespace

void DatasetPart::require_one_source() const {
  if (split.sources.empty()) return;
  throw ConfigError(fmt::format("{}: is joined from {} data sets; take them one by one, as folders or files",
                                name, split.sources.size()));
}

std::vector<DatasetPart> locate(const fs::path& dataset, const LocateOptions& options) {
  auto parts = all_parts(dataset, options.images);
  if (const auto bound = options.max_megapixels) {
    for (auto& part : parts) part.options.max_megapixels = *bound;
  }
  if (options.splits.empty()) return parts;
  std::vector<std::string> names;
  for (const auto& part : parts) names.push_back(part.name);
  for (const auto& split : options.splits) {
    if (std::find(names.begin(), names.end(), split) != names.end()) continue;
    throw DataError(
        fmt::format("{}: has no part {}; there are: {}", dataset.string(), split, fmt::join(names, ", ")));
  }
  std::erase_if(parts, [&](const DatasetPart& part) {
    return std::find(options.splits.begin(), options.splits.end(), part.name) == options.splits.end();
  });
  return parts;
}

}  // namespace rcnn::data
