#include "data/formats/cvat/cvat_file.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <utility>

#include <pugixml.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>

#include "data/formats/json_value.h"
#include "data/formats/micropixel.h"
#include "data/formats/xml_file.h"
#include "text.h"

namespace rcnn::data {
namespace {

std::string_view attribute(const pugi::xml_node& node, const char* name) {
  return trimmed(node.attribute(name).value());
}

std::string_view child(const pugi::xml_node& node, const char* name) {
  return trimmed(node.child_value(name));
}

/// Also one that is written with decimals.
std::optional<int64_t> whole_number(std::string_view text) {
  if (const auto value = number<int64_t>(text)) return value;
  const auto value = finite_number(text);
  constexpr double kExact = 9007199254740992;  // 2^53: doubles hold all integers below
  if (!value || *value != std::trunc(*value) || std::abs(*value) > kExact) return std::nullopt;
  return static_cast<int64_t>(*value);
}

std::optional<bool> truth(std::string_view text) {
  const auto word = lower(std::string(text));
  if (word.empty() || word == "0" || word == "false") return false;
  if (word == "1" || word == "true") return true;
  return std::nullopt;
}

/// One that boxes can be calculated with.
std::optional<double> pixels(std::string_view text) {
  const auto value = finite_number(text);
  return value && std::abs(*value) <= kFarthest ? value : std::nullopt;
}

/// A number that a box depends on. Throws BadEntry.
double needed(const pugi::xml_node& node, const char* name) {
  const auto text = attribute(node, name);
  if (const auto value = pixels(text)) return *value;
  throw BadEntry(fmt::format("<{}> needs the number {}", node.name(), name),
                 fmt::format("{}=\"{}\"", name, text));
}

/// "x,y;x,y;..." Throws BadEntry.
std::vector<double> polygon_of(const pugi::xml_node& node) {
  const auto text = attribute(node, "points");
  std::vector<double> numbers;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find_first_of(",;", begin), text.size());
    const auto value = pixels(trimmed(text.substr(begin, end - begin)));
    const bool is_between = end == text.size() || text[end] == (numbers.size() % 2 == 0 ? ',' : ';');
    if (!value || !is_between)
      throw BadEntry("points must be numbers x,y;x,y;...", fmt::format("points=\"{}\"", text.substr(0, 80)));
    numbers.push_back(*value);
    begin = end + 1;
  }
  if (numbers.size() < 6 || numbers.size() % 2 != 0)
    throw BadEntry("a polygon needs three points or more", fmt::format("points=\"{}\"", text.substr(0, 80)));
  return numbers;
}

/// x, y, width, height around points.
std::array<double, 4> box_around(const std::vector<double>& points) {
  double x1 = points[0], y1 = points[1], x2 = x1, y2 = y1;
  for (size_t i = 0; i < points.size(); i += 2) {
    x1 = std::min(x1, points[i]);
    x2 = std::max(x2, points[i]);
    y1 = std::min(y1, points[i + 1]);
    y2 = std::max(y2, points[i + 1]);
  }
  return {x1, y1, x2 - x1, y2 - y1};
}

std::vector<double> corners_of_cuboid(const pugi::xml_node& node) {
  std::vector<double> corners;
  for (const char* name : {"xtl1", "ytl1", "xbl1", "ybl1", "xtr1", "ytr1", "xbr1", "ybr1", "xtl2", "ytl2",
                           "xbl2", "ybl2", "xtr2", "ytr2", "xbr2", "ybr2"}) {
    corners.push_back(needed(node, name));
  }
  return corners;
}

class CvatReader {
 public:
  CvatReader(const std::string& file, const DataOptions& options, bool with_details, Problems& problems)
      : file_(file), options_(options), with_details_(with_details), problems_(problems) {}

  CvatFile read(const pugi::xml_node& annotations) {
    for (const auto& source : annotations.child("meta").children()) read_source(source);
    for (const auto& node : annotations.children("image")) read_image(node);
    for (const auto& node : annotations.children("track")) read_track(node);
    return std::move(result_);
  }

