#include <algorithm>
#include <stdexcept>
#include <string_view>

#include <c10/util/Exception.h>

#include <rcnn/data/formats/format.h>

#include "data/formats/coco_format.h"
#include "data/formats/voc_format.h"

namespace rcnn::data {

void Formats::add(std::string name, Format format) {
  if (!format.read_split || !format.open)
    throw std::invalid_argument("formats: '" + name + "' lacks read_split or open");
  if (std::ranges::find(formats_, name, &std::pair<std::string, Format>::first) != formats_.end()) {
    throw std::invalid_argument("formats: the name '" + name + "' is taken");
  }
  formats_.emplace_back(std::move(name), std::move(format));
}

const Format& Formats::at(const std::string& name) const {
  const auto found = std::ranges::find(formats_, name, &std::pair<std::string, Format>::first);
  TORCH_CHECK(found != formats_.end(), "formats: there is no '", name, "'");
  return found->second;
}

std::string Formats::read(const config::Node& data, const std::string& standard) const {
  if (!data.has("type")) return standard;
  std::vector<std::string_view> names;
  for (const auto& [name, format] : formats_) names.push_back(name);
  return std::string(names[data.one_of("type", names)]);
}

std::vector<DatasetPart> Formats::parts(const std::filesystem::path& dataset,
                                        const LocateOptions& options) const {
  for (const auto& [name, format] : formats_) {
    if (!format.parts) continue;
    auto parts = format.parts(dataset, options);
    for (auto& part : parts) part.options.type = name;
    if (!parts.empty()) return parts;
  }
  return {};
}

Formats& formats() {
  static Formats all({{"voc", voc_format()}, {"coco", coco_format()}});
  return all;
}

}  // namespace rcnn::data
