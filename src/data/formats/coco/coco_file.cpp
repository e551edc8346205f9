#include <algorithm>
#include <set>
#include <unordered_set>
#include <utility>

#include <spdlog/fmt/ranges.h>

#include <rcnn/data/formats/coco/coco_file.h>

#include "data/formats/coco/coco_classes.h"
#include "data/formats/coco/coco_ids.h"
#include "data/formats/coco/coco_outline.h"
#include "data/formats/coco/json_fields.h"
#include "data/formats/coco/json_file.h"
#include "data/formats/erase_places.h"

namespace rcnn::data {
namespace {

/// Takes over fields that nothing here depends on.
class OtherFields {
 public:
  explicit OtherFields(bool wanted) : wanted_(wanted) {}

  /// The JSON of a value; nothing where it is none, which is said.
  std::string raw(std::string_view key, json::value value, const JsonEntry& entry) {
    std::string_view text = value.raw_json_token();
    const bool is_scalar = !text.starts_with('[') && !text.starts_with('{');
    text = is_scalar ? trimmed(text) : simdjson::to_json_string(value).value();
    const bool integer = whole_number_token(text);  // of any length
    if (!integer && parser_.parse(text.data(), text.size(), false).error() != simdjson::SUCCESS) {
      entry.bad_value(Wrong("a value is no JSON", fmt::format(".{}", key)));
      return "";
    }
    return std::string(text);
  }

  void add(std::string_view key, json::value value, JsonFields& fields, const JsonEntry& entry) {
    if (auto text = raw(key, value, entry); !text.empty()) fields.emplace_back(key, std::move(text));
  }

  /// For read_fields().
  auto into(JsonFields& fields, const JsonEntry& entry) {
    return [this, &fields, &entry](std::string_view key, json::value value) {
      if (wanted_) add(key, value, fields, entry);
    };
  }

  /// Nobody knows which of two fields with one key counts.
  static void drop_repeated(JsonFields& fields, const JsonEntry& entry) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : fields) keys.push_back(key);
    std::ranges::sort(keys);
    for (auto key = keys.begin(); (key = std::adjacent_find(key, keys.end())) != keys.end();) {
      const std::string twice = *key;
      entry.bad_value(Wrong("a key is there twice", fmt::format(".{}", twice)));
      std::erase_if(fields, [&](const auto& field) { return field.first == twice; });
      key = std::upper_bound(key, keys.end(), twice);
    }
  }

 private:
  static bool whole_number_token(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    return !text.empty() && (text == "0" || text.front() != '0') &&
           text.find_first_not_of("0123456789") == std::string_view::npos;
  }

  bool wanted_;
  simdjson::dom::parser parser_;
};

/// The name of an image's file where there is no file_name, from the first of these keys.
class OtherNames {
 public:
  void take(std::string_view key, json::value value) {
    const auto rank = std::ranges::find(kKeys, key) - kKeys.begin();
    std::string_view text;
    if (rank >= rank_ || value.get(text) != simdjson::SUCCESS || text.empty()) return;
    name_ = text;
    rank_ = rank;
  }

  /// Throws Wrong where there is none.
  std::string name(const JsonEntry& entry, Problems& problems) const {
    if (name_.empty()) throw Wrong("has no file_name");
    std::string_view name = name_;
    const bool is_url = kKeys[static_cast<size_t>(rank_)].ends_with("url");
    if (is_url) name = name.substr(0, name.find_first_of("?#"));
    if (is_url || name.starts_with('/')) name = name.substr(name.find_last_of('/') + 1);
    if (name.empty()) throw Wrong("has no file_name", fmt::format(" ({})", name_));
    problems.warn("an image without a file_name gets that of another key",
                  entry.where(fmt::format(" ({} from {})", name, kKeys[static_cast<size_t>(rank_)])));
    return std::string(name);
  }

 private:
  static constexpr std::array<std::string_view, 4> kKeys = {"path", "filename", "coco_url", "flickr_url"};
  std::string name_;
  std::ptrdiff_t rank_ = std::ssize(kKeys);
};

class CocoFileReader {
 public:
  CocoFileReader(const CocoFileOptions& options, Problems& problems)
      : options_(options), problems_(problems), other_fields_(options.with_details) {}