 private:
  /// <task>, <project> or <job>.
  void read_source(const pugi::xml_node& source) {
    for (const auto& label : source.child("labels").children("label")) {
      const std::string name(child(label, "name"));
      const auto type = child(label, "type");
      for (const auto& node : label.child("attributes").children("attribute"))
        input_types_[{name, std::string(child(node, "name"))}] = child(node, "input_type");
      const bool has_no_box = type == "points" || type == "polyline" || type == "skeleton" || type == "tag";
      if (!name.empty() && !has_no_box && !label.child("parent")) result_.labels.push_back(name);
    }
    // A project's tasks have frames of their own; several cannot be told apart, and their tracks are refused.
    for (const auto& task : source.child("tasks").children("task")) read_frames(task);
    if (source.child("size")) read_frames(source);
    if (const auto video = child(source.parent(), "source"); !video.empty()) result_.frames.video = video;
  }

  void read_frames(const pugi::xml_node& source) {
    auto& frames = result_.frames;
    frames.start = whole_number(child(source, "start_frame")).value_or(0);
    frames.count = whole_number(child(source, "size"));
    if (const auto filter = child(source, "frame_filter"); filter.starts_with("step="))
      frames.step = std::max<int64_t>(1, whole_number(trimmed(filter.substr(5))).value_or(1));
    frames.stop = whole_number(child(source, "stop_frame"));
    frames.video = child(source, "source");
    const auto& size = source.child("original_size");
    const auto height = whole_number(child(size, "height")), width = whole_number(child(size, "width"));
    if (height && width) frames.size = {.height = *height, .width = *width};
  }

  void read_image(const pugi::xml_node& node) {
    CvatImage image{.name = std::string(node.attribute("name").value()),
                    .subset = std::string(attribute(node, "subset"))};
    if (image.name.empty()) {
      problems_.error("an <image> has no name", fmt::format("{}: image {}", file_, attribute(node, "id")));
      return;
    }
    const auto height = whole_number(attribute(node, "height")),
               width = whole_number(attribute(node, "width"));
    if (height && width) {
      image.size = {.height = *height, .width = *width};
    } else if (node.attribute("height") || node.attribute("width")) {
      problems_.bad(options_.bad_values, "bad_values", "the size of an <image> is no number",
                    fmt::format("{}: {} ({} x {})", file_, image.name, attribute(node, "width"),
                                attribute(node, "height")));
    }
    int32_t position = 0;
    for (const auto& element : node.children()) {
      if (element.type() != pugi::node_element) continue;
      const auto where = [&] { return fmt::format("{}: {} object {}", file_, image.name, position); };
      ++position;
      read_element(element, position, where, [&](CvatShape shape) {
        shape.label = label_of(element);
        read_attributes(element, shape.label, where, shape.attributes);
        image.shapes.push_back(std::move(shape));
      });
    }
    result_.images.push_back(std::move(image));
  }

  void read_track(const pugi::xml_node& node) {
    CvatTrack track{.id = std::string(attribute(node, "id")),
                    .subset = std::string(attribute(node, "subset")),
                    .task = std::string(attribute(node, "task_id"))};
    try {
      track.label = label_of(node);
    } catch (const BadEntry& entry) {
      problems_.error(entry.what(), entry.at(fmt::format("{}: track {}", file_, track.id)));
      return;
    }
    int32_t position = 0;
    for (const auto& element : node.children()) {
      if (element.type() != pugi::node_element) continue;
      ++position;
      const auto where = [&] {
        return fmt::format("{}: track {} frame {}", file_, track.id, attribute(element, "frame"));
      };
      read_element(element, position, where, [&](CvatShape shape) {
        const auto frame = whole_number(attribute(element, "frame"));
        if (!frame || *frame < 0)
          throw BadEntry("frame must be a number from 0",
                         fmt::format("frame=\"{}\"", attribute(element, "frame")));
        shape.frame = *frame;
        const auto outside = truth(attribute(element, "outside"));
        if (!outside)
          throw BadEntry("outside must be 0 or 1",
                         fmt::format("outside=\"{}\"", attribute(element, "outside")));
        shape.outside = *outside;
        shape.keyframe =
            !element.attribute("keyframe") || truth(attribute(element, "keyframe")).value_or(true);
        read_attributes(element, track.label, where, shape.attributes);
        track.shapes.push_back(std::move(shape));
      });
    }
    std::ranges::stable_sort(track.shapes, {}, &CvatShape::frame);
    const auto again = std::ranges::adjacent_find(track.shapes, {}, &CvatShape::frame);
    if (again != track.shapes.end()) {
      problems_.error("a track has two shapes in one frame",
                      fmt::format("{}: track {} frame {}", file_, track.id, again->frame));
      return;
    }
    result_.tracks.push_back(std::move(track));
  }

