#include <string_view>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/ranges.h>

#include <rcnn/data/formats/coco_file.h>
#include <rcnn/io/files/atomic_file.h>

namespace rcnn::data {
namespace {

/// A text as JSON has it; what is no UTF-8 becomes replacement characters.
std::string json_text(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string to_json(const CocoImage& image) {
  auto json = fmt::format("{{\"id\": {}, \"file_name\": {}", image.id, json_text(image.file_name));
  if (image.size != ImageSize{}) {
    json += fmt::format(", \"height\": {}, \"width\": {}", image.size.height, image.size.width);
  }
  return json + '}';
}

std::string to_json(const CocoAnnotation& annotation, const CocoDetails* details) {
  const auto [x, y, width, height] = annotation.box;
  auto json = fmt::format(
      "{{\"id\": {}, \"image_id\": {}, \"category_id\": {}, \"bbox\": [{}, {}, {}, {}], \"area\": {}, "
      "\"iscrowd\": {:d}",
      annotation.id, annotation.image_id, annotation.category_id, x, y, width, height, annotation.area,
      annotation.crowd);
  if (details != nullptr && !details->segmentation.empty()) {
    json += ", \"segmentation\": " + details->segmentation;
  }
  if (details != nullptr && !details->attributes.empty()) {
    std::vector<std::string> fields;
    for (const auto& [key, value] : details->attributes)
      fields.push_back(json_text(key) + ": " + json_text(value));
    json += fmt::format(", \"attributes\": {{{}}}", fmt::join(fields, ", "));
  }
  return json + '}';
}

/// Calls entry(i) for each of the list's lines.
template <class Entry>
void append_list(std::string& json, std::string_view name, size_t count, Entry entry) {
  json += fmt::format("\"{}\": [", name);
  for (size_t i = 0; i < count; ++i) {
    json += i == 0 ? "\n" : ",\n";
    json += entry(i);
  }
  json += "\n]";
}

}  // namespace

void write_coco_file(const std::filesystem::path& file, const CocoFile& content) {
  const auto& [images, annotations, categories, details] = content;
  std::string json = "{";
  append_list(json, "images", images.size(), [&](size_t i) { return to_json(images[i]); });
  json += ",\n";
  append_list(json, "annotations", annotations.size(),
              [&](size_t i) { return to_json(annotations[i], details.empty() ? nullptr : &details[i]); });
  json += ",\n";
  append_list(json, "categories", categories.size(), [&](size_t i) {
    return fmt::format("{{\"id\": {}, \"name\": {}}}", categories[i].id, json_text(categories[i].name));
  });
  json += "}\n";
  io::write_atomically(file, json);
}

}  // namespace rcnn::data
