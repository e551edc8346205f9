#include "data/formats/via/via_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include <spdlog/fmt/ranges.h>

#include <rcnn/error.h>

#include "data/formats/json_value.h"
#include "data/formats/micropixel.h"
#include "data/paths.h"

namespace rcnn::data {
namespace {

/// The attribute that is the class: see read_via_file(); none where regions have no attributes.
std::optional<std::string> class_attribute(const std::set<std::string>& attributes, const std::string& file) {
  // Those that can mean nothing else, and those that are also used for other things.
  static constexpr std::array<std::string_view, 3> kSure = {"class", "label", "category"};
  static constexpr std::array<std::string_view, 3> kUsual = {"name", "type", "object"};
  for (const auto& words : {kSure, kUsual}) {
    std::vector<std::string> found;
    std::ranges::copy_if(attributes, std::back_inserter(found), [&](const std::string& attribute) {
      return std::ranges::find(words, lower(attribute)) != words.end();
    });
    if (found.size() == 1) return found.front();
    if (found.size() > 1) break;
  }
  if (attributes.empty()) return std::nullopt;
  if (attributes.size() == 1) return *attributes.begin();
  throw DataError(
      fmt::format("{}: it is not clear which attribute of the regions is their class: {}; call that one "
                  "\"class\" in VIA (Attributes), or remove the others",
                  file, fmt::join(attributes, ", ")));
}

/// The entries of a list, or of an object as VIA 1 has it ({"0": ..., "1": ...}), by their numbers there.
std::vector<std::pair<std::string, const Json*>> entries_of(const Json& list) {
  std::vector<std::pair<std::string, const Json*>> entries;
  if (list.is_array()) {
    for (const auto& entry : list) entries.emplace_back("", &entry);
  } else {
    for (const auto& [key, entry] : list.items()) entries.emplace_back(key, &entry);
    std::ranges::stable_sort(entries, [](const auto& a, const auto& b) {
      const auto first = number<int64_t>(a.first), second = number<int64_t>(b.first);
      return first && second ? *first < *second : first.has_value() && !second.has_value();
    });
  }
  return entries;
}

/// Of an address the last part, without a query.
std::string name_of_image(std::string name) {
  if (name.find("://") == std::string::npos) return name;
  name = name.substr(0, name.find_first_of("?#"));
  return name.substr(name.rfind('/') + 1);
}

std::string json_of_value(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

class ViaReader {
 public:
  ViaReader(const std::string& file, const DataOptions& options, bool with_details, Problems& problems)
      : file_(file), options_(options), with_details_(with_details), problems_(problems) {}

  std::vector<ViaImage> read(const Json& document) {
    const auto& images =
        document.contains("_via_img_metadata") ? value_at(document, "_via_img_metadata") : document;
    if (!images.is_object() && !images.is_array())
      throw DataError(
          fmt::format("{}: _via_img_metadata must hold the images, not {}", file_, shown(images)));
    class_ = class_attribute(attributes_of(images), file_);
    if (!class_ && options_.classes.size() == 1) only_class_ = options_.classes.front();
    std::vector<ViaImage> result;
    for (const auto& [key, image] : entries_of(images)) {
      if (key.starts_with("_via_")) continue;
      try {
        result.push_back(read_image(key, *image));
      } catch (const BadEntry& entry) {
        problems_.error(entry.what(), entry.at(fmt::format("{}: {}", file_, key)));
      }
    }
    return result;
  }

 private:
  static std::set<std::string> attributes_of(const Json& images) {
    std::set<std::string> names;
    for (const auto& [key, image] : entries_of(images)) {
      if (!image->is_object() || key.starts_with("_via_")) continue;
      const auto& regions = value_at(*image, "regions");
      if (!regions.is_structured()) continue;
      for (const auto& region : regions) {
        const auto& attributes = value_at(region, "region_attributes");
        if (!attributes.is_object()) continue;
        for (const auto& [name, value] : attributes.items()) names.insert(name);
      }
    }
    return names;
  }

  ViaImage read_image(const std::string& key, const Json& image) {
    if (!image.is_object()) throw BadEntry("an image must be an object", shown(image));
    const auto here = [&] { return fmt::format("{}: {}", file_, key); };
    const auto& name = value_at(image, "filename");
    ViaImage result;
    if (!name.is_null()) result.file_name = name_of_image(text_of(name, "filename", here, problems_));
    if (result.file_name.empty()) throw BadEntry("an image has no filename", shown(name));
    const auto& attributes = value_at(image, "file_attributes");
    if (with_details_ && attributes.is_object() && !attributes.empty())
      result.attributes = json_of_value(attributes);
    const auto& regions = value_at(image, "regions");
    if (regions.is_null()) return result;
    if (!regions.is_structured()) throw BadEntry("regions must be a list", shown(regions));
    int32_t position = 0;
    for (const auto& [number, region] : entries_of(regions)) {
      ++position;
      const auto where = [&] { return fmt::format("{}: {} region {}", file_, result.file_name, position); };
      try {
        if (auto read = read_region(*region, where)) {
          read->annotation.position = position;
          result.regions.push_back(std::move(*read));
        }
      } catch (const BadEntry& entry) {
        tell(entry, where(), options_.bad_boxes, problems_);
      }
    }
    return result;
  }

  template <class Where>
  std::optional<ViaRegion> read_region(const Json& region, Where where) {
    if (!region.is_object()) throw BadEntry("a region must be an object", shown(region));
    const auto& shape = value_at(region, "shape_attributes");
    if (!shape.is_object()) throw BadEntry("a region has no shape_attributes", shown(shape));
    ViaRegion result;
    if (!read_shape(shape, where, result)) return std::nullopt;
    const auto& attributes = value_at(region, "region_attributes");
    result.class_name = class_of(attributes, where);
    if (with_details_ && attributes.is_object()) {
      for (const auto& [key, value] : attributes.items()) {
        if (key != class_) result.details.attributes.emplace_back(key, json_of_value(value));
      }
    }
    return result;
  }

  template <class Where>
  std::string class_of(const Json& attributes, Where where) {
    if (only_class_) return *only_class_;
    if (!class_) {
      throw BadEntry(
          "a region has no class: the regions have no attribute; add the attribute \"class\" in VIA, "
          "or name the one class that all are of (data.classes, --classes)");
    }
    const auto& value = attributes.is_object() ? value_at(attributes, class_->c_str()) : Json();
    std::string name;
    if (value.is_object()) {  // a checkbox: those that are ticked
      std::vector<std::string> ticked;
      for (const auto& [option, tick] : value.items()) {
        if (tick == true || tick == 1 || tick == "true") ticked.push_back(option);
      }
      if (ticked.size() > 1)
        throw NoClass("a region has several classes; leave one",
                      fmt::format("{}: {}", *class_, shown(value)));
      if (!ticked.empty()) name = ticked.front();
    } else if (!value.is_null()) {
      name = text_of(value, *class_, where, problems_);
    }
    if (name.empty()) {
      throw NoClass("a region has no class; give it one in VIA, or remove it",
                    fmt::format("{}: {}", *class_, shown(value)));
    }
    return name;
  }

  /// Whether it has an area.
  template <class Where>
  bool read_shape(const Json& shape, Where where, ViaRegion& region) {
    const auto number = [&](const char* key) {
      return pixels_of(value_at(shape, key), key, where, problems_);
    };
    const auto& kind = value_at(shape, "name");
    if (kind == "rect") {
      set_box(region.annotation, number("x"), number("y"), number("width"), number("height"));
    } else if (kind == "circle") {
      const double radius = number("r");
      set_around(region.annotation, number("cx"), number("cy"), radius, radius);
    } else if (kind == "ellipse") {
      const double rx = number("rx"), ry = number("ry");
      const double angle = value_at(shape, "theta").is_null() ? 0 : number("theta");  // in radians
      const double cosine = std::cos(angle), sine = std::sin(angle);
      set_around(region.annotation, number("cx"), number("cy"), std::hypot(rx * cosine, ry * sine),
                 std::hypot(rx * sine, ry * cosine));
    } else if (kind == "polygon") {
      read_polygon(shape, where, region);
    } else if (kind == "point" || kind == "polyline") {
      problems_.warn("points and polylines have no area, and are left out",
                     fmt::format("{} ({})", where(), shown(kind)));
      return false;
    } else {
      throw BadEntry("a shape is none that VIA has", fmt::format("name: {}", shown(kind)));
    }
    if (with_details_ && (kind == "circle" || kind == "ellipse"))
      problems_.warn("of circles and ellipses the boxes are kept alone", where());
    return true;
  }

  static void set_around(CocoAnnotation& annotation, double x, double y, double rx, double ry) {
    set_box(annotation, x - rx, y - ry, 2 * rx, 2 * ry);
  }

  template <class Where>
  void read_polygon(const Json& shape, Where where, ViaRegion& region) {
    const auto &xs = value_at(shape, "all_points_x"), &ys = value_at(shape, "all_points_y");
    if (!xs.is_array() || !ys.is_array() || xs.size() != ys.size() || xs.size() < 3)
      throw BadEntry("a polygon needs as many all_points_x as all_points_y, three or more",
                     fmt::format("{}, {}", shown(xs), shown(ys)));
    double x1 = HUGE_VAL, y1 = HUGE_VAL, x2 = -HUGE_VAL, y2 = -HUGE_VAL;
    auto outline = Json::array();
    for (size_t i = 0; i < xs.size(); ++i) {
      const double x = pixels_of(xs[i], "all_points_x", where, problems_);
      const double y = pixels_of(ys[i], "all_points_y", where, problems_);
      x1 = std::min(x1, x);
      y1 = std::min(y1, y);
      x2 = std::max(x2, x);
      y2 = std::max(y2, y);
      if (!with_details_) continue;
      outline.push_back(xs[i].is_number() ? xs[i] : Json(x));
      outline.push_back(ys[i].is_number() ? ys[i] : Json(y));
    }
    set_box(region.annotation, x1, y1, x2 - x1, y2 - y1);
    if (with_details_) region.details.segmentation = "[" + json_of_value(outline) + "]";
  }

  const std::string& file_;
  const DataOptions& options_;
  const bool with_details_;
  Problems& problems_;
  std::optional<std::string> class_;       // the attribute
  std::optional<std::string> only_class_;  // of all regions, where they have no attribute
};

/// A project of version 3 has lists of its own for files, views and metadata.
bool is_via3(std::string_view head) {
  const auto keys = keys_at(head, 1);
  const auto has = [&](std::string_view key) { return std::ranges::find(keys, key) != keys.end(); };
  const auto inner = keys_at(head, 2);
  return has("project") && has("config") && std::ranges::find(inner, "data_format_version") != inner.end();
}

}  // namespace

bool is_via(std::string_view head) {
  const auto keys = keys_at(head, 1);
  if (std::ranges::any_of(keys, [](std::string_view key) { return key.starts_with("_via_"); })) return true;
  if (is_via3(head)) return true;
  const auto inner = keys_at(head, 2);
  const auto has = [&](std::string_view key) { return std::ranges::find(inner, key) != inner.end(); };
  return has("filename") && has("regions");
}

std::vector<ViaImage> read_via_file(const std::filesystem::path& file, const DataOptions& options,
                                    bool with_details, Problems& problems) {
  auto text = read_text(file, kLargestAnnotations);
  constexpr size_t kHead = 65536;
  if (is_via3(std::string_view(text).substr(0, kHead))) {
    throw DataError(fmt::format(
        "{}: is a project of VIA 3, which is not read; export it as COCO (VIA: Export), or use VIA 2",
        file.string()));
  }
  try {
    const auto document = parse_annotations(std::move(text));
    return ViaReader(file.filename().string(), options, with_details, problems).read(document);
  } catch (const JsonError& error) {
    throw DataError(fmt::format("{}: {}", file.string(), error.what()));
  }
}

}  // namespace rcnn::data
