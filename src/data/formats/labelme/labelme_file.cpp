#include "data/formats/labelme/labelme_file.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <optional>

#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>

#include "data/formats/json_value.h"
#include "data/formats/micropixel.h"
#include "data/paths.h"

namespace rcnn::data {
namespace {

constexpr size_t kLabelmeHead = 65536;

/// Takes the text out of "imageData", a picture of megabytes that is not needed; whether there was one.
bool take_out_picture(std::string& text) {
  constexpr std::string_view kKey = "\"imageData\"";
  for (size_t key = text.find(kKey); key != std::string::npos; key = text.find(kKey, key + 1)) {
    size_t begin = text.find_first_not_of(" \t\r\n", key + kKey.size());
    if (begin == std::string::npos || text[begin] != ':') continue;
    begin = text.find_first_not_of(" \t\r\n", begin + 1);
    if (begin == std::string::npos || text[begin] != '"') continue;
    const size_t end = text.find_first_of("\"\\", ++begin);
    if (end == std::string::npos || text[end] != '"' || end == begin) continue;
    text.erase(begin, end - begin);
    return true;
  }
  return false;
}

/// What LabelMe, and X-AnyLabeling, which has files of the same form, call their shapes.
struct ShapeType {
  std::string_view name;
  size_t points, or_points;  // how many it has
  enum { rectangle, outline, rotated, circle, mask, no_area } kind;
};
constexpr size_t kMany = std::numeric_limits<size_t>::max();  // or_points: as many, or more
constexpr std::array<ShapeType, 13> kShapeTypes = {{
    {"rectangle", 2, 4, ShapeType::rectangle},  // X-AnyLabeling has four corners since its version 2.2
    {"polygon", 3, kMany, ShapeType::outline},
    {"circle", 2, 2, ShapeType::circle},
    {"mask", 2, 2, ShapeType::mask},
    {"oriented_rectangle", 4, 4, ShapeType::rotated},
    {"rotation", 4, 4, ShapeType::rotated},
    {"quadrilateral", 4, 4, ShapeType::outline},
    {"cuboid", 8, kMany, ShapeType::rotated},
    {"line", 1, kMany, ShapeType::no_area},
    {"linestrip", 1, kMany, ShapeType::no_area},
    {"lines", 1, kMany, ShapeType::no_area},
    {"point", 1, kMany, ShapeType::no_area},
    {"points", 1, kMany, ShapeType::no_area},
}};

using Points = std::vector<std::array<double, 2>>;

/// x1, y1, x2, y2 around points.
std::array<double, 4> around(const Points& points) {
  auto [x1, y1] = points.front();
  double x2 = x1, y2 = y1;
  for (const auto& [x, y] : points) {
    x1 = std::min(x1, x);
    y1 = std::min(y1, y);
    x2 = std::max(x2, x);
    y2 = std::max(y2, y);
  }
  return {x1, y1, x2, y2};
}

std::array<double, 4> corners_of(const ShapeType& type, const Points& points) {
  if (type.kind == ShapeType::circle) {
    const auto [x, y] = points[0];
    const double radius = std::hypot(points[1][0] - x, points[1][1] - y);
    return {x - radius, y - radius, x + radius, y + radius};
  }
  auto corners = around(points);
  // A mask's points are its first and its last pixel (shapes_to_label: mask[y1 : y2 + 1, x1 : x2 + 1]).
  if (type.kind == ShapeType::mask) {
    corners[2] += 1;
    corners[3] += 1;
  }
  return corners;
}

bool is_upright(const Points& corners) {
  const auto [x1, y1, x2, y2] = around(corners);
  constexpr double kAlmost = 0.01;  // pixels
  return std::ranges::all_of(corners, [x1 = x1, y1 = y1, x2 = x2, y2 = y2](const auto& corner) {
    const auto [x, y] = corner;
    return std::min(x - x1, x2 - x) < kAlmost && std::min(y - y1, y2 - y) < kAlmost;
  });
}

class FileReader {
 public:
  FileReader(const std::string& name, const DataOptions& options, bool with_details, Problems& problems)
      : name_(name), options_(options), with_details_(with_details), problems_(problems) {}

