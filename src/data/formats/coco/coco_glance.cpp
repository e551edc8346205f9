#include "data/formats/coco/coco_glance.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <system_error>

#include <simdjson.h>
#include <spdlog/fmt/fmt.h>

#include "data/formats/coco/json_file.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t kHead = 65536;
constexpr size_t kFirstImages = 20;

/// What a text, which may be the beginning of one, shows.
struct SeenLists {
  bool is_object = false, images = false, annotations = false, categories = false;
  bool has_objects = true;  // unless the first annotation has neither a category nor a box
  std::vector<std::string> names;
  std::string problem;  // where it ends early
};

/// Calls see(object) for the objects of a list, which may be written as an object, until it returns false.
template <class See>
void for_first(json::value list, See see) {
  if (json::array array; list.get(array) == simdjson::SUCCESS) {
    for (auto entry : array) {
      json::object object;
      if (entry.get(object) != simdjson::SUCCESS || !see(object)) return;
    }
  } else if (json::object by_key; list.get(by_key) == simdjson::SUCCESS) {
    for (auto field : by_key) {
      json::object object;
      if (field.value().get(object) != simdjson::SUCCESS || !see(object)) return;
    }
  }
}

SeenLists look_at(simdjson::padded_string_view text) {
  SeenLists seen;
  try {
    json::parser parser;
    auto document = parser.iterate(text);
    json::object top;
    if (const auto error = document.get_object().get(top); error != simdjson::SUCCESS) {
      if (error != simdjson::INCORRECT_TYPE) seen.problem = simdjson::error_message(error);
      return seen;
    }
    seen.is_object = true;
    for (auto field : top) {
      const std::string_view list = field.unescaped_key();
      if (list == "categories") {
        seen.categories = true;
      } else if (list == "images") {
        seen.images = true;
        for_first(field.value().value(), [&](json::object image) {
          for (auto detail : image) {
            const std::string_view key = detail.unescaped_key();
            std::string_view name;
            if (key == "file_name" && detail.value().get(name) == simdjson::SUCCESS)
              seen.names.emplace_back(name);
          }
          return seen.names.size() < kFirstImages;
        });
      } else if (list == "annotations") {
        seen.annotations = true;
        for_first(field.value().value(), [&](json::object annotation) {
          seen.has_objects = false;
          for (auto detail : annotation) {
            const std::string_view name = detail.unescaped_key();
            seen.has_objects |= name == "category_id" || name == "bbox";
          }
          return false;
        });
      }
    }
  } catch (const simdjson::simdjson_error& error) {
    seen.problem = error.what();
  }
  return seen;
}

/// The same of the beginning of a text, up to where an object ends: the parser wants that.
SeenLists look_at_beginning(std::string head) {
  SeenLists seen;
  constexpr int kTries = 8;  // a brace may stand in a string
  for (int i = 0; i < kTries && !seen.is_object; ++i) {
    const size_t brace = head.rfind('}');
    if (brace == std::string::npos) return seen;
    head.resize(brace + 1);
    const simdjson::padded_string padded(head);
    seen = look_at(padded);
    head.pop_back();
  }
  return seen;
}

CocoGlance glance_of(SeenLists seen) {
  CocoGlance result{.images = std::move(seen.names), .problem = std::move(seen.problem)};
  if (!seen.is_object) return result;
  const bool any = seen.images || seen.annotations || seen.categories;
  result.is_instances = any && seen.has_objects;
  if (any && !seen.has_objects)
    result.lacks = "its annotations have neither category_id nor bbox";
  else if (any && !(seen.images && seen.annotations && seen.categories))
    result.lacks = fmt::format("it has no list \"{}\"", !seen.images        ? "images"
                                                        : !seen.annotations ? "annotations"
                                                                            : "categories");
  return result;
}

}  // namespace

CocoGlance glance(const fs::path& file) {
  std::error_code unknown;
  const auto size = fs::file_size(file, unknown);
  if (!unknown && size > kHead) {
    const auto seen = look_at_beginning(without_byte_order_mark(read_head(file, kHead)));
    const bool tells =
        (seen.annotations && !seen.has_objects) || (seen.images && (seen.annotations || seen.categories));
    if (seen.is_object && tells && !seen.names.empty()) {
      auto result = glance_of(seen);
      result.lacks.clear();  // further lists may follow
      result.problem.clear();
      return result;
    }
  }
  const auto bytes = load_json(file);
  return glance_of(look_at(json_view(bytes)));
}

}  // namespace rcnn::data
