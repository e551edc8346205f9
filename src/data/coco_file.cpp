#include <algorithm>
#include <initializer_list>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include <nlohmann/json.hpp>
#include <simdjson.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/data/coco_file.h>
#include <rcnn/error.h>
#include <rcnn/io/atomic_file.h>

#include "data/json_start.h"

namespace rcnn::data {
namespace {

namespace json = simdjson::ondemand;

/// What is wrong with one entry; its place is added where it is known, with `detail` behind it.
struct Wrong : std::runtime_error {
  explicit Wrong(const std::string& what, std::string about = "")
      : std::runtime_error(what), detail(std::move(about)) {}
  std::string detail;
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
  const int64_t number = get<int64_t>(value, key, "0 or 1");
  if (number != 0 && number != 1) throw Wrong(fmt::format("{} must be 0 or 1", key));
  return number == 1;
}

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

using Keys = std::initializer_list<std::string_view>;

/// Calls read(key, value) for each field of an object, and refuses one that lacks a required key or has one
/// of either list twice: programs disagree about which of two counts.
template <class Read>
void read_fields(json::object object, Keys required, Keys optional, Read read) {
  unsigned seen = 0;
  const auto bit_of = [&](std::string_view key) {
    unsigned bit = 1;
    for (const auto keys : {required, optional}) {
      for (const auto& known : keys) {
        if (known == key) return bit;
        bit <<= 1;
      }
    }
    return 0u;
  };
  for (auto field : object) {
    const std::string_view key = field.unescaped_key();
    const unsigned bit = bit_of(key);
    if ((seen & bit) != 0) throw Wrong(fmt::format("{} is there twice", key));
    seen |= bit;
    read(key, field.value().value());
  }
  for (const auto& key : required) {
    if ((seen & bit_of(key)) == 0) throw Wrong(fmt::format("has no {}", key));
  }
}

/// Calls read(object) for each object of a list; those that it refuses are left out.
template <class Read>
void for_each(json::array list, std::string_view name, Problems& problems, Read read) {
  int64_t place = 0;
  for (auto entry : list) {
    try {
      json::object object;
      if (entry.get(object) != simdjson::SUCCESS) throw Wrong("must be an object");
      read(object);
    } catch (const Wrong& wrong) {
      problems.error(wrong.what(), fmt::format("{}[{}]{}", name, place, wrong.detail));
    }
    ++place;
  }
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
    read_fields(object, {"id", "file_name"}, {"height", "width"},
                [&](std::string_view key, json::value value) {
                  if (key == "id") image.id = integer(value, key);
                  if (key == "file_name") image.file_name = text(value, key);
                  if (key == "height") image.size.height = integer(value, key);
                  if (key == "width") image.size.width = integer(value, key);
                });
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
    read_fields(object, {"id", "image_id", "category_id", "bbox"},
                {"area", "iscrowd", "segmentation", "attributes"},
                [&](std::string_view key, json::value value) {
                  if (key == "id") annotation.id = integer(value, key);
                  if (key == "image_id") annotation.image_id = integer(value, key);
                  if (key == "category_id") annotation.category_id = integer(value, key);
                  if (key == "bbox") annotation.box = box(value);
                  if (key == "area") area = number(value, key);
                  if (key == "iscrowd") annotation.crowd = flag(value, key);
                  if (with_details && key == "segmentation") details.segmentation = raw(value);
                  if (with_details && key == "attributes") details.attributes = attributes(value);
                });
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
    read_fields(object, {"id", "name"}, {}, [&](std::string_view key, json::value value) {
      if (key == "id") category.id = integer(value, key);
      if (key == "name") category.name = text(value, key);
    });
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
  std::set<std::string_view> missing = {"images", "annotations", "categories"};
  read_fields(top, {}, {"images", "annotations", "categories"}, [&](std::string_view key, json::value value) {
    const auto list = [&] { return get<json::array>(value, key, "a list"); };
    if (key == "images") file.images = read_images(list(), problems);
    if (key == "annotations") read_annotations(list(), problems, with_details, file);
    if (key == "categories") file.categories = read_categories(list(), problems);
    missing.erase(key);
  });
  for (const auto key : missing) problems.error("a list is missing", std::string(key));
  return file;
}

json::array results_list(json::document& document) {
  json::array list;
  if (document.get_array().get(list) != simdjson::SUCCESS) {
    throw Wrong(
        "is no list of results: [{\"image_id\", \"category_id\", \"bbox\", \"score\"}, ...] is expected");
  }
  return list;
}

/// Collects the names of results, each once.
class NameCollector {
 public:
  void add(json::value value, std::string_view key) {
    if (!value.is_null()) name_ = get<std::string_view>(value, key, "a text");
  }

  /// The result at place `count - 1` is complete.
  void next(size_t count) {
    if (!name_.empty()) {
      names_.of_results.resize(count - 1, CocoResultNames::kNone);
      names_.of_results.push_back(place());
    }
    name_ = {};
  }
  void forget() { name_ = {}; }

