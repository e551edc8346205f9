#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>
#include <pugixml.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/formats/voc/voc_file.h>
#include <rcnn/io/files/atomic_file.h>

#include "data/formats/xml_file.h"
#include "text.h"

namespace rcnn::data {
namespace {

constexpr std::array kCorners = {"xmin", "ymin", "xmax", "ymax"};

// Elements that an <object> may have for what COCO's files say of it.
constexpr const char *kVocId = "id", *kVocArea = "area", *kVocCrowd = "iscrowd",
                     *kVocOutline = "segmentation";
constexpr const char *kKeypoints = "keypoints", *kKeypointCount = "num_keypoints";

// The attributes that VOC itself has.
constexpr const char *kPose = "pose", *kTruncated = "truncated", *kOccluded = "occluded";

// What is no text, or none that XML gives back as it was.
constexpr const char *kTypeMark = "type", *kJsonMark = "json";

/// What a flag means that is written in words or as another number: "False", "no", "1.0".
std::optional<bool> meaning_of_flag(std::string_view text) {
  const auto word = lower(std::string(text));
  const auto value = number<double>(word);
  if (word == "true" || word == "yes" || value == 1.0) return true;
  if (word == "false" || word == "no" || value == 0.0) return false;
  return std::nullopt;
}

/// A text, or the JSON that it is marked as.
nlohmann::json value_of(const pugi::xml_node& node) {
  const std::string_view text = node.text().get();
  if (node.attribute(kTypeMark).value() == std::string_view(kJsonMark)) {
    auto value = nlohmann::json::parse(text, nullptr, false);
    if (!value.is_discarded()) return value;
  }
  return trimmed(text);
}

/// The same as JSON text, which for what is marked stays as it stands.
std::string json_text_of(const pugi::xml_node& node) {
  const auto value = value_of(node);
  return value.is_string() ? value.dump() : node.text().get();
}

bool is_json_list_or_object(std::string_view text) {
  return (text.starts_with('[') || text.starts_with('{')) && nlohmann::json::accept(text);
}

/// The points of a <polygon>, x and y by turns, whatever their elements are called: x1, y1, x2, ... or
/// <pt><x>, <y>. From 0, as COCO has them. Empty where they are no numbers.
std::vector<double> points_of(const pugi::xml_node& polygon) {
  struct Leaves : pugi::xml_tree_walker {
    std::vector<double> points;
    bool for_each(pugi::xml_node& node) override {
      const std::string_view key = node.name();
      if (!key.starts_with('x') && !key.starts_with('y')) return true;
      const auto value = finite_number(trimmed(node.child_value()));
      const bool is_turn = key.starts_with(points.size() % 2 == 0 ? 'x' : 'y');
      if (!value || !is_turn) {
        points.clear();
        return false;
      }
      points.push_back(*value - 1);
      return true;
    }
  } leaves;
  auto node = polygon;
  node.traverse(leaves);
  constexpr size_t kFewest = 6;
  const bool is_outline = leaves.points.size() >= kFewest && leaves.points.size() % 2 == 0;
  return is_outline ? leaves.points : std::vector<double>();
}

class VocFileReader {
 public:
  VocFileReader(const std::string& name, const VocFileOptions& options, Problems& problems)
      : name_(name), options_(options), problems_(problems) {}

  std::optional<VocFile> read(const std::filesystem::path& file) {
    pugi::xml_document document;
    auto fault = read_xml(file, document);
    const pugi::xml_node annotation = document.child("annotation");
    if (!fault && !annotation) fault = XmlFault{"no element <annotation>", ""};
    if (fault) {
      const auto where = fault->where.empty() ? name_ : fmt::format("{} ({})", name_, fault->where);
      problems_.bad(options_.bad_images, "bad_images", fault->what, where);
      return std::nullopt;
    }
    VocFile content{.file_name = std::string(trimmed(annotation.child_value("filename"))),
                    .id = number<int64_t>(trimmed(annotation.child_value(kVocId))),
                    .size = read_size(annotation.child("size"))};
    int64_t position = 0;
    for (const pugi::xml_node& node : annotation.children("object")) {
      if (auto object = read_object(node, ++position)) content.objects.push_back(std::move(*object));
      if (lacks_class_) return std::nullopt;
    }
    return content;
  }