  LabelmeFile read(const Json& file) {
    LabelmeFile result;
    const auto here = [this] { return name_; };
    harmless("imagePath", here, [&] {
      if (const auto& path = value_at(file, "imagePath"); !path.is_null())
        result.image_path = text_of(path, "imagePath", here, problems_);
    });
    harmless("imageHeight, imageWidth", here, [&] {
      const auto &height = value_at(file, "imageHeight"), &width = value_at(file, "imageWidth");
      if (height.is_null() || width.is_null()) return;
      const ImageSize size{.height = integer_of(height, "imageHeight", here, problems_),
                           .width = integer_of(width, "imageWidth", here, problems_)};
      if (size.height > 0 && size.width > 0) result.size = size;
    });
    const auto& flags = value_at(file, "flags");
    if (with_details_ && !flags.empty()) result.flags = dumped(flags);
    const auto& shapes = value_at(file, "shapes");
    if (!shapes.is_array()) {
      if (!shapes.is_null())
        problems_.error("shapes must be a list", fmt::format("{} ({})", name_, shown(shapes)));
      return result;
    }
    int32_t position = 0;
    for (const auto& shape : shapes) {
      ++position;
      const auto where = [&] { return fmt::format("{} shape {}", name_, position); };
      try {
        read_shape(shape, position, where, result.objects);
      } catch (const BadEntry& entry) {
        tell(entry, where(), options_.bad_boxes, problems_);
      }
    }
    for (auto& object : result.objects) {
      auto& attributes = object.details.attributes;
      const bool is_there =
          std::ranges::find(attributes, kLabelmeGroup, &JsonFields::value_type::first) != attributes.end();
      if (with_details_ && object.group && !is_there)
        attributes.emplace_back(kLabelmeGroup, std::to_string(*object.group));
    }
    return result;
  }

 private:
  template <class Where>
  void read_shape(const Json& shape, int32_t position, Where where, std::vector<LabelmeObject>& objects) {
    if (!shape.is_object()) throw BadEntry("a shape must be an object", shown(shape));
    const auto& type = type_of(shape);
    LabelmeObject object;
    object.label = label_of(shape, where);
    const auto points = points_of(shape, where);
    if (type.kind == ShapeType::no_area) {
      problems_.warn("lines and points have no area, and are left out",
                     fmt::format("{} ({})", where(), type.name));
      return;
    }
    const bool fits = points.size() == type.points || points.size() == type.or_points ||
                      (type.or_points == kMany && points.size() > type.points);
    if (!fits) {
      problems_.bad(options_.bad_boxes, "bad_boxes", "a shape has another number of points than its type",
                    fmt::format("{} ({} of {})", where(), type.name, points.size()));
      return;
    }
    const auto [x1, y1, x2, y2] = corners_of(type, points);
    object.annotation.position = position;
    set_box(object.annotation, micropixel(x1), micropixel(y1), x2 - x1, y2 - y1);
    const bool is_rotated = type.kind == ShapeType::rotated ||
                            (type.kind == ShapeType::rectangle && points.size() == 4 && !is_upright(points));
    if (is_rotated) {
      problems_.warn("rotated shapes are taken for the upright boxes around them",
                     fmt::format("{} ({})", where(), type.name));
    }
    if (with_details_ && (type.kind == ShapeType::outline || (is_rotated && points.size() == 4)))
      object.details.segmentation = "[" + dumped(flat(value_at(shape, "points"))) + "]";
    if (with_details_ && (type.kind == ShapeType::circle || type.kind == ShapeType::mask))
      problems_.warn("of circles and masks the boxes are kept alone", where());
    const auto group = group_of(shape, where);
    read_flags(shape, where, object);
    if (with_details_) read_attributes(shape, where, object.details.attributes);
    if (group && type.kind != ShapeType::rectangle) {
      const auto [first, is_new] = groups_.try_emplace({object.label, *group}, objects.size());
      if (!is_new) return join(object, objects[first->second], where);
    }
    object.group = group;
    objects.push_back(std::move(object));
  }