  CocoFile read(json::document& document) {
    json::object top;
    if (document.get_object().get(top) != simdjson::SUCCESS) {
      throw Wrong(
          "is no instances file: {\"images\": ..., \"annotations\": ..., \"categories\": ...} is expected");
    }
    std::set<std::string> missing = {"images", "annotations", "categories"};
    const auto list = [&](const char* key, auto read_list) {
      return [this, &missing, key, read_list](json::value value) {
        missing.erase(key);
        (this->*read_list)(value);
      };
    };
    const auto images = list("images", &CocoFileReader::read_images);
    const auto annotations = list("annotations", &CocoFileReader::read_annotations);
    const auto categories = list("categories", &CocoFileReader::read_categories);
    const JsonEntry entry("the file", problems_, options_.bad_values);
    read_fields(top, entry, other_fields_.into(file_.fields, entry), optional("images", images),
                optional("annotations", annotations), optional("categories", categories));
    OtherFields::drop_repeated(file_.fields, entry);
    for (const auto& key : missing) problems_.error("a list is missing", key);
    settle_ids();
    leave_out_bad_images();
    choose_classes(file_, supercategories_, options_.unique_names, problems_);
    return std::move(file_);
  }

 private:
  /// An id in an annotation that is not the number of what it refers to.
  struct Reference {
    size_t annotation;
    std::string text, where;
  };

  template <class Read>
  void read_list(json::value list, std::string_view name, Read read) {
    for_each(list, name, problems_, options_.bad_values, read);
  }

  void read_images(json::value list) {
    read_list(list, "images", [&](json::object object, const JsonEntry& entry) {
      CocoImage image;
      JsonId id;
      JsonFields others;
      OtherNames names;
      const auto keep = other_fields_.into(others, entry);
      const auto other = [&](std::string_view key, json::value value) {
        keep(key, value);
        if (image.file_name.empty()) names.take(key, value);
      };
      read_fields(object, entry, other, required("id", id), optional("file_name", image.file_name),
                  harmless("height", image.size.height), harmless("width", image.size.width));
      if (image.file_name.empty()) image.file_name = names.name(entry, problems_);
      image.id = image_ids_.add(id, file_.images.size(), entry);
      file_.images.push_back(std::move(image));
      if (!options_.with_details) return;
      OtherFields::drop_repeated(others, entry);
      file_.image_fields.push_back(std::move(others));
    });
  }

  void read_annotations(json::value list) {
    read_list(list, "annotations",
              [&](json::object object, const JsonEntry& entry) { read_annotation(object, entry); });
  }

  void read_annotation(json::object object, const JsonEntry& entry) {
    CocoAnnotation annotation;
    CocoDetails details;
    JsonId id, image, category;
    JsonBox box;
    std::optional<double> area;
    const auto take_outline = [&](json::value value) {
      const std::string_view token = value.raw_json_token();
      if (options_.with_details && (token.starts_with('[') || token.starts_with('{')))
        details.segmentation = other_fields_.raw("segmentation", value, entry);
    };
    const auto take_attributes = [&](json::value value) {
      if (options_.with_details) read_attributes(value, details, entry);
    };
    try {
      read_fields(object, entry, other_fields_.into(details.others, entry), optional("id", id),
                  required("image_id", image), required("category_id", category), optional("bbox", box),
                  harmless("area", area), optional("iscrowd", annotation.crowd),
                  optional("segmentation", take_outline), optional("attributes", take_attributes));
    } catch (const Wrong& wrong) {
      if (image.kind == JsonId::Kind::absent) throw;
      entry.bad(options_.bad_images, "bad_images", wrong);
      if (options_.bad_images == Policy::skip) bad_images_.push_back(std::move(image));
      return;
    }
    try {
      const auto sides = box_or_outline(box, object, entry, problems_);
      if (!sides) throw Wrong("an annotation has neither a bbox nor an outline");
      annotation.box = *sides;
    } catch (const Wrong& wrong) {
      entry.bad(options_.bad_boxes, "bad_boxes", wrong);
      return;
    }
    annotation.area = area.value_or(annotation.box[2] * annotation.box[3]);
    const size_t place = file_.annotations.size();
    annotation.id = annotation_ids_.add(id, place, entry);
    annotation.image_id = image.number;
    annotation.category_id = category.number;
    if (image.kind == JsonId::Kind::text)
      image_references_.push_back({place, std::move(image.text), entry.where()});
    if (category.kind == JsonId::Kind::text)
      category_references_.push_back({place, std::move(category.text), entry.where()});
    file_.annotations.push_back(annotation);
    if (!options_.with_details) return;
    OtherFields::drop_repeated(details.attributes, entry);
    OtherFields::drop_repeated(details.others, entry);
    file_.details.push_back(std::move(details));
  }