  /// Calls take(shape) for an element that is one with an area.
  template <class Where, class Take>
  void read_element(const pugi::xml_node& element, int32_t position, Where where, Take take) {
    try {
      if (auto shape = shape_of(element, where)) {
        shape->position = position;
        take(std::move(*shape));
      }
    } catch (const BadEntry& entry) {
      tell(entry, where(), options_.bad_boxes, problems_);
    }
  }

  template <class Where>
  std::optional<CvatShape> shape_of(const pugi::xml_node& node, Where where) {
    const std::string_view name = node.name();
    CvatShape shape;
    if (name == "box") {
      const double x = needed(node, "xtl"), y = needed(node, "ytl");
      shape.box = {x, y, needed(node, "xbr") - x, needed(node, "ybr") - y};
    } else if (name == "ellipse") {
      const double x = needed(node, "cx"), y = needed(node, "cy"), rx = needed(node, "rx"),
                   ry = needed(node, "ry");
      shape.kind = CvatShape::Kind::ellipse;
      shape.box = {x - rx, y - ry, 2 * rx, 2 * ry};
    } else if (name == "polygon") {
      shape.kind = CvatShape::Kind::outline;
      shape.outline = polygon_of(node);
      shape.box = box_around(shape.outline);
    } else if (name == "mask") {
      shape.kind = CvatShape::Kind::mask;
      shape.box = {needed(node, "left"), needed(node, "top"), needed(node, "width"), needed(node, "height")};
    } else if (name == "cuboid") {
      shape.kind = CvatShape::Kind::mask;
      shape.box = box_around(corners_of_cuboid(node));
    } else if (name == "tag") {
      if (with_details_) problems_.warn("tags of images are left out", where());
      return std::nullopt;
    } else {
      const bool is_known = name == "points" || name == "polyline" || name == "skeleton";
      problems_.warn(is_known ? "points, polylines and skeletons have no area, and are left out"
                              : "an element that CVAT's XML 1.1 does not have is left out",
                     fmt::format("{} (<{}>)", where(), name));
      return std::nullopt;
    }
    if (!attribute(node, "rotation").empty()) shape.rotation = needed(node, "rotation");
    if (shape.rotation != 0)
      problems_.warn("rotated shapes are taken for the upright boxes around them",
                     fmt::format("{} (rotation {})", where(), shape.rotation));
    if (with_details_ && shape.kind != CvatShape::Kind::box && shape.kind != CvatShape::Kind::outline)
      problems_.warn("of ellipses, masks and cuboids the boxes are kept alone",
                     fmt::format("{} (<{}>)", where(), name));
    return shape;
  }

  static std::string label_of(const pugi::xml_node& node) {
    std::string label = node.attribute("label").value();
    if (label.empty()) throw NoClass(fmt::format("<{}> has no label", node.name()));
    return label;
  }

