#include <string_view>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/ranges.h>

#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/error.h>
#include <rcnn/io/files/atomic_file.h>
#include <rcnn/printable.h>

#include "utf8.h"

namespace rcnn::data {
namespace {

/// A text as JSON has it.
std::string json_text(const std::string& text) {
  if (!is_utf8(text)) throw DataError(fmt::format("\"{}\" is no UTF-8, which JSON is", printable(text)));
  return nlohmann::json(text).dump();
}

/// ", " and the fields, each with its key.
std::string following(const JsonFields& fields) {
  std::string json;
  for (const auto& [key, value] : fields) json += fmt::format(", {}: {}", json_text(key), value);
  return json;
}

std::string to_json(const CocoImage& image, const JsonFields& others) {
  auto json = fmt::format("{{\"id\": {}, \"file_name\": {}", image.id, json_text(image.file_name));
  if (image.size != ImageSize{}) {
    json += fmt::format(", \"height\": {}, \"width\": {}", image.size.height, image.size.width);
  }
  return json + following(others) + '}';
}

std::string to_json(const CocoAnnotation& annotation, const CocoDetails& details) {
  const auto [x, y, width, height] = annotation.box;
  auto json = fmt::format(
      "{{\"id\": {}, \"image_id\": {}, \"category_id\": {}, \"bbox\": [{}, {}, {}, {}], \"area\": {}, "
      "\"iscrowd\": {:d}",
      annotation.id, annotation.image_id, annotation.category_id, x, y, width, height, annotation.area,
      annotation.crowd);
  if (!details.segmentation.empty()) json += ", \"segmentation\": " + details.segmentation;
  if (!details.attributes.empty())
    json += fmt::format(", \"attributes\": {{{}}}", following(details.attributes).substr(2));
  return json + following(details.others) + '}';
}

std::string to_json(const Category& category, const JsonFields& others) {
  return fmt::format("{{\"id\": {}, \"name\": {}{}}}", category.id, json_text(category.name),
                     following(others));
}

/// A list with a line for each entry; `further` has what else is known of each, or nothing at all.
template <class Entry, class Further>
std::string list_of(std::string_view name, const std::vector<Entry>& entries,
                    const std::vector<Further>& further) {
  static const Further kNone;
  auto json = fmt::format("\"{}\": [", name);
  for (size_t i = 0; i < entries.size(); ++i) {
    json += i == 0 ? "\n" : ",\n";
    json += to_json(entries[i], further.empty() ? kNone : further[i]);
  }
  return json + "\n]";
}

std::string json_of(const CocoFile& content) {
  std::string json = "{";
  for (const auto& [key, value] : content.fields) json += fmt::format("{}: {},\n", json_text(key), value);
  json += list_of("images", content.images, content.image_fields) + ",\n";
  json += list_of("annotations", content.annotations, content.details) + ",\n";
  return json + list_of("categories", content.categories, content.category_fields) + "}\n";
}

}  // namespace

void write_coco_file(const std::filesystem::path& file, const CocoFile& content) {
  std::string json;
  try {
    json = json_of(content);
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}", file.string(), error.what()));
  }
  io::write_atomically(file, json);
}

}  // namespace rcnn::data
