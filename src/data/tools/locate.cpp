#include <algorithm>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/config/config.h>
#include <rcnn/data/formats/format.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/error.h>

#include "data/formats/coco_format.h"
#include "data/paths.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kLargestConfig = 1 << 20;
constexpr const char* kExpected =
    "expected is a Pascal VOC folder (Annotations, JPEGImages, ImageSets/Main), a COCO instances file, a "
    "folder with annotations/instances_*.json, or a config";

bool may_be_config(const fs::path& file) {
  if (fs::file_size(file) > kLargestConfig) return false;
  const auto text = read_text_file(file, kLargestConfig);
  const auto mentions = [&](const char* key) { return text.find(key) != std::string::npos; };
  return mentions("\"_base_\"") || mentions("\"data\"") || mentions("\"model\"");
}

std::vector<DatasetPart> config_parts(const fs::path& file) {
  const auto root = config::Config::load(file).root();
  if (root.has("stages"))
    throw root.error("stages", "a chain of trainings, each with data of its own; give the config of one");
  if (!root.has("data")) throw root.error("data", "is missing; the config names no data set");
  const auto options = DataOptions::from(root.child("data"));
  return {{.name = "train", .options = options, .split = options.train},
          {.name = "test", .options = options, .split = options.test}};
}

std::vector<DatasetPart> all_parts(const fs::path& dataset, const LocateOptions& options) {
  const std::string where = dataset.string();
  if (!is_there(dataset)) throw DataError(fmt::format("{}: there is no such file or folder", where));
  if (auto parts = formats().parts(dataset, options); !parts.empty()) return parts;
  if (!fs::is_directory(dataset)) {
    if (may_be_config(dataset)) {
      options.refuse_images(dataset);
      return config_parts(dataset);
    }
    if (const auto problem = why_no_json(dataset); !problem.empty())
      throw DataError(fmt::format("{}: is no JSON or is cut short: {}", where, problem));
  }
  throw DataError(fmt::format("{}: is no data set; {}", where, kExpected));
}

}  // namespace

void LocateOptions::refuse_images(const fs::path& dataset) const {
  if (!images.empty())
    throw ConfigError(fmt::format("--images: {} says itself where they are", dataset.string()));
}

void DatasetPart::require_own_files() const {
  if (options.type != "voc" && options.type != "coco") {
    throw ConfigError(
        fmt::format("{}: is of the format {}; this works on the files of voc and coco", name, options.type));
  }
  if (split.sources.empty()) return;
  throw ConfigError(fmt::format("{}: is joined from {} data sets; take them one by one, as folders or files",
                                name, split.sources.size()));
}

std::vector<DatasetPart> locate(const fs::path& dataset, const LocateOptions& options) {
  auto parts = all_parts(dataset, options);
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