 private:
  std::optional<ImageSize> read_size(const pugi::xml_node& node) {
    if (!node) return std::nullopt;
    const auto width_text = trimmed(node.child_value("width"));
    const auto height_text = trimmed(node.child_value("height"));
    const auto width = finite_number(width_text), height = finite_number(height_text);
    const auto where = [&] { return fmt::format("{} ({} x {})", name_, width_text, height_text); };
    constexpr double kLargest = 1e9;
    const auto is_side = [](const std::optional<double>& side) {
      return side && *side >= 0 && *side <= kLargest && *side == std::floor(*side);
    };
    if (!is_side(width) || !is_side(height)) {
      problems_.bad(options_.bad_values, "bad_values",
                    "<size> needs the whole numbers <width> and <height>; the image's own size counts",
                    where());
      return std::nullopt;
    }
    if (*width == 0 || *height == 0) return std::nullopt;
    if (!number<int64_t>(width_text) || !number<int64_t>(height_text))
      problems_.warn("<size> has whole numbers that are written as fractions", where());
    return ImageSize{.height = std::lround(*height), .width = std::lround(*width)};
  }

  std::optional<VocObject> read_object(const pugi::xml_node& node, int64_t position) {
    where_ = fmt::format("{} object {}", name_, position);
    VocObject object{.name = std::string(trimmed(node.child_value("name"))), .position = position};
    if (object.name.empty()) {
      return without_class("an object has no <name>", "");
    }
    if (const auto second = second_of(node, "name")) {
      return without_class("an object has two <name>", fmt::format(" ({}, {})", object.name, *second));
    }
    const auto turned = node.child("robndbox");
    if (turned && !node.child("bndbox") ? !read_turned_box(turned, object)
                                        : !read_box(node.child("bndbox"), object)) {
      return std::nullopt;
    }
    for (const pugi::xml_node& child : node.children()) {
      const std::string_view key = child.name();
      if (key == "name" || key == "bndbox" || key == "robndbox") continue;
      if (child.first_child().type() == pugi::node_element) {
        read_elements(child, key, object);
      } else {
        read_text(child, key, object);
      }
    }
    return object;
  }

  std::nullopt_t without_class(const char* what, const std::string& detail) {
    problems_.bad(options_.bad_images, "bad_images", what, where_ + detail);
    lacks_class_ = true;
    return std::nullopt;
  }

  /// The text of an element that is there a second time.
  static std::optional<std::string> second_of(const pugi::xml_node& node, const char* name) {
    const auto second = node.child(name).next_sibling(name);
    return second ? std::optional<std::string>(trimmed(second.child_value())) : std::nullopt;
  }

  bool bad_box(const char* what, const std::string& detail) {
    problems_.bad(options_.bad_boxes, "bad_boxes", what, fmt::format("{} ({})", where_, detail));
    return false;
  }

  bool read_box(const pugi::xml_node& box, VocObject& object) {
    if (box.next_sibling("bndbox")) return bad_box("an object has two boxes", "<bndbox>");
    for (size_t i = 0; i < kCorners.size(); ++i) {
      const std::string_view text = trimmed(box.child_value(kCorners[i]));
      const auto value = finite_number(text);
      if (!value) {
        return bad_box("<bndbox> needs the numbers <xmin>, <ymin>, <xmax> and <ymax>",
                       fmt::format("{} is \"{}\"", kCorners[i], text));
      }
      if (const auto second = second_of(box, kCorners[i]))
        return bad_box("a <bndbox> has a corner twice",
                       fmt::format("{} is {} and {}", kCorners[i], text, *second));
      object.corners[i] = *value;
    }
    return true;
  }

  /// roLabelImg's: centre and sides in pixels from 0, the angle in radians.
  bool read_turned_box(const pugi::xml_node& box, VocObject& object) {
    constexpr std::array kFields = {"cx", "cy", "w", "h", "angle"};
    std::array<double, kFields.size()> values = {};
    for (size_t i = 0; i < kFields.size(); ++i) {
      const std::string_view text = trimmed(box.child_value(kFields[i]));
      const auto value = finite_number(text);
      if (!value) {
        return bad_box("<robndbox> needs the numbers <cx>, <cy>, <w>, <h> and <angle>",
                       fmt::format("{} is \"{}\"", kFields[i], text));
      }
      values[i] = *value;
    }
    const auto [x, y, width, height, angle] = values;
    const double across = std::abs(std::cos(angle)), along = std::abs(std::sin(angle));
    const double half_width = (width * across + height * along) / 2;
    const double half_height = (width * along + height * across) / 2;
    object.corners = {x - half_width + 1, y - half_height + 1, x + half_width, y + half_height};
    add_attribute(
        object, "robndbox",
        nlohmann::ordered_json{{"cx", x}, {"cy", y}, {"w", width}, {"h", height}, {"angle", angle}}.dump());
    problems_.warn("an object is turned (<robndbox>); its box is the smallest upright one around it", where_);
    return true;
  }

