#include <unordered_map>

#include <rcnn/data/formats/coco_file.h>

#include "data/formats/json_fields.h"
#include "data/formats/list_windows.h"

namespace rcnn::data {
namespace {

constexpr size_t kWindow = size_t{1} << 18;  // with what the parser makes of it, it stays in a core's cache
constexpr size_t kLeastEntry = 60;           // bytes of an entry in a file

/// The names of results, each once.
class Names {
 public:
  /// That of the next result, empty without one.
  void add(std::string_view name) {
    if (!name.empty()) {
      names_.of_results.resize(count_, CocoResultNames::kNone);
      names_.of_results.push_back(place_of(name));
    }
    ++count_;
  }

  CocoResultNames take() {
    if (!names_.of_results.empty()) names_.of_results.resize(count_, CocoResultNames::kNone);
    return std::move(names_);
  }

 private:
  /// Results of one image stand together in most lists, so that the last name is looked at first.
  int32_t place_of(std::string_view name) {
    if (names_.names.empty() || names_.names[static_cast<size_t>(last_)] != name) {
      const auto [entry, is_new] = places_.emplace(name, static_cast<int32_t>(names_.names.size()));
      if (is_new) names_.names.emplace_back(name);
      last_ = entry->second;
    }
    return last_;
  }

  CocoResultNames names_;
  std::unordered_map<std::string, int32_t> places_;
  int32_t last_ = 0;
  size_t count_ = 0;  // of results
};

class CocoResultsReader {
 public:
  /// For a file of so many bytes. Memory that is never written to is not taken.
  void reserve(size_t bytes) { list_.results.reserve(bytes / kLeastEntry); }

  bool empty() const { return list_.results.empty(); }

  void read(json::object object) {
    CocoResult result;
    std::string_view image, category;
    read_fields(object, required("image_id", result.image_id), required("category_id", result.category_id),
                required("bbox", result.box), required("score", result.score), optional("file_name", image),
                optional("category_name", category));
    list_.results.push_back(result);
    images_.add(image);
    categories_.add(category);
  }

  CocoResultList take() {
    list_.images = images_.take();
    list_.categories = categories_.take();
    return std::move(list_);
  }

 private:
  CocoResultList list_;
  Names images_, categories_;
};

/// Nothing where something is odd.
std::optional<CocoResultList> read_good_list(const std::filesystem::path& file) {
  CocoResultsReader reader;
  std::error_code unknown;
  const auto size = std::filesystem::file_size(file, unknown);
  const auto read = [&](json::object object) {
    if (reader.empty() && !unknown) reader.reserve(size);
    reader.read(object);
  };
  try {
    if (read_in_windows(file, kWindow, read)) return reader.take();
  } catch (const Wrong&) {  // which entry it is, the whole text tells
  }
  return std::nullopt;
}

}  // namespace

CocoResultList read_coco_results(const std::filesystem::path& file) {
  check_json_start(file);  // what is no list would be read whole in search of one
  if (auto list = read_good_list(file)) return std::move(*list);
  Problems problems;
  auto list = read_json(file, [&](json::document& document) {
    json::array entries;
    if (document.get_array().get(entries) != simdjson::SUCCESS) {
      throw Wrong(
          "is no list of results: [{\"image_id\", \"category_id\", \"bbox\", \"score\"}, ...] is expected");
    }
    CocoResultsReader reader;
    for_each(entries, "", problems, [&](json::object object) { reader.read(object); });
    return reader.take();
  });
  problems.settle(file.string());
  return list;
}

}  // namespace rcnn::data
