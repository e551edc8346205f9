#include "data/formats/coco_format.h"

#include <string_view>
#include <vector>

#include <simdjson.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/config/config.h>
#include <rcnn/data/formats/coco.h>
#include <rcnn/error.h>

#include "data/formats/common_options.h"
#include "data/formats/json_fields.h"
#include "data/paths.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kInstances = "instances_";

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
  part.options.root = file.parent_path();
  return part;
}

std::vector<DatasetPart> coco_parts(const fs::path& dataset, const LocateOptions& options) {
  if (!fs::is_directory(dataset)) {
    const Glance seen = glance(dataset);
    if (!seen.is_instances) return {};
    return {coco_part(dataset, options.images, seen.first_image)};
  }
  std::vector<DatasetPart> parts;
  for (const auto& stem : stems_in(dataset / "annotations", kInstances, ".json")) {
    const fs::path file = dataset / "annotations" / (stem + ".json");
    parts.push_back(coco_part(file, options.images, options.images.empty() ? glance(file).first_image : ""));
  }
  return parts;
}

void read_coco_split(const config::Node& part, const DataOptions& options, SplitOptions& split) {
  split.annotations = options.root / part.require("annotations");
  split.images = options.root / part.require("images");
}

std::shared_ptr<Dataset> open_coco(const DataOptions& options, const SplitOptions& split,
                                   Problems& problems) {
  const auto& file = split.annotations;
  const CocoOptions coco{.annotations = file,
                         .images = split.images.empty() ? locate(file).front().split.images : split.images,
                         .keep_empty = split.keep_empty};
  return read_coco(with_common_options(coco, options, split), problems);
}

}  // namespace

std::string why_no_json(const fs::path& file) {
  return glance(file).problem;
}

Format coco_format() {
  return {.read_split = read_coco_split,
          .read_train = [](const config::Node& train,
                           SplitOptions& split) { train.read("keep_empty", split.keep_empty); },
          .source =
              [](const config::Node&, const fs::path& file) {
                return SourceOptions{.name = file, .annotations = config::data_path(file)};
              },
          .open = open_coco,
          .parts = coco_parts};
}

}  // namespace rcnn::data