  void read_elements(const pugi::xml_node& node, std::string_view key, VocObject& object) {
    if (key == "attributes") {
      for (const auto& attribute : node.children("attribute")) read_attribute(attribute, object);
    } else if (!options_.with_details) {
      return;
    } else if (key == "polygon" && object.segmentation.empty()) {
      const auto points = points_of(node);
      if (points.empty()) {
        problems_.warn("left out: an outline that is no list of three points or more", where_);
      } else {
        object.segmentation = nlohmann::json{points}.dump();
      }
    } else {
      problems_.warn("the parts of an object are left out", where_);
    }
  }

  /// <attribute><name>, <value>.
  void read_attribute(const pugi::xml_node& node, VocObject& object) {
    const auto name = value_of(node.child("name"));
    if (!name.is_string()) return;
    const auto value = node.child("value");
    const auto text = trimmed(value.child_value());
    if (name == "rotation" && finite_number(text).value_or(0) != 0) {
      problems_.warn("an object is turned (attribute rotation); its box is taken as <bndbox> has it",
                     fmt::format("{} ({})", where_, text));
    }
    if (options_.with_details) add_attribute(object, name.get<std::string>(), json_text_of(value));
  }

  /// An element that holds a text.
  void read_text(const pugi::xml_node& node, std::string_view key, VocObject& object) {
    const std::string_view text = trimmed(node.child_value());
    if (key == "difficult") {
      object.difficult = read_flag(key, text).value_or(false);
    } else if (key == kVocCrowd) {
      object.crowd = read_flag(key, text).value_or(false);
    } else if (key == kTruncated || key == kOccluded) {
      if (const auto flag = read_flag(key, text)) add_attribute(object, key, *flag ? "\"1\"" : "\"0\"");
    } else if (options_.with_details && key != "attributes" && !read_details(key, text, object)) {
      add_attribute(object, key, nlohmann::json(text).dump());
    }
  }

  /// Whether it is an element of ours.
  static bool read_details(std::string_view key, std::string_view text, VocObject& object) {
    if (key == kVocId) {
      object.id = number<int64_t>(text);
      return object.id.has_value();
    }
    if (key == kVocArea) {
      object.area = finite_number(text);
      return object.area.has_value();
    }
    if (key == kVocOutline && is_json_list_or_object(text)) {
      object.segmentation = text;
      return true;
    }
    const bool is_ours = (key == kKeypoints && is_json_list_or_object(text)) ||
                         (key == kKeypointCount && number<int64_t>(text));
    if (is_ours) object.others.emplace_back(key, text);
    return is_ours;
  }

  /// Nothing for an empty one, and after an entry in the problems for what means neither.
  std::optional<bool> read_flag(std::string_view key, std::string_view text) {
    if (text == "0" || text == "1") return text == "1";
    if (text.empty()) return std::nullopt;
    const auto where = fmt::format("{} (\"{}\")", where_, text);
    const auto meaning = meaning_of_flag(text);
    if (meaning) {
      problems_.warn(fmt::format("<{}> is written otherwise than 0 or 1", key), where);
    } else {
      problems_.bad(options_.bad_values, "bad_values", fmt::format("<{}> is neither 0 nor 1", key), where);
    }
    return meaning;
  }

  void add_attribute(VocObject& object, std::string_view name, std::string value) {
    if (!options_.with_details) return;
    const auto known = std::ranges::find(object.attributes, name, &JsonFields::value_type::first);
    if (known == object.attributes.end()) {
      object.attributes.emplace_back(name, std::move(value));
    } else {
      problems_.warn("an object has an attribute twice; the first counts",
                     fmt::format("{} ({})", where_, name));
    }
  }