  /// Of an object as it is; a list, which other formats do not have, stays what it is.
  void read_attributes(json::value value, CocoDetails& details, const JsonEntry& entry) {
    json::object object;
    if (value.get(object) != simdjson::SUCCESS) {
      if (!is_null(value)) other_fields_.add("attributes", value, details.others, entry);
      return;
    }
    for (auto field : object) {
      const std::string_view key = field.unescaped_key();
      other_fields_.add(key, field.value().value(), details.attributes, entry);
    }
  }

  void read_categories(json::value list) {
    read_list(list, "categories", [&](json::object object, const JsonEntry& entry) {
      Category category;
      JsonId id;
      JsonFields others;
      std::string supercategory;
      const auto keep = other_fields_.into(others, entry);
      const auto other = [&](std::string_view key, json::value value) {
        std::string_view text;
        if (key == "supercategory" && value.get(text) == simdjson::SUCCESS) supercategory = text;
        keep(key, value);
      };
      read_fields(object, entry, other, required("id", id), required("name", category.name));
      category.id = category_ids_.add(id, file_.categories.size(), entry);
      file_.categories.push_back(std::move(category));
      supercategories_.push_back(std::move(supercategory));
      if (!options_.with_details) return;
      OtherFields::drop_repeated(others, entry);
      file_.category_fields.push_back(std::move(others));
    });
  }

  void settle_ids() {
    image_ids_.settle(problems_, [&](size_t place, int64_t id, const std::string& text) {
      file_.images[place].id = id;
      file_.images[place].name = text;
    });
    category_ids_.settle(
        problems_, [&](size_t place, int64_t id, const std::string&) { file_.categories[place].id = id; });
    annotation_ids_.settle(
        problems_, [&](size_t place, int64_t id, const std::string&) { file_.annotations[place].id = id; });
    for (auto& annotation : file_.annotations) {
      if (image_ids_.names().empty() && category_ids_.names().empty()) break;
      annotation.image_id = image_ids_.find(annotation.image_id);
      annotation.category_id = category_ids_.find(annotation.category_id);
    }
    settle(image_references_, image_ids_, "image_id", &CocoAnnotation::image_id);
    settle(category_references_, category_ids_, "category_id", &CocoAnnotation::category_id);
    erase_annotations([&](size_t place) { return lost_.contains(place); });
    file_.text_ids = {.images = image_ids_.names(), .categories = category_ids_.names()};
  }

  void settle(const std::vector<Reference>& references, const CocoIds& ids, std::string_view key,
              int64_t CocoAnnotation::*id) {
    for (const auto& [place, text, where] : references) {
      const auto shown = fmt::format("{}.{} (\"{}\")", where, key, text);
      const auto number = ids.find(text);
      if (!number) {
        problems_.error(fmt::format("{} is a text that is no id in the list of these", key), shown);
        lost_.insert(place);
      } else {
        file_.annotations[place].*id = *number;
        if (!ids.names().contains(text)) problems_.warn(kQuotedNumber, shown);
      }
    }
  }

  /// With all their annotations: one of them cannot be understood.
  void leave_out_bad_images() {
    std::unordered_set<int64_t> bad;
    for (const auto& image : bad_images_) {
      const bool is_text = image.kind == JsonId::Kind::text;
      if (const auto id = is_text ? image_ids_.find(image.text) : image_ids_.find(image.number))
        bad.insert(*id);
    }
    if (bad.empty()) return;
    erase_annotations([&](size_t place) { return bad.contains(file_.annotations[place].image_id); });
    erase_places(file_.images, file_.image_fields,
                 [&](size_t place) { return bad.contains(file_.images[place].id); });
  }

  template <class Which>
  void erase_annotations(Which which) {
    erase_places(file_.annotations, file_.details, which);
  }

  const CocoFileOptions& options_;
  Problems& problems_;
  OtherFields other_fields_;
  CocoFile file_;
  CocoIds image_ids_, annotation_ids_, category_ids_;
  std::vector<Reference> image_references_, category_references_;
  std::set<size_t> lost_;  // annotations without an image or a class
  std::vector<JsonId> bad_images_;
  std::vector<std::string> supercategories_;  // of categories
};

}  // namespace

CocoFile read_coco_file(const std::filesystem::path& file, Problems& problems,
                        const CocoFileOptions& options) {
  return read_json(
      file, [&](json::document& document) { return CocoFileReader(options, problems).read(document); });
}

CocoFile read_coco_file(const std::filesystem::path& file) {
  Problems problems;
  auto content = read_coco_file(file, problems, {.unique_names = false});
  problems.settle(file.string());
  return content;
}

}  // namespace rcnn::data
