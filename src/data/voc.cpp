#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_set>
#include <utility>

#include <pugixml.hpp>
#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/data/image.h>
#include <rcnn/data/voc.h>
#include <rcnn/log.h>

#include "data/record_list.h"
#include "data/report.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

/// A record whose objects still have names for labels.
struct NamedRecord {
  Record record;
  std::vector<std::string> names;
};

bool is_there(const fs::path& path) {
  std::error_code ignored;  // a name that is too long, a folder that may not be read
  return fs::exists(path, ignored);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

class Reader {
 public:
  explicit Reader(const VocOptions& options) : options_(options), where_(options.root.string()) {}

  std::shared_ptr<Dataset> read() {
    for (const char* folder : {"Annotations", "JPEGImages", "ImageSets/Main"}) {
      if (!is_there(options_.root / folder)) {
        throw DataError(
            fmt::format("{}: has no folder {}; a Pascal VOC data set has Annotations, JPEGImages and "
                        "ImageSets/Main",
                        where_, folder));
      }
    }
    std::vector<NamedRecord> named;
    for (const std::string& id : read_list()) {
      if (auto record = read_record(id)) named.push_back(std::move(*record));
    }
    const std::map<std::string, int64_t> labels = read_labels();
    if (!errors_.empty()) {
      throw DataError(
          fmt::format("{}: the split {} cannot be used:{}", where_, options_.split, errors_.text()));
    }
    if (!warnings_.empty())
      log::warn(fmt::format("{}, split {}:{}", where_, options_.split, warnings_.text()));

    std::vector<Category> categories(labels.size());
    for (const auto& [name, label] : labels) categories[label - 1] = {.id = label, .name = name};
    std::vector<Record> records;
    bool any_object = false;
    for (auto& [record, names] : named) {
      for (size_t i = 0; i < names.size(); ++i) record.objects[i].label = labels.at(names[i]);
      any_object |= !names.empty();
      records.push_back(std::move(record));
    }
    if (!any_object) {
      throw DataError(
          fmt::format("{}: no image of the split {} has an object that can be used; there is nothing to "
                      "find",
                      where_, options_.split));
    }
    return std::make_shared<RecordList>(std::move(records), std::move(categories));
  }

 private:
  /// The ids of the split, in the order of its list.
  std::vector<std::string> read_list() {
    const fs::path file = options_.root / "ImageSets/Main" / (options_.split + ".txt");
    std::ifstream in(file);
    if (!in) {
      std::set<std::string> lists;
      std::error_code ignored;
      for (const auto& entry : fs::directory_iterator(file.parent_path(), ignored)) {
        lists.insert(entry.path().stem());
      }
      throw DataError(
          fmt::format("{}: there is no such split; there are: {}", file.string(), fmt::join(lists, ", ")));
    }
    std::vector<std::string> ids;
    std::unordered_set<std::string> seen;
    std::string line;
    for (int64_t i = 1; std::getline(in, line); ++i) {
      const std::string id = line_id(line);
      if (id.empty()) continue;
      const std::string where = fmt::format("{} (line {})", id, i);
      if (id.find_first_of("/\\") != std::string::npos || id.find("..") != std::string::npos) {
        errors_.add(
            fmt::format("{} leads out of the data set; give names without a path or ending", list_name()),
            where);
      } else if (!seen.insert(id).second) {
        errors_.add(fmt::format("{} names an image twice", list_name()), where);
      } else {
        ids.push_back(id);
      }
    }
    if (ids.empty() && errors_.empty()) throw DataError(fmt::format("{}: the list is empty", file.string()));
    if (options_.limit > 0 && std::ssize(ids) > options_.limit)
      ids.resize(static_cast<size_t>(options_.limit));
    return ids;
  }

  /// VOC's lists of one class have a second column that says whether the class is there; it is not part of
  /// the id, unless a file says so.
  std::string line_id(std::string_view line) const {
    std::string id(trimmed(line));
    const size_t space = id.find_last_of(" \t");
    if (space != std::string::npos && !is_there(annotation_file(id))) {
      const std::string_view second = std::string_view(id).substr(space + 1);
      if (second == "-1" || second == "0" || second == "1")
        id = trimmed(std::string_view(id).substr(0, space));
    }
    return id;
  }

  std::optional<NamedRecord> read_record(const std::string& id) {
    const std::string name = fmt::format("Annotations/{}.xml", id);
    pugi::xml_document document;
    const pugi::xml_node annotation = parse(id, name, document);
    const std::optional<std::pair<fs::path, ImageSize>> image = find_image(id, name, annotation);
    if (!annotation || !image) return std::nullopt;

    NamedRecord result{.record = {.id = id, .image = image->first, .size = image->second, .objects = {}},
                       .names = {}};
    int64_t position = 0;
    for (const pugi::xml_node& object : annotation.children("object")) {
      const std::string where = fmt::format("{} object {}", name, ++position);
      const std::string class_name(trimmed(object.child_value("name")));
      if (class_name.empty()) {
        errors_.add("an object has no <name>", where);
        continue;
      }
      class_files_.try_emplace(class_name, name);
      const auto box = read_box(object.child("bndbox"), image->second, where);
      const auto difficult = read_difficult(object, where);
      if (!box || !difficult) continue;
      result.record.objects.push_back({.box = *box, .label = 0, .ignore = *difficult});
      result.names.push_back(class_name);
    }
    return result;
  }

  /// The element <annotation>; an empty one after an error, or when there is no file.
  pugi::xml_node parse(const std::string& id, const std::string& name, pugi::xml_document& document) {
    const fs::path file = annotation_file(id);
    const auto result = document.load_file(file.c_str(), pugi::parse_default | pugi::parse_doctype);
    if (result.status == pugi::status_file_not_found || result.status == pugi::status_io_error) {
      bad_image("no annotation file that can be read", name);
      return {};
    }
    if (!result) {
      errors_.add("no valid XML",
                  fmt::format("{} (line {}: {})", name, line_at(file, result.offset), result.description()));
      return {};
    }
    const auto is_doctype = [](const pugi::xml_node& node) { return node.type() == pugi::node_doctype; };
    if (document.find_child(is_doctype)) {
      errors_.add("a DOCTYPE, which VOC files do not have; remove it", name);
      return {};
    }
    const pugi::xml_node annotation = document.child("annotation");
    if (!annotation) errors_.add("no element <annotation>", name);
    return annotation;
  }

  /// The image of `id` and its size, checked against what the annotation says of it.
  std::optional<std::pair<fs::path, ImageSize>> find_image(const std::string& id, const std::string& name,
                                                           const pugi::xml_node& annotation) {
    fs::path file;
    for (const char* ending : {".jpg", ".JPG", ".jpeg", ".JPEG", ".png"}) {
      file = options_.root / "JPEGImages" / (id + ending);
      if (is_there(file)) break;
    }
    if (!is_there(file)) {
      bad_image("no image file .jpg, .JPG, .jpeg, .JPEG or .png", "JPEGImages/" + id);
      return std::nullopt;
    }
    ImageSize size;
    try {
      size = image_size(file);
    } catch (const DataError& error) {
      bad_image("unreadable image", error.what());
      return std::nullopt;
    }
    const auto stated = read_size(annotation.child("size"), name);
    if (stated && *stated != size) {
      const bool turned = stated->height == size.width && stated->width == size.height;
      bad_image(turned
                    ? "the annotation is of the image turned by its EXIF orientation; turn the stored pixels"
                    : "the annotation is of an image of another size",
                fmt::format("{} ({} x {}, the image has {} x {})", name, stated->width, stated->height,
                            size.width, size.height));
      return std::nullopt;
    }
    return std::pair(file, size);
  }

  /// Nothing when it is absent, or 0 x 0 as some tools write.
  std::optional<ImageSize> read_size(const pugi::xml_node& node, const std::string& name) {
    if (!node) return std::nullopt;
    const auto width = number(trimmed(node.child_value("width")));
    const auto height = number(trimmed(node.child_value("height")));
    if (!width || !height) {
      errors_.add("<size> needs the numbers <width> and <height>", name);
      return std::nullopt;
    }
    if (*width == 0 || *height == 0) return std::nullopt;
    return ImageSize{.height = std::lround(*height), .width = std::lround(*width)};
  }

  std::optional<Box> read_box(const pugi::xml_node& node, ImageSize size, const std::string& where) {
    std::array<double, 4> corner{};
    for (size_t i = 0; i < 4; ++i) {
      constexpr std::array kKeys = {"xmin", "ymin", "xmax", "ymax"};
      const std::string_view text = trimmed(node.child_value(kKeys[i]));
      const auto value = number(text);
      if (!value) {
        errors_.add("<bndbox> needs the numbers <xmin>, <ymin>, <xmax> and <ymax>",
                    fmt::format("{} ({} is \"{}\")", where, kKeys[i], text));
        return std::nullopt;
      }
      corner[i] = *value;
    }
    const auto [xmin, ymin, xmax, ymax] = corner;
    const auto width = static_cast<double>(size.width);
    const auto height = static_cast<double>(size.height);
    const std::string box = fmt::format("{} ({}, {}, {}, {})", where, xmin, ymin, xmax, ymax);
    if (xmin > xmax || ymin > ymax) {
      bad_box("a box whose xmin is above xmax, or ymin above ymax", box);
    } else if (xmin == xmax || ymin == ymax) {
      bad_box("a box of zero size", box);
    } else if (xmin > width || ymin > height || xmax <= 0 || ymax <= 0) {
      bad_box("a box outside of its image", box);
    } else {
      if (xmin < 1 || ymin < 1 || xmax > width || ymax > height) {
        warnings_.add("clipped a box to its image (VOC counts pixels from 1)", box);
      }
      return Box{.x1 = static_cast<float>(std::max(xmin - 1, 0.0)),
                 .y1 = static_cast<float>(std::max(ymin - 1, 0.0)),
                 .x2 = static_cast<float>(std::min(xmax, width)),
                 .y2 = static_cast<float>(std::min(ymax, height))};
    }
    return std::nullopt;
  }

  std::optional<bool> read_difficult(const pugi::xml_node& object, const std::string& where) {
    const pugi::xml_node node = object.child("difficult");
    const std::string_view text = trimmed(node.child_value());
    if (!node || text == "0") return false;
    if (text == "1") return true;
    errors_.add("<difficult> is neither 0 nor 1", fmt::format("{} (\"{}\")", where, text));
    return std::nullopt;
  }

  /// The label of each class name.
  std::map<std::string, int64_t> read_labels() {
    std::map<std::string, int64_t> labels;
    if (options_.classes.empty()) {
      for (const auto& [name, file] : class_files_) labels.emplace(name, std::ssize(labels) + 1);
      return labels;
    }
    for (const std::string& name : options_.classes) {
      if (!labels.emplace(name, std::ssize(labels) + 1).second) {
        throw ConfigError(fmt::format("classes: \"{}\" is given twice", name));
      }
    }
    std::vector<std::string> found;
    for (const auto& [name, file] : class_files_) found.push_back(name);
    for (const auto& [name, file] : class_files_) {
      if (labels.contains(name)) continue;
      errors_.add(fmt::format("objects of a class that was not asked for (asked for: {}; found: {})",
                              fmt::join(options_.classes, ", "), fmt::join(found, ", ")),
                  fmt::format("{} in {}", name, file));
    }
    return labels;
  }

  void bad_box(const std::string& what, std::string where) {
    if (options_.bad_boxes == Policy::skip) {
      warnings_.add("dropped " + what, std::move(where));
    } else {
      errors_.add(what, std::move(where));
    }
  }

  void bad_image(const std::string& what, std::string where) {
    if (options_.bad_images == Policy::skip) {
      warnings_.add("dropped a record: " + what, std::move(where));
    } else {
      errors_.add(what, std::move(where));
    }
  }

  static int64_t line_at(const fs::path& file, std::ptrdiff_t offset) {
    std::ifstream in(file, std::ios::binary);
    int64_t line = 1;
    for (; offset > 0; --offset) line += in.get() == '\n';
    return line;
  }

  fs::path annotation_file(const std::string& id) const {
    return options_.root / "Annotations" / (id + ".xml");
  }
  std::string list_name() const { return fmt::format("ImageSets/Main/{}.txt", options_.split); }

  const VocOptions& options_;
  const std::string where_;
  Report errors_;
  Report warnings_;
  std::map<std::string, std::string> class_files_;  // each class name and the first file that has it
};

}  // namespace

std::shared_ptr<Dataset> read_voc(const VocOptions& options) {
  return Reader(options).read();
}

}  // namespace rcnn::data