  const std::string& name_;
  const VocFileOptions& options_;
  Problems& problems_;
  std::string where_;  // of the object that is read
  bool lacks_class_ = false;
};

void append_text(pugi::xml_node node, const char* name, const std::string& text) {
  node.append_child(name).text() = text.c_str();
}

/// Whether an element that holds the text gives it back.
bool is_plain(std::string_view text) {
  return is_xml_text(text) && trimmed(text) == text && text.find('\r') == std::string_view::npos;
}

/// JSON that XML can hold: the two characters that it cannot stand in strings, where they may be escaped.
std::string json_for_xml(std::string json) {
  for (const auto& [character, escape] :
       {std::pair("\xef\xbf\xbe", "\\ufffe"), {"\xef\xbf\xbf", "\\uffff"}}) {
    for (size_t at = json.find(character); at != std::string::npos; at = json.find(character, at))
      json.replace(at, 3, escape);
  }
  return json;
}

/// A text as it is, and other JSON with a mark.
void append_json(pugi::xml_node node, const char* name, const std::string& json) {
  const auto value = nlohmann::json::parse(json, nullptr, false);
  auto child = node.append_child(name);
  if (value.is_string() && is_plain(value.get_ref<const std::string&>())) {
    child.text() = value.get_ref<const std::string&>().c_str();
  } else {
    child.append_attribute(kTypeMark) = kJsonMark;
    child.text() = json_for_xml(json).c_str();
  }
}

/// Whether the attribute is one of VOC's own, with a value that it may have there.
bool is_own(const std::string& name, const std::string& json) {
  if (name == kTruncated || name == kOccluded) return json == "\"0\"" || json == "\"1\"";
  const auto value = nlohmann::json::parse(json, nullptr, false);
  return name == kPose && value.is_string() && is_plain(value.get_ref<const std::string&>());
}

void append_object(pugi::xml_node annotation, const VocObject& object) {
  auto node = annotation.append_child("object");
  append_text(node, "name", object.name);
  JsonFields others;
  for (const auto& [name, value] : object.attributes) {
    if (is_own(name, value)) {
      append_json(node, name.c_str(), value);
    } else {
      others.emplace_back(name, value);
    }
  }
  if (object.id) append_text(node, kVocId, std::to_string(*object.id));
  if (object.area) append_text(node, kVocArea, fmt::format("{}", *object.area));
  if (object.crowd) append_text(node, kVocCrowd, "1");
  if (!object.segmentation.empty()) append_text(node, kVocOutline, json_for_xml(object.segmentation));
  for (const auto& [key, value] : object.others) append_text(node, key.c_str(), json_for_xml(value));
  append_text(node, "difficult", object.difficult ? "1" : "0");
  auto box = node.append_child("bndbox");
  for (size_t i = 0; i < kCorners.size(); ++i)
    append_text(box, kCorners[i], fmt::format("{}", object.corners[i]));
  if (others.empty()) return;
  auto attributes = node.append_child("attributes");
  for (const auto& [name, value] : others) {
    auto attribute = attributes.append_child("attribute");
    append_json(attribute, "name", nlohmann::json(name).dump());
    append_json(attribute, "value", value);
  }
}

}  // namespace

std::optional<VocFile> read_voc_file(const std::filesystem::path& file, const std::string& name,
                                     Problems& problems, const VocFileOptions& options) {
  return VocFileReader(name, options, problems).read(file);
}

void write_voc_file(const std::filesystem::path& file, const VocFile& content) {
  pugi::xml_document document;
  auto annotation = document.append_child("annotation");
  append_text(annotation, "filename", content.file_name);
  if (content.id) append_text(annotation, kVocId, std::to_string(*content.id));
  if (content.size) {
    auto size = annotation.append_child("size");
    append_text(size, "width", std::to_string(content.size->width));
    append_text(size, "height", std::to_string(content.size->height));
    append_text(size, "depth", "3");
  }
  for (const VocObject& object : content.objects) append_object(annotation, object);
  struct Writer : pugi::xml_writer {
    std::string text;
    void write(const void* bytes, size_t size) override {
      text.append(static_cast<const char*>(bytes), size);
    }
  } xml;
  document.save(xml, "  ", pugi::format_indent | pugi::format_no_declaration);
  io::write_atomically(file, xml.text);
}

}  // namespace rcnn::data
