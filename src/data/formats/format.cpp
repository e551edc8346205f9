#include <algorithm>
#include <stdexcept>
#include <string_view>

#include <c10/util/Exception.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/data/formats/format.h>
#include <rcnn/error.h>

#include "data/formats/coco/coco_format.h"
#include "data/formats/cvat/cvat_format.h"
#include "data/formats/labelme/labelme_format.h"
#include "data/formats/tables/csv_format.h"
#include "data/formats/tables/open_images_format.h"
#include "data/formats/via/via_format.h"
#include "data/formats/voc/voc_format.h"
#include "data/formats/yolo/yolo_format.h"

namespace rcnn::data {

void Formats::add(std::string name, Format format) {
  if (!format.read && !format.open) throw std::invalid_argument("formats: '" + name + "' lacks read or open");
  const auto is_taken = [&](const auto& known) { return known.first == name; };
  if (name == kAnyFormat || std::ranges::any_of(formats_, is_taken))
    throw std::invalid_argument("formats: the name '" + name + "' is taken");
  formats_.emplace_back(std::move(name), std::move(format));
}

const Format& Formats::at(const std::string& name) const {
  const auto found = std::ranges::find(formats_, name, &std::pair<std::string, Format>::first);
  TORCH_CHECK(found != formats_.end(), "formats: there is no '", name, "'");
  return found->second;
}

std::string Formats::read(const config::Node& data, const std::string& standard) const {
  if (!data.has("type")) return standard;
  std::vector<std::string_view> words = {kAnyFormat};
  for (const auto& [name, format] : formats_) words.push_back(name);
  return std::string(words[data.one_of("type", words)]);
}

std::vector<DatasetPart> Formats::parts(const Place& place, const LocateOptions& options) const {
  std::vector<DatasetPart> found;
  std::vector<std::string> recognised;
  for (const auto& [name, format] : formats_) {
    if (!format.parts || (options.type != kAnyFormat && options.type != name)) continue;
    auto parts = format.parts(place, options);
    if (parts.empty()) continue;
    for (auto& part : parts) part.options.type = name;
    recognised.push_back(name);
    found = std::move(parts);
  }
  if (recognised.size() > 1) {
    throw DataError(
        fmt::format("{}: holds data sets of several formats: {}; choose one with --from, in a "
                    "config with data.type",
                    place.path().string(), fmt::join(recognised, ", ")));
  }
  return found;
}

std::string Formats::nearest(const Place& place) const {
  Nearness best;
  std::string_view best_name;
  for (const auto& [name, format] : formats_) {
    if (!format.near) continue;
    if (auto now = format.near(place); now.share > best.share) {
      best = std::move(now);
      best_name = name;
    }
  }
  return best.share == 0 ? "" : fmt::format("{} comes nearest: {}", best_name, best.lacks);
}

std::vector<std::string> Formats::names() const {
  std::vector<std::string> names;
  for (const auto& [name, format] : formats_) names.push_back(name);
  return names;
}

std::vector<std::string> Formats::written() const {
  std::vector<std::string> names;
  for (const auto& [name, format] : formats_) {
    if (format.write) names.push_back(name);
  }
  return names;
}

Formats& formats() {
  static Formats all({{"voc", voc_format()},
                      {"coco", coco_format()},
                      {"yolo", yolo_format()},
                      {"labelme", labelme_format()},
                      {"via", via_format()},
                      {"cvat", cvat_format()},
                      {"csv", csv_format()},
                      {"open_images", open_images_format()}});
  return all;
}

}  // namespace rcnn::data