  static const ShapeType& type_of(const Json& shape) {
    const auto& value = value_at(shape, "shape_type");
    static constexpr std::string_view kOld = "polygon";  // files of before version 3.5 have no other
    const auto name = value.is_null() ? std::string(kOld) : value.is_string() ? value.get<std::string>() : "";
    const auto found = std::ranges::find(kShapeTypes, name, &ShapeType::name);
    if (found == kShapeTypes.end())
      throw BadEntry("shape_type is none that LabelMe has; make it a rectangle or a polygon", shown(value));
    return *found;
  }

  template <class Where>
  std::string label_of(const Json& shape, Where where) {
    const auto& value = value_at(shape, "label");
    auto label = value.is_null() ? std::string() : text_of(value, "label", where, problems_);
    if (label.empty()) throw NoClass("a shape has no label; give it one or remove the shape", shown(value));
    return label;
  }

  template <class Where>
  Points points_of(const Json& shape, Where where) {
    const auto& list = value_at(shape, "points");
    if (!list.is_array() || list.empty()) throw BadEntry("points must be a list of [x, y]", shown(list));
    Points points;
    points.reserve(list.size());
    for (const auto& point : list) {
      if (!point.is_array() || point.size() != 2)
        throw BadEntry("points must be a list of [x, y]", shown(point));
      points.push_back(
          {pixels_of(point[0], "points", where, problems_), pixels_of(point[1], "points", where, problems_)});
    }
    return points;
  }

  template <class Where>
  std::optional<int64_t> group_of(const Json& shape, Where where) {
    std::optional<int64_t> group;
    harmless(kLabelmeGroup, where, [&] {
      if (const auto& value = value_at(shape, kLabelmeGroup); !value.is_null())
        group = integer_of(value, kLabelmeGroup, where, problems_);
    });
    return group;
  }

  /// Truth values of an object. `difficult` is X-AnyLabeling's, which writes it into files of Pascal VOC.
  template <class Where>
  void read_flags(const Json& shape, Where where, LabelmeObject& object) {
    harmless("flags", where, [&] {
      const auto& flags = value_at(shape, "flags");
      if (flags.is_null()) return;
      if (!flags.is_object()) throw BadEntry("flags must be an object", shown(flags));
      for (const auto& [key, value] : flags.items()) {
        if (key == kLabelmeCrowd) {
          object.annotation.crowd |= truth_of(value, key);
        } else if (with_details_) {
          object.details.attributes.emplace_back(key, dumped(value));
        }
      }
    });
    harmless("difficult", where, [&] {
      if (const auto& value = value_at(shape, "difficult"); !value.is_null())
        object.annotation.crowd |= truth_of(value, "difficult");
    });
  }

  static bool truth_of(const Json& value, std::string_view key) {
    if (value.is_boolean()) return value.get<bool>();
    if (value == 0 || value == 1) return value == 1;
    throw BadEntry(fmt::format("{} must be true or false", key), shown(value));
  }

  template <class Where>
  void read_attributes(const Json& shape, Where where, JsonFields& attributes) {
    for (const auto& [key, value] : shape.items()) {
      if (value.is_null() || key == "label" || key == "points" || key == "shape_type" || key == "flags" ||
          key == "mask" || key == kLabelmeGroup) {
        continue;
      }
      if (key == kLabelmeAttributes && value.is_object()) {
        for (const auto& [name, content] : value.items()) attributes.emplace_back(name, dumped(content));
      } else if (!value.empty() && value != "") {
        attributes.emplace_back(key, dumped(value));  // description; score, difficult, direction
      }
    }
    std::ranges::stable_sort(attributes, {}, &JsonFields::value_type::first);
    const auto again = std::ranges::adjacent_find(attributes, {}, &JsonFields::value_type::first);
    if (again == attributes.end()) return;
    problems_.warn("an attribute is there twice; that of the flags is kept",
                   fmt::format("{} ({})", where(), again->first));
    const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
    attributes.erase(std::unique(attributes.begin(), attributes.end(), same), attributes.end());
  }