  CocoResultNames take(size_t count) {
    if (!names_.of_results.empty()) names_.of_results.resize(count, CocoResultNames::kNone);
    return std::move(names_);
  }

 private:
  /// Results of one image stand together in most lists, so that the last name is looked at first.
  int32_t place() {
    if (names_.names.empty() || names_.names[static_cast<size_t>(last_)] != name_) {
      const auto [entry, is_new] = places_.emplace(name_, static_cast<int32_t>(names_.names.size()));
      if (is_new) names_.names.emplace_back(name_);
      last_ = entry->second;
    }
    return last_;
  }

  CocoResultNames names_;
  std::unordered_map<std::string, int32_t> places_;
  std::string_view name_;  // of the result that is being read, in the parser's memory
  int32_t last_ = 0;
};

CocoResultList read_results(json::document& document, Problems& problems) {
  CocoResultList list;
  NameCollector images, categories;
  for_each(results_list(document), "", problems, [&](json::object object) {
    CocoResult result;
    images.forget();
    categories.forget();
    read_fields(object, {"image_id", "category_id", "bbox", "score"}, {"file_name", "category_name"},
                [&](std::string_view key, json::value value) {
                  if (key == "image_id") result.image_id = integer(value, key);
                  if (key == "category_id") result.category_id = integer(value, key);
                  if (key == "bbox") result.box = box(value);
                  if (key == "score") result.score = number(value, key);
                  if (key == "file_name") images.add(value, key);
                  if (key == "category_name") categories.add(value, key);
                });
    list.results.push_back(result);
    images.next(list.results.size());
    categories.next(list.results.size());
  });
  list.images = images.take(list.results.size());
  list.categories = categories.take(list.results.size());
  return list;
}

/// Where the parser stands, for people; nothing at the end of the text.
std::string line_of(json::document& document, std::string_view bytes) {
  const char* place = nullptr;
  if (document.current_location().get(place) != simdjson::SUCCESS) return "";
  return fmt::format("line {}: ", std::count(bytes.data(), place, '\n') + 1);
}

template <class Read>
auto read(const std::filesystem::path& file, Read read) {
  simdjson::padded_string bytes;
  if (std::filesystem::is_directory(file)) {
    throw DataError(fmt::format("{}: is a folder; name the JSON file", file.string()));
  }
  check_json_start(file);
  if (simdjson::padded_string::load(file.string()).get(bytes) != simdjson::SUCCESS) {
    throw DataError(fmt::format("{}: cannot be read", file.string()));
  }
  json::parser parser;
  json::document document;
  if (const auto error = parser.iterate(bytes).get(document); error != simdjson::SUCCESS) {
    throw DataError(fmt::format("{}: is no JSON: {}", file.string(), simdjson::error_message(error)));
  }
  try {
    auto result = read(document);
    if (document.current_location().error() == simdjson::SUCCESS) {
      throw Wrong("something follows the end of the JSON text");
    }
    return result;
  } catch (const Wrong& wrong) {
    throw DataError(fmt::format("{}: {}", file.string(), wrong.what()));
  } catch (const simdjson::simdjson_error& error) {
    throw DataError(fmt::format("{}: {}is no JSON or is cut short: {}", file.string(),
                                line_of(document, bytes), error.what()));
  }
}

/// A text as JSON has it; what is no UTF-8 becomes replacement characters.
std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string to_json(const CocoImage& image) {
  auto json = fmt::format("{{\"id\": {}, \"file_name\": {}", image.id, quoted(image.file_name));
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
    for (const auto& [key, value] : details->attributes) fields.push_back(quoted(key) + ": " + quoted(value));
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

CocoFile read_coco_file(const std::filesystem::path& file, Problems& problems, bool with_details) {
  return read(file, [&](json::document& document) { return read_file(document, problems, with_details); });
}

CocoFile read_coco_file(const std::filesystem::path& file) {
  Problems problems;
  auto content = read_coco_file(file, problems);
  problems.settle(file.string());
  return content;
}

void write_coco_file(const std::filesystem::path& file, const CocoFile& content) {
  const auto& [images, annotations, categories, details] = content;
  std::string json = "{";
  append_list(json, "images", images.size(), [&](size_t i) { return to_json(images[i]); });
  json += ",\n";
  append_list(json, "annotations", annotations.size(),
              [&](size_t i) { return to_json(annotations[i], details.empty() ? nullptr : &details[i]); });
  json += ",\n";
  append_list(json, "categories", categories.size(), [&](size_t i) {
    return fmt::format("{{\"id\": {}, \"name\": {}}}", categories[i].id, quoted(categories[i].name));
  });
  json += "}\n";
  io::write_atomically(file, json);
}

CocoResultList read_coco_results(const std::filesystem::path& file) {
  Problems problems;
  auto list = read(file, [&](json::document& document) { return read_results(document, problems); });
  problems.settle(file.string());
  return list;
}

}  // namespace rcnn::data