  /// CVAT's own, and those that the label has, by the kinds of input that <meta> states.
  template <class Where>
  void read_attributes(const pugi::xml_node& node, const std::string& label, Where where,
                       JsonFields& attributes) {
    if (!with_details_) return;
    if (node.attribute("occluded")) {
      if (const auto occluded = truth(attribute(node, "occluded"))) {
        attributes.emplace_back("occluded", *occluded ? "true" : "false");
      } else {
        problems_.bad(options_.bad_values, "bad_values", "occluded must be 0 or 1",
                      fmt::format("{} (\"{}\")", where(), attribute(node, "occluded")));
      }
    }
    for (const char* name : {"z_order", "group_id"}) {
      const auto value = whole_number(attribute(node, name));
      if (value && *value != 0) attributes.emplace_back(name, std::to_string(*value));
    }
    for (const auto& element : node.children("attribute")) {
      const std::string name = element.attribute("name").value(), text = element.child_value();
      const auto type = input_types_.find({label, name});
      attributes.emplace_back(name, value_of(text, type == input_types_.end() ? "" : type->second));
    }
  }

  static std::string value_of(const std::string& text, std::string_view input_type) {
    if (input_type == "checkbox") {
      if (const auto value = truth(trimmed(text))) return *value ? "true" : "false";
    }
    if (input_type == "number") {
      if (const auto value = whole_number(trimmed(text))) return std::to_string(*value);
      if (const auto value = finite_number(trimmed(text))) return fmt::format("{}", *value);
    }
    return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  const std::string& file_;
  const DataOptions& options_;
  const bool with_details_;
  Problems& problems_;
  CvatFile result_;
  std::map<std::pair<std::string, std::string>, std::string> input_types_;  // of label and attribute
};

/// The shorter way from one angle to another, in degrees.
double turn(double from, double to) {
  return std::remainder(to - from, 360);
}

}  // namespace

std::array<double, 4> CvatShape::upright() const {
  const auto [x, y, width, height] = box;
  if (rotation == 0 || (kind != Kind::box && kind != Kind::ellipse)) return box;
  const double angle = rotation * std::numbers::pi / 180;
  const double cosine = std::abs(std::cos(angle)), sine = std::abs(std::sin(angle));
  const bool is_box = kind == Kind::box;
  const double around_width =
      is_box ? width * cosine + height * sine : std::hypot(width * cosine, height * sine);
  const double around_height =
      is_box ? width * sine + height * cosine : std::hypot(width * sine, height * cosine);
  return {x + (width - around_width) / 2, y + (height - around_height) / 2, around_width, around_height};
}

CvatShape between(const CvatShape& before, const CvatShape& after, int64_t frame) {
  auto shape = before;
  const double share =
      static_cast<double>(frame - before.frame) / static_cast<double>(after.frame - before.frame);
  for (size_t i = 0; i < shape.box.size(); ++i) shape.box[i] += share * (after.box[i] - before.box[i]);
  shape.rotation += share * turn(before.rotation, after.rotation);
  shape.frame = frame;
  shape.keyframe = false;
  shape.outline.clear();
  return shape;
}

bool is_cvat(std::string_view head) {
  size_t root = 0;
  do {
    root = head.find('<', root);
    if (root == std::string_view::npos) return false;
    ++root;
    if (head.substr(root).starts_with("!--")) root = head.find("-->", root);
  } while (root < head.size() && (head[root] == '?' || head[root] == '!' || head[root] == '-'));
  if (root >= head.size() || !head.substr(root).starts_with("annotations")) return false;
  return head.find("<meta>") != std::string_view::npos || head.find("<image ") != std::string_view::npos ||
         head.find("<track ") != std::string_view::npos;
}

CvatFile read_cvat_file(const std::filesystem::path& file, const DataOptions& options, bool with_details,
                        Problems& problems) {
  pugi::xml_document document;
  if (const auto fault = read_xml(file, document, kLargestAnnotations)) {
    throw DataError(fmt::format("{}: {}{}{}", file.string(), fault->what, fault->where.empty() ? "" : ": ",
                                fault->where));
  }
  const auto annotations = document.child("annotations");
  if (!annotations) throw DataError(fmt::format("{}: no element <annotations>", file.string()));
  return CvatReader(file.filename().string(), options, with_details, problems).read(annotations);
}

}  // namespace rcnn::data