  /// Adds a further shape of its group to an object.
  template <class Where>
  void join(const LabelmeObject& shape, LabelmeObject& object, Where where) {
    problems_.warn("shapes of one label and group_id are one object, as for labelme2coco", where());
    auto& details = object.details;
    if (!shape.details.segmentation.empty()) {
      const auto more = shape.details.segmentation.substr(1);
      details.segmentation =
          details.segmentation.empty()
              ? '[' + more
              : details.segmentation.substr(0, details.segmentation.size() - 1) + ", " + more;
    }
    object.group.reset();  // it has done its work, and is no attribute
    if (shape.details.attributes != details.attributes)
      problems_.warn("shapes of one object have different attributes; those of the first are kept", where());
    const auto [x, y, width, height] = object.annotation.box;
    const auto [x2, y2, width2, height2] = shape.annotation.box;
    const auto [left, top, right, bottom] =
        around({{x, y}, {x + width, y + height}, {x2, y2}, {x2 + width2, y2 + height2}});
    set_box(object.annotation, left, top, right - left, bottom - top);
    object.annotation.crowd |= shape.annotation.crowd;
  }

  /// Reads what no box and no class depends on.
  template <class Where, class Read>
  void harmless(std::string_view key, Where where, Read read) {
    try {
      read();
    } catch (const BadEntry& entry) {
      problems_.bad(options_.bad_values, "bad_values", entry.what(),
                    fmt::format("{} ({}: {})", where(), key, entry.value));
    }
  }

  static std::string dumped(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  /// [[x, y], ...] as COCO has it: [x, y, ...], the numbers as they stand.
  static Json flat(const Json& points) {
    auto list = Json::array();
    for (const auto& point : points) {
      for (const auto& value : point)
        list.push_back(value.is_number() ? value : Json(*number<double>(trimmed(value.get<std::string>()))));
    }
    return list;
  }

  const std::string& name_;
  const DataOptions& options_;
  const bool with_details_;
  Problems& problems_;
  std::map<std::pair<std::string, int64_t>, size_t> groups_;  // first object of a label and group
};

}  // namespace

bool is_labelme(std::string_view head) {
  const auto keys = keys_at(head, 1);
  return std::ranges::any_of(
      keys, [](std::string_view key) { return key == "shapes" || key == "imagePath" || key == "imageData"; });
}

std::pair<LabelmeKind, LabelmeFile> read_labelme_file(const std::filesystem::path& root,
                                                      const std::string& name, const DataOptions& options,
                                                      bool with_details, Problems& problems) {
  const auto damaged = [&](std::string_view why) {
    problems.bad(options.bad_images, "bad_images", "an annotation file that cannot be read",
                 fmt::format("{} ({})", name, why));
    return std::pair(LabelmeKind::damaged, LabelmeFile());
  };
  try {
    auto text = read_text(root / name, kLargestAnnotations);
    if (trimmed(text).empty()) return damaged("it is empty");
    if (!is_labelme(std::string_view(text).substr(0, kLabelmeHead))) {
      problems.warn("a JSON file that is none of LabelMe's is passed over", name);
      return {LabelmeKind::other, {}};
    }
    const bool has_picture = take_out_picture(text);
    auto file = FileReader(name, options, with_details, problems).read(parse_annotations(std::move(text)));
    file.has_picture = has_picture;
    return {LabelmeKind::labelme, std::move(file)};
  } catch (const JsonError& error) {
    return damaged(error.what());
  } catch (const DataError& error) {
    std::string_view why = error.what();
    const auto path = (root / name).string() + ": ";
    if (why.starts_with(path)) why.remove_prefix(path.size());
    return damaged(why);
  }
}

}  // namespace rcnn::data
