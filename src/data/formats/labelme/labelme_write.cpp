#include "data/formats/labelme/labelme_write.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <spdlog/fmt/ranges.h>

#include <rcnn/io/files/atomic_file.h>

#include "data/formats/bring_image.h"
#include "data/formats/found_images.h"
#include "data/formats/json_value.h"
#include "data/formats/labelme/labelme_file.h"
#include "data/formats/micropixel.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

std::string quoted_text(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// `{"key": value, ...}` of keys and values that are JSON.
std::string object_of(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::vector<std::string> texts;
  for (const auto& [key, value] : fields) texts.push_back(fmt::format("{}: {}", quoted_text(key), value));
  return fmt::format("{{{}}}", fmt::join(texts, ", "));
}

/// Whether what read_labelme_file() reads is what was written: no number beyond int64.
bool can_be_read(const std::string& value) {
  try {
    parse_json<Json>(value, {.max_depth = 32});
    return true;
  } catch (const JsonError&) {
    return false;
  }
}

/// The polygons of an outline, each as LabelMe's points, if their box is the object's; otherwise none.
std::vector<std::string> polygons_of(const CocoAnnotation& annotation, const std::string& segmentation) {
  std::vector<std::string> polygons;
  double x1 = HUGE_VAL, y1 = HUGE_VAL, x2 = -HUGE_VAL, y2 = -HUGE_VAL;
  if (!segmentation.starts_with('[') || !can_be_read(segmentation)) return {};
  for (const auto& polygon : parse_json<Json>(segmentation, {})) {
    if (!polygon.is_array() || polygon.size() < 6 || polygon.size() % 2 != 0) return {};
    if (!std::ranges::all_of(polygon, [](const Json& value) { return value.is_number(); })) return {};
    std::vector<std::string> points;
    for (size_t i = 0; i < polygon.size(); i += 2) {
      const double x = polygon[i].get<double>(), y = polygon[i + 1].get<double>();
      x1 = std::min(x1, x);
      y1 = std::min(y1, y);
      x2 = std::max(x2, x);
      y2 = std::max(y2, y);
      points.push_back(fmt::format("[{}, {}]", polygon[i].dump(), polygon[i + 1].dump()));
    }
    polygons.push_back(fmt::format("[{}]", fmt::join(points, ", ")));
  }
  const auto [x, y, width, height] = annotation.box;
  const auto is_same = [](double a, double b) {
    return std::abs(a - b) < 2e-6;  // boxes are rounded to a millionth of a pixel
  };
  if (!is_same(x, x1) || !is_same(y, y1) || !is_same(x + width, x2) || !is_same(y + height, y2)) return {};
  return polygons;
}

/// An object of an image, and the shapes that it becomes.
struct Shapes {
  const CocoAnnotation* annotation = nullptr;
  std::string label = {};
  std::vector<std::string> points = {};
  std::string_view type = "rectangle";
  JsonFields attributes = {};
};

/// A part whose images and objects are written.
class PartWriter {
 public:
  PartWriter(const AnnotatedPart& part, Problems& problems) : part_(part), problems_(problems) {
    const auto& content = part.content;
    for (const auto& category : content.categories) names_[category.id] = category.name;
    for (size_t i = 0; i < content.annotations.size(); ++i)
      of_image_[content.annotations[i].image_id].push_back(i);
  }

  /// What LabelMe cannot hold.
  void check() {
    const auto& content = part_.content;
    std::map<std::string, std::string> stems;
    for (const auto& image : content.images) {
      const auto [other, is_new] = stems.emplace(json_of(image).generic_string(), image.file_name);
      if (!is_new) {
        problems_.error("two images whose names differ in their endings only, for which LabelMe has one file",
                        fmt::format("{} and {}", other->second, image.file_name));
      }
    }
    std::set<int64_t> used;
    for (const auto& annotation : content.annotations) used.insert(annotation.category_id);
    for (const auto& category : content.categories) {
      if (category.name.empty())
        problems_.error("a class without a name, which LabelMe cannot have", part_.name);
      if (!used.contains(category.id)) lost("classes without an object", category.name);
    }
    for (size_t i = 0; i < content.category_fields.size(); ++i) {
      for (const auto& [key, value] : content.category_fields[i])
        lost("keys of classes", fmt::format("{} of {}", key, content.categories[i].name));
    }
    for (const auto& [key, value] : content.fields) lost("keys of the file", key);
    for (size_t i = 0; i < content.image_fields.size(); ++i) {
      for (const auto& [key, value] : content.image_fields[i]) {
        if (!is_flags(key, value))
          lost("keys of images", fmt::format("{} of {}", key, content.images[i].file_name));
      }
    }
    if (part_.name != "all" && part_of_path(part_.name) != part_.name)
      lost("parts that are not called train, val, valid or test: they are read as one", part_.name);
  }

  void write(const fs::path& folder, ImageFiles how) {
    const auto& images = part_.content.images;
    for (size_t i = 0; i < images.size(); ++i) {
      bring(part_.images / images[i].file_name, folder / images[i].file_name, how);
      io::write_atomically(folder / json_of(images[i]), file_of(i));
    }
  }

 private:
  void lost(std::string_view what, std::string where) {
    problems_.warn(fmt::format("LabelMe has no place for {}", what), std::move(where));
  }

  static fs::path json_of(const CocoImage& image) {
    return fs::path(image.file_name).replace_extension(".json");
  }

  static bool is_flags(const std::string& key, const std::string& value) {
    return key == "flags" && value.starts_with('{') && can_be_read(value);
  }

  std::string file_of(size_t place) {
    const auto& image = part_.content.images[place];
    std::string flags = "{}";
    if (!part_.content.image_fields.empty()) {
      for (const auto& [key, value] : part_.content.image_fields[place]) {
        if (is_flags(key, value)) flags = value;
      }
    }
    std::vector<Shapes> objects;
    for (const size_t annotation : of_image_[image.id]) {
      if (auto shapes = shapes_of(image, annotation)) objects.push_back(std::move(*shapes));
    }
    const auto side = [](int64_t length) { return length == 0 ? "null" : std::to_string(length); };
    return fmt::format(
        "{{\n  \"version\": \"5.5.0\",\n  \"flags\": {},\n  \"shapes\": [{}],\n  \"imagePath\": {},\n"
        "  \"imageData\": null,\n  \"imageHeight\": {},\n  \"imageWidth\": {}\n}}\n",
        flags, fmt::join(shape_texts(objects), ","), quoted_text(fs::path(image.file_name).filename()),
        side(image.size.height), side(image.size.width));
  }

  std::optional<Shapes> shapes_of(const CocoImage& image, size_t place) {
    const auto& annotation = part_.content.annotations[place];
    const auto where = [&] {
      return part_.place ? part_.place(image, annotation) : fmt::format("annotation {}", annotation.id);
    };
    const auto [x, y, width, height] = annotation.box;
    if (width < 0 || height < 0) {
      lost("boxes of negative size", where());
      return std::nullopt;
    }
    Shapes shapes{.annotation = &annotation, .label = names_.at(annotation.category_id)};
    if (annotation.area != width * height && std::abs(annotation.area - width * height) > 1e-3)
      lost("an area that is not the box's", where());
    if (!part_.content.details.empty()) {
      const auto& details = part_.content.details[place];
      shapes.points = polygons_of(annotation, details.segmentation);
      if (!shapes.points.empty()) shapes.type = "polygon";
      if (shapes.points.empty() && !details.segmentation.empty() && details.segmentation != "[]")
        lost("outlines that are no polygons, or not as large as their boxes", where());
      for (const auto& [key, value] : details.attributes) {
        if (can_be_read(value)) {
          shapes.attributes.emplace_back(key, value);
        } else {
          lost("numbers of more than 64 bits", fmt::format("{} ({}: {})", where(), key, value));
        }
      }
      for (const auto& [key, value] : details.others) lost(key, where());
    }
    if (shapes.points.empty())
      shapes.points.push_back(
          fmt::format("[[{}, {}], [{}, {}]]", x, y, micropixel(x + width), micropixel(y + height)));
    return shapes;
  }

  /// The group_id of an object: its own, one that joins its outlines, or none.
  static std::vector<std::optional<int64_t>> groups_of(const std::vector<Shapes>& objects) {
    std::vector<std::optional<int64_t>> groups(objects.size());
    std::set<int64_t> used;
    std::set<std::pair<std::string, int64_t>> joined;
    for (size_t i = 0; i < objects.size(); ++i) {
      const auto& [annotation, label, points, type, attributes] = objects[i];
      const auto own = std::ranges::find(attributes, kLabelmeGroup, &JsonFields::value_type::first);
      const auto group = own == attributes.end() ? std::nullopt : number<int64_t>(own->second);
      if (!group) continue;
      used.insert(*group);
      if (points.size() == 1 && (type == "rectangle" || joined.emplace(label, *group).second))
        groups[i] = group;
    }
    int64_t next = 0;
    for (size_t i = 0; i < objects.size(); ++i) {
      if (objects[i].points.size() == 1) continue;
      while (used.contains(++next)) {
      }
      groups[i] = next;
    }
    return groups;
  }

  static std::vector<std::string> shape_texts(const std::vector<Shapes>& objects) {
    std::vector<std::string> texts;
    const auto groups = groups_of(objects);
    for (size_t i = 0; i < objects.size(); ++i) {
      const auto& [annotation, label, points, type, attributes] = objects[i];
      JsonFields flags, others;
      std::string description = "\"\"";
      if (annotation->crowd) flags.emplace_back(kLabelmeCrowd, "true");
      for (const auto& [key, value] : attributes) {
        if (key != kLabelmeCrowd && (value == "true" || value == "false")) {
          flags.emplace_back(key, value);
        } else if (key == kLabelmeDescription && value.starts_with('"') && value != "\"\"") {
          description = value;
        } else if (key != kLabelmeGroup || !groups[i] || points.size() > 1) {
          others.emplace_back(key, value);
        }
      }
      for (const auto& outline : points) {
        JsonFields shape = {{"label", quoted_text(label)},
                            {"points", outline},
                            {kLabelmeGroup, groups[i] ? std::to_string(*groups[i]) : "null"},
                            {kLabelmeDescription, description},
                            {"shape_type", quoted_text(std::string(type))},
                            {"flags", object_of(flags)},
                            {"mask", "null"}};
        if (!others.empty()) shape.emplace_back(kLabelmeAttributes, object_of(others));
        texts.push_back("\n    " + object_of(shape));
      }
    }
    return texts;
  }

  const AnnotatedPart& part_;
  Problems& problems_;
  std::unordered_map<int64_t, std::string> names_;             // of classes
  std::unordered_map<int64_t, std::vector<size_t>> of_image_;  // its annotations
};

}  // namespace

void write_labelme(const fs::path& folder, std::span<const AnnotatedPart> parts, ImageFiles images,
                   Problems& problems) {
  std::vector<PartWriter> writers;
  writers.reserve(parts.size());
  for (const auto& part : parts) writers.emplace_back(part, problems).check();
  if (problems.has(Severity::error)) return;
  for (size_t i = 0; i < parts.size(); ++i) writers[i].write(folder / parts[i].name, images);
}

}  // namespace rcnn::data
