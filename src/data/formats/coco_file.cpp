#include <set>
#include <unordered_set>

#include <rcnn/data/formats/coco_file.h>

#include "data/formats/json_fields.h"

namespace rcnn::data {
namespace {

/// The JSON of polygons or run lengths; of other types, which hold no outline, nothing.
std::string raw(json::value value) {
  std::string_view text;
  if (json::array list; value.get(list) == simdjson::SUCCESS) {
    text = list.raw_json();
  } else if (json::object object; value.get(object) == simdjson::SUCCESS) {
    text = object.raw_json();
  }
  return std::string(text);
}

std::vector<std::pair<std::string, std::string>> attributes(json::value value) {
  std::vector<std::pair<std::string, std::string>> result;
  for (auto field : get<json::object>(value, "attributes", "an object")) {
    std::string key(std::string_view(field.unescaped_key()));
    json::value content = field.value();
    if (std::string_view text; content.get(text) == simdjson::SUCCESS) {
      result.emplace_back(std::move(key), text);
    } else if (const json::json_type type = content.type();
               type == json::json_type::number || type == json::json_type::boolean) {
      const std::string_view token = content.raw_json_token();
      result.emplace_back(std::move(key), token.substr(0, token.find_last_not_of(" \t\r\n") + 1));
    }
  }
  return result;
}

/// Entries with ids of their own.
template <class Entry>
class Entries {
 public:
  void add(Entry entry) {
    if (!ids_.insert(entry.id).second)
      throw Wrong("an id is there a second time", fmt::format(" (id {})", entry.id));
    entries_.push_back(std::move(entry));
  }
  std::vector<Entry> take() { return std::move(entries_); }

 private:
  std::vector<Entry> entries_;
  std::unordered_set<int64_t> ids_;
};

std::vector<CocoImage> read_images(json::array list, Problems& problems) {
  Entries<CocoImage> images;
  for_each(list, "images", problems, [&](json::object object) {
    CocoImage image;
    read_fields(object, required("id", image.id), required("file_name", image.file_name),
                optional("height", image.size.height), optional("width", image.size.width));
    images.add(std::move(image));
  });
  return images.take();
}

void read_annotations(json::array list, Problems& problems, bool with_details, CocoFile& file) {
  Entries<CocoAnnotation> annotations;
  for_each(list, "annotations", problems, [&](json::object object) {
    CocoAnnotation annotation;
    CocoDetails details;
    std::optional<double> area;
    const auto take_outline = [&](json::value value) {
      if (with_details) details.segmentation = raw(value);
    };
    const auto take_attributes = [&](json::value value) {
      if (with_details) details.attributes = attributes(value);
    };
    read_fields(object, required("id", annotation.id), required("image_id", annotation.image_id),
                required("category_id", annotation.category_id), required("bbox", annotation.box),
                optional("area", area), optional("iscrowd", annotation.crowd),
                optional("segmentation", take_outline), optional("attributes", take_attributes));
    annotation.area = area.value_or(annotation.box[2] * annotation.box[3]);
    annotations.add(annotation);
    if (with_details) file.details.push_back(std::move(details));
  });
  file.annotations = annotations.take();
}

std::vector<Category> read_categories(json::array list, Problems& problems) {
  Entries<Category> categories;
  for_each(list, "categories", problems, [&](json::object object) {
    Category category;
    read_fields(object, required("id", category.id), required("name", category.name));
    categories.add(std::move(category));
  });
  return categories.take();
}

CocoFile read_file(json::document& document, Problems& problems, bool with_details) {
  CocoFile file;
  json::object top;
  if (document.get_object().get(top) != simdjson::SUCCESS) {
    throw Wrong(
        "is no instances file: {\"images\": ..., \"annotations\": ..., \"categories\": ...} is expected");
  }
  std::set<std::string> missing = {"images", "annotations", "categories"};
  const auto list = [&](json::value value, const char* key) {
    missing.erase(key);
    return get<json::array>(value, key, "a list");
  };
  const auto images = [&](json::value value) { file.images = read_images(list(value, "images"), problems); };
  const auto annotations = [&](json::value value) {
    read_annotations(list(value, "annotations"), problems, with_details, file);
  };
  const auto categories = [&](json::value value) {
    file.categories = read_categories(list(value, "categories"), problems);
  };
  read_fields(top, optional("images", images), optional("annotations", annotations),
              optional("categories", categories));
  for (const auto& key : missing) problems.error("a list is missing", key);
  return file;
}

}  // namespace

CocoFile read_coco_file(const std::filesystem::path& file, Problems& problems, bool with_details) {
  return read_json(file,
                   [&](json::document& document) { return read_file(document, problems, with_details); });
}

CocoFile read_coco_file(const std::filesystem::path& file) {
  Problems problems;
  auto content = read_coco_file(file, problems);
  problems.settle(file.string());
  return content;
}

}  // namespace rcnn::data
