#include <limits>
#include <unordered_map>

#include <rcnn/data/formats/coco/coco_file.h>

#include "data/formats/coco/coco_outline.h"
#include "data/formats/coco/json_fields.h"
#include "data/formats/coco/json_file.h"
#include "data/formats/coco/list_windows.h"

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

/// What the results call images or categories by texts.
class TextIds {
 public:
  explicit TextIds(const std::unordered_map<std::string, int64_t>& known) : known_(known) {}

  /// The number of an id; for a text that stands for none one that no other has, and `name` is the text
  /// then, unless there is a better name.
  int64_t number(const JsonId& id, std::string_view& name, std::string_view key, const JsonEntry& entry,
                 Problems& problems) {
    if (id.kind == JsonId::Kind::number) return id.number;
    if (const auto found = known_.find(id.text); found != known_.end()) return found->second;
    const auto where = entry.where(fmt::format(".{} (\"{}\")", key, id.text));
    if (const auto number = whole_number(trimmed(id.text))) {
      problems.warn(kQuotedNumber, where);
      return *number;
    }
    problems.warn("an id is a text, and taken for a name", where);
    if (name.empty()) name = id.text;
    const auto unlike_others = std::numeric_limits<int64_t>::min() + std::ssize(unknown_);
    return unknown_.emplace(id.text, unlike_others).first->second;
  }

 private:
  const std::unordered_map<std::string, int64_t>& known_;
  std::unordered_map<std::string, int64_t> unknown_;
};

class CocoResultsReader {
 public:
  CocoResultsReader(const CocoTextIds& known, Problems& problems)
      : problems_(problems), image_ids_(known.images), category_ids_(known.categories) {}

  /// For a file of so many bytes. Memory that is never written to is not taken.
  void reserve(size_t bytes) { list_.results.reserve(bytes / kLeastEntry); }

  bool empty() const { return list_.results.empty(); }

  void read(json::object object, const JsonEntry& entry) {
    CocoResult result;
    JsonId image_id, category_id;
    JsonBox box;
    std::string_view image, category;
    read_fields(object, entry, required("image_id", image_id), required("category_id", category_id),
                optional("bbox", box), required("score", result.score), optional("file_name", image),
                optional("category_name", category));
    result.box = box_of(box, object, entry);
    result.image_id = image_ids_.number(image_id, image, "image_id", entry, problems_);
    result.category_id = category_ids_.number(category_id, category, "category_id", entry, problems_);
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
  std::array<double, 4> box_of(const JsonBox& box, json::object object, const JsonEntry& entry) {
    if (const auto sides = box_or_outline(box, object, entry, problems_)) return *sides;
    throw Wrong("has no bbox");
  }

  Problems& problems_;
  TextIds image_ids_, category_ids_;
  CocoResultList list_;
  Names images_, categories_;
};

/// Nothing where something is odd.
std::optional<CocoResultList> read_good_list(const std::filesystem::path& file, const CocoTextIds& known) {
  Problems odd;
  CocoResultsReader reader(known, odd);
  const JsonEntry entry("", odd, Policy::stop);
  std::error_code unknown;
  const auto size = std::filesystem::file_size(file, unknown);
  const auto read = [&](json::object object) {
    if (reader.empty() && !unknown) reader.reserve(size);
    reader.read(object, entry);
    if (!odd.kinds().empty()) throw Wrong("in another form");
  };
  try {
    if (read_in_windows(file, kWindow, read)) return reader.take();
  } catch (const Wrong&) {  // which entry it is, the whole text tells
  }
  return std::nullopt;
}

}  // namespace

CocoResultList read_coco_results(const std::filesystem::path& file, const CocoTextIds& known) {
  check_json_start(file);  // what is no list would be read whole in search of one
  if (auto list = read_good_list(file, known)) return std::move(*list);
  Problems problems;
  auto list = read_json(file, [&](json::document& document) {
    json::value entries;
    if (document.type().value() != json::json_type::array ||
        document.get_value().get(entries) != simdjson::SUCCESS) {
      throw Wrong(
          "is no list of results: [{\"image_id\", \"category_id\", \"bbox\", \"score\"}, ...] is expected");
    }
    CocoResultsReader reader(known, problems);
    for_each(entries, "", problems, Policy::stop,
             [&](json::object object, const JsonEntry& entry) { reader.read(object, entry); });
    return reader.take();
  });
  problems.settle(file.string());
  return list;
}

}  // namespace rcnn::data
