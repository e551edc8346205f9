#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <unordered_set>

#include <simdjson.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/coco_file.h>
#include <rcnn/error.h>

namespace rcnn::data {
namespace {

namespace json = simdjson::ondemand;

/// What is wrong in one place; the place and the file are added where they are known.
struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Reads a value under a key, and says which when it is of another type.
template <class Type>
Type get(json::value value, std::string_view key, const char* what) {
  Type result;
  if (value.get(result) != simdjson::SUCCESS) throw Wrong(fmt::format("{} must be {}", key, what));
  return result;
}

int64_t integer(json::value value, std::string_view key) {
  return get<int64_t>(value, key, "an integer of 64 bits");
}

double number(json::value value, std::string_view key) {
  return get<double>(value, key, "a number");
}

std::string text(json::value value, std::string_view key) {
  return std::string(get<std::string_view>(value, key, "a text"));
}

std::array<double, 4> box(json::value value) {
  std::array<double, 4> sides;
  size_t count = 0;
  for (auto side : get<json::array>(value, "bbox", "[x, y, width, height]")) {
    if (count == sides.size()) throw Wrong("bbox has more than four numbers");
    sides[count++] = number(side.value(), "bbox");
  }
  if (count != sides.size()) throw Wrong(fmt::format("bbox has {} numbers, not four", count));
  return sides;
}

/// 0 or 1, or a truth value.
bool flag(json::value value, std::string_view key) {
  if (bool truth; value.get(truth) == simdjson::SUCCESS) return truth;
  return integer(value, key) != 0;
}

/// Calls read(key, value) for each field of an object, and refuses one that lacks a required key.
template <class Read>
void read_fields(json::object object, std::initializer_list<std::string_view> required, Read read) {
  unsigned seen = 0;
  for (auto field : object) {
    const std::string_view key = field.unescaped_key();
    const auto found = std::find(required.begin(), required.end(), key);
    if (found != required.end()) seen |= 1u << (found - required.begin());
    read(key, field.value().value());
  }
  for (const auto& key : required) {
    if ((seen >> (&key - required.begin()) & 1) == 0) throw Wrong(fmt::format("has no {}", key));
  }
}

/// Calls read(object) for each object of a list and says at which one it went wrong.
template <class Read>
void for_each(json::array list, std::string_view name, Read read) {
  int64_t place = 0;
  for (auto entry : list) {
    try {
      json::object object;
      if (entry.get(object) != simdjson::SUCCESS) throw Wrong("must be an object");
      read(object);
    } catch (const Wrong& wrong) {
      throw Wrong(fmt::format("{}[{}]: {}", name, place, wrong.what()));
    }
    ++place;
  }
}

class Ids {
 public:
  void add(int64_t id) {
    if (!ids_.insert(id).second) throw Wrong(fmt::format("the id {} is there a second time", id));
  }

 private:
  std::unordered_set<int64_t> ids_;
};

std::vector<CocoImage> read_images(json::array list) {
  std::vector<CocoImage> images;
  Ids ids;
  for_each(list, "images", [&](json::object object) {
    CocoImage image;
    read_fields(object, {"id", "file_name"}, [&](std::string_view key, json::value value) {
      if (key == "id") image.id = integer(value, key);
      if (key == "file_name") image.file_name = text(value, key);
      if (key == "height") image.size.height = integer(value, key);
      if (key == "width") image.size.width = integer(value, key);
    });
    ids.add(image.id);
    images.push_back(std::move(image));
  });
  return images;
}

std::vector<CocoAnnotation> read_annotations(json::array list) {
  std::vector<CocoAnnotation> annotations;
  Ids ids;
  for_each(list, "annotations", [&](json::object object) {
    CocoAnnotation annotation;
    std::optional<double> area;
    read_fields(object, {"id", "image_id", "category_id", "bbox"},
                [&](std::string_view key, json::value value) {
                  if (key == "id") annotation.id = integer(value, key);
                  if (key == "image_id") annotation.image_id = integer(value, key);
                  if (key == "category_id") annotation.category_id = integer(value, key);
                  if (key == "bbox") annotation.box = box(value);
                  if (key == "area") area = number(value, key);
                  if (key == "iscrowd") annotation.crowd = flag(value, key);
                });
    annotation.area = area.value_or(annotation.box[2] * annotation.box[3]);
    ids.add(annotation.id);
    annotations.push_back(annotation);
  });
  return annotations;
}

std::vector<Category> read_categories(json::array list) {
  std::vector<Category> categories;
  Ids ids;
  for_each(list, "categories", [&](json::object object) {
    Category category;
    read_fields(object, {"id", "name"}, [&](std::string_view key, json::value value) {
      if (key == "id") category.id = integer(value, key);
      if (key == "name") category.name = text(value, key);
    });
    ids.add(category.id);
    categories.push_back(std::move(category));
  });
  return categories;
}

CocoFile read_file(json::document& document) {
  CocoFile file;
  json::object top;
  if (document.get_object().get(top) != simdjson::SUCCESS) {
    throw Wrong(
        "is no instances file: {\"images\": ..., \"annotations\": ..., \"categories\": ...} is expected");
  }
  read_fields(top, {"images", "annotations", "categories"}, [&](std::string_view key, json::value value) {
    const auto list = [&] { return get<json::array>(value, key, "a list"); };
    if (key == "images") file.images = read_images(list());
    if (key == "annotations") file.annotations = read_annotations(list());
    if (key == "categories") file.categories = read_categories(list());
  });
  return file;
}

std::vector<CocoResult> read_results(json::document& document) {
  std::vector<CocoResult> results;
  json::array list;
  if (document.get_array().get(list) != simdjson::SUCCESS) {
    throw Wrong(
        "is no list of results: [{\"image_id\", \"category_id\", \"bbox\", \"score\"}, ...] is expected");
  }
  for_each(list, "", [&](json::object object) {
    CocoResult result;
    read_fields(object, {"image_id", "category_id", "bbox", "score"},
                [&](std::string_view key, json::value value) {
                  if (key == "image_id") result.image_id = integer(value, key);
                  if (key == "category_id") result.category_id = integer(value, key);
                  if (key == "bbox") result.box = box(value);
                  if (key == "score") result.score = number(value, key);
                });
    results.push_back(result);
  });
  return results;
}

template <class Read>
auto read(const std::filesystem::path& file, Read read) {
  simdjson::padded_string bytes;
  if (std::filesystem::is_directory(file)) {
    throw DataError(fmt::format("{}: is a folder; name the JSON file", file.string()));
  }
  if (simdjson::padded_string::load(file.string()).get(bytes) != simdjson::SUCCESS) {
    throw DataError(fmt::format("{}: cannot be read", file.string()));
  }
  json::parser parser;
  json::document document;
  try {
    document = parser.iterate(bytes);
    auto result = read(document);
    if (document.current_location().error() == simdjson::SUCCESS) {
      throw Wrong("something follows the end of the JSON text");
    }
    return result;
  } catch (const Wrong& wrong) {
    throw DataError(fmt::format("{}: {}", file.string(), wrong.what()));
  } catch (const simdjson::simdjson_error& error) {
    throw DataError(fmt::format("{}: is no JSON or is cut short: {}", file.string(), error.what()));
  }
}

}  // namespace

CocoFile read_coco_file(const std::filesystem::path& file) {
  return read(file, read_file);
}

std::vector<CocoResult> read_coco_results(const std::filesystem::path& file) {
  return read(file, read_results);
}

}  // namespace rcnn::data
