#include "data/formats/yolo/yolo_write.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/ranges.h>

#include <rcnn/error.h>

#include "data/formats/bring_image.h"
#include "data/formats/part_builder.h"
#include "data/formats/yolo/yolo_files.h"
#include "data/formats/yolo/yolo_names.h"
#include "data/formats/yolo/yolo_yaml.h"
#include "data/images/image_ending.h"
#include "data/paths.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

using Outline = std::vector<double>;  // x1, y1, x2, y2, ...

/// Roboflow and Label Studio write "[]" for objects that are boxes.
bool has_outline(const CocoDetails& details) {
  return details.segmentation.find_first_of("0123456789") != std::string::npos;
}

/// The only polygon of a segmentation; empty where it is anything else.
Outline only_polygon(const std::string& segmentation) {
  const auto json = nlohmann::json::parse(segmentation, nullptr, false);
  if (!json.is_array() || json.size() != 1 || !json.front().is_array()) return {};
  Outline outline;
  for (const auto& number : json.front()) {
    if (!number.is_number()) return {};
    outline.push_back(number.get<double>());
  }
  return outline.size() >= 6 && outline.size() % 2 == 0 ? outline : Outline();
}

/// Whether a box goes around an outline, as nearly as COCO's files round.
bool is_hull(const std::array<double, 4>& box, const Outline& outline) {
  std::array<double, 4> hull = {outline[0], outline[1], outline[0], outline[1]};
  for (size_t i = 0; i < outline.size(); i += 2) {
    hull[0] = std::min(hull[0], outline[i]), hull[2] = std::max(hull[2], outline[i]);
    hull[1] = std::min(hull[1], outline[i + 1]), hull[3] = std::max(hull[3], outline[i + 1]);
  }
  constexpr double kRounded = 0.011;
  return std::abs(hull[0] - box[0]) < kRounded && std::abs(hull[1] - box[1]) < kRounded &&
         std::abs(hull[2] - box[0] - box[2]) < kRounded && std::abs(hull[3] - box[1] - box[3]) < kRounded;
}

/// A length as a share of a side, with decimals for a millionth of a pixel of any side.
std::string share(double length, int64_t side) {
  auto text = fmt::format("{:.12f}", length / static_cast<double>(side));
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text == "-0" ? "0" : text;
}

void write_text(const fs::path& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text << std::flush;
  if (!out) throw DataError(fmt::format("{}: cannot be written; is the disk full?", file.string()));
}

class YoloWriter {
 public:
  YoloWriter(const fs::path& folder, std::span<const AnnotatedPart> parts, Problems& problems)
      : folder_(folder), parts_(parts), problems_(problems) {}

  void write(ImageFiles images) {
    number_classes();
    for (const auto& part : parts_) look_at(part);
    if (problems_.has(Severity::error)) return;
    tell_what_is_lost();
    for (size_t i = 0; i < parts_.size(); ++i) write_part(i, images);
    write_names();
  }

 private:
  std::string where(const AnnotatedPart& part, const CocoImage& image,
                    const CocoAnnotation& annotation) const {
    return part.place ? part.place(image, annotation) : fmt::format("annotation {}", annotation.id);
  }

  void number_classes() {
    std::set<std::string> names;
    std::vector<std::string> renumbered;
    for (const auto& part : parts_) {
      for (const auto& [id, name] : part.content.categories) {
        const auto [known, is_new] = numbers_.try_emplace(id, numbers_.size());
        if (!is_new) continue;
        names_.push_back(name);
        if (!names.insert(name).second) problems_.error("two classes have the same name", name);
        if (name.empty()) problems_.error("a class without a name", fmt::format("category {}", id));
        if (id != static_cast<int64_t>(known->second) && id != static_cast<int64_t>(known->second) + 1)
          renumbered.push_back(fmt::format("{} {} becomes {}", id, name, known->second));
      }
    }
    for (auto& text : renumbered) problems_.warn("classes are numbered anew, from 0", std::move(text));
  }

  /// Finds what cannot be written, and the sizes of the images.
  void look_at(const AnnotatedPart& part) {
    if (is_names_file(part.name + ".txt") || part.name.find_first_of("/\n\r") != std::string::npos)
      problems_.error("a part with a name that cannot be a file's here", part.name);
    const auto& images = part.content.images;
    const bool has_headers = part.headers.size() == images.size();
    const auto read =
        has_headers ? decltype(part.headers)() : read_headers(images, part.images, kMostMegapixels);
    const auto& headers = has_headers ? part.headers : read;
    auto& sizes = sizes_.emplace_back();
    std::map<std::string, std::string> labels;
    for (size_t i = 0; i < images.size(); ++i) {
      const auto& file = images[i].file_name;
      const auto* error = std::get_if<DataError>(&headers[i]);
      if (error != nullptr) problems_.error("an image that cannot be read", error->what());
      sizes.push_back(error != nullptr ? ImageSize() : std::get<ImageInfo>(headers[i]).size);
      if (file.find_first_of("\n\r") != std::string::npos)
        problems_.error("a line break in the name of an image", file);
      if (!has_image_ending(fs::path(file).filename().string()))
        problems_.error("an ending that YOLO does not look for in folders", file);
      const auto [other, is_new] = labels.emplace(label_of(part, images[i]), file);
      if (!is_new) {
        problems_.error("two images whose names differ in the ending alone, and would have the same labels",
                        fmt::format("{} and {}", other->second, file));
      }
    }
    choose_lines(part);
  }

  static std::string image_of(const AnnotatedPart& part, const CocoImage& image) {
    return fmt::format("images/{}/{}", part.name, image.file_name);
  }

  static std::string label_of(const AnnotatedPart& part, const CocoImage& image) {
    const fs::path file = *labels_path(image_of(part, image));
    return (file.parent_path() / file.stem()).concat(".txt").generic_string();
  }

  /// Outlines stay possible while every object has one.
  void choose_lines(const AnnotatedPart& part) {
    const auto& annotations = part.content.annotations;
    const auto& details = part.content.details;
    for (size_t i = 0; i < annotations.size(); ++i) {
      if (annotations[i].crowd) continue;
      has_objects_ = true;
      if (i >= details.size() || !has_outline(details[i])) {
        are_outlines_ = false;
        continue;
      }
      if (!are_outlines_) continue;
      const auto outline = only_polygon(details[i].segmentation);
      are_outlines_ = !outline.empty() && is_hull(annotations[i].box, outline);
    }
  }

  void tell_what_is_lost() {
    are_outlines_ &= has_objects_;
    for (const auto& part : parts_) {
      const auto& content = part.content;
      std::unordered_map<int64_t, const CocoImage*> images;
      for (const auto& image : content.images) images.emplace(image.id, &image);
      for (size_t i = 0; i < content.annotations.size(); ++i) {
        const auto& annotation = content.annotations[i];
        const auto image = images.find(annotation.image_id);
        if (image == images.end()) continue;
        const auto lost = [&](const std::string& what) {
          problems_.warn("left out: " + what, where(part, *image->second, annotation));
        };
        if (annotation.crowd) {
          lost("objects that are crowds or difficult, which YOLO cannot mark");
          continue;
        }
        const double box_area = annotation.box[2] * annotation.box[3];
        if (std::abs(annotation.area - box_area) > 1e-3) lost("an area that is not the box's");  // rounded
        if (i >= content.details.size()) continue;
        const auto& details = content.details[i];
        if (!are_outlines_ && has_outline(details))
          lost("outlines, for not every object of the set has exactly one polygon with its box as hull");
        if (!details.attributes.empty()) lost("attributes of objects");
        for (const auto& [key, value] : details.others) lost(fmt::format("\"{}\" of objects", key));
      }
      tell_of_fields(part);
    }
    if (are_outlines_)
      problems_.warn("lines are outlines, for every object has exactly one polygon",
                     "data.yaml: yolo_lines: outline");
  }

  void tell_of_fields(const AnnotatedPart& part) {
    const auto& content = part.content;
    const auto lost = [&](const JsonFields& fields, const char* of, const std::string& where) {
      for (const auto& [key, value] : fields)
        problems_.warn(fmt::format("left out: \"{}\" of {}", key, of), where);
    };
    for (size_t i = 0; i < content.image_fields.size(); ++i)
      lost(content.image_fields[i], "images", content.images[i].file_name);
    for (size_t i = 0; i < content.category_fields.size(); ++i)
      lost(content.category_fields[i], "classes", content.categories[i].name);
    lost(content.fields, "the data set", part.name);
    if (part.numbers_images)
      problems_.warn("left out: ids of images", fmt::format("{} of {}", content.images.size(), part.name));
    if (part.numbers_objects)
      problems_.warn("left out: ids of objects",
                     fmt::format("{} of {}", content.annotations.size(), part.name));
  }

  void write_part(size_t place, ImageFiles how) {
    const auto& part = parts_[place];
    const auto& content = part.content;
    std::unordered_map<int64_t, size_t> places;
    std::vector<std::string> labels(content.images.size());
    for (size_t i = 0; i < content.images.size(); ++i) places.emplace(content.images[i].id, i);
    for (size_t i = 0; i < content.annotations.size(); ++i) {
      const auto& annotation = content.annotations[i];
      const auto image = places.find(annotation.image_id);
      const auto number = numbers_.find(annotation.category_id);
      if (annotation.crowd || image == places.end() || number == numbers_.end()) continue;
      const auto size = sizes_[place][image->second];
      const auto shape = are_outlines_ ? outline_line(content.details[i].segmentation, size)
                                       : box_line(part, content.images[image->second], annotation, size);
      if (!shape.empty()) labels[image->second] += fmt::format("{} {}\n", number->second, shape);
    }
    std::set<fs::path> made;
    for (size_t i = 0; i < content.images.size(); ++i) {
      const auto& image = content.images[i];
      bring(part.images / image.file_name, folder_ / image_of(part, image), how);
      const auto label = folder_ / label_of(part, image);
      if (made.insert(label.parent_path()).second) fs::create_directories(label.parent_path());
      write_text(label, labels[i]);
    }
    if (content.images.empty()) problems_.warn("left out: a part without images", part.name);
  }

  static std::string outline_line(const std::string& segmentation, ImageSize size) {
    std::string line;
    const auto outline = only_polygon(segmentation);
    for (size_t i = 0; i < outline.size(); ++i) {
      const int64_t side = i % 2 == 0 ? size.width : size.height;
      const double inside = std::clamp(outline[i], 0.0, static_cast<double>(side));
      line += (i == 0 ? "" : " ") + share(inside, side);
    }
    return line;
  }

  /// Programs of YOLO's refuse shares beyond 0 and 1.
  std::string box_line(const AnnotatedPart& part, const CocoImage& image, const CocoAnnotation& annotation,
                       ImageSize size) {
    const auto [x, y, width, height] = annotation.box;
    const auto across = static_cast<double>(size.width), down = static_cast<double>(size.height);
    const double left = std::clamp(x, 0.0, across), right = std::clamp(x + width, 0.0, across);
    const double top = std::clamp(y, 0.0, down), bottom = std::clamp(y + height, 0.0, down);
    const bool is_outside = !(x < across && y < down && x + width > 0 && y + height > 0);
    if (is_outside || !(width > 0 && height > 0)) {
      problems_.warn("left out: boxes without size, or outside of their images",
                     where(part, image, annotation));
      return "";
    }
    if (left != x || top != y || right != x + width || bottom != y + height)
      problems_.warn("boxes are clipped to their images", where(part, image, annotation));
    return fmt::format("{} {} {} {}", share((left + right) / 2, size.width),
                       share((top + bottom) / 2, size.height), share(right - left, size.width),
                       share(bottom - top, size.height));
  }

  void write_names() {
    YoloYaml yaml{.names = names_, .lines = are_outlines_ ? "outline" : ""};
    std::set<std::string> keys;
    for (const auto& part : parts_) {
      if (part.content.images.empty()) continue;
      const bool is_val = part.name == "val" || part.name == "valid" || part.name == "validation";
      const auto key = is_val ? "val" : part.name;
      const bool is_key = key == "train" || key == "val" || key == "test";
      if (is_key && keys.insert(key).second) {
        yaml.parts.emplace_back(key, std::vector{"images/" + part.name});
        if (key != part.name)
          problems_.warn("a part has another name in data.yaml", fmt::format("{}: {}", part.name, key));
      } else {
        std::string list;
        for (const auto& image : part.content.images) list += "./" + image_of(part, image) + "\n";
        write_text(folder_ / (part.name + ".txt"), list);
      }
    }
    if (!keys.contains("train") || !keys.contains("val")) {
      problems_.warn(
          "data.yaml lacks a part that trainings of ultralytics need; name a list or a folder there",
          fmt::format("{}", fmt::join(keys.contains("train") ? std::vector{"val"}
                                      : keys.contains("val") ? std::vector{"train"}
                                                             : std::vector{"train", "val"},
                                      ", ")));
    }
    write_text(folder_ / "data.yaml", to_text(yaml));
    std::string classes;
    for (const auto& name : names_) classes += name + "\n";
    const bool fits = std::ranges::none_of(
        names_, [](const auto& name) { return name.find_first_of("\n\r") != std::string::npos; });
    if (fits) {
      write_text(folder_ / "classes.txt", classes);
    } else {
      problems_.warn("left out: classes.txt, for a name has a line break; data.yaml has it",
                     folder_.string());
    }
  }

  const fs::path& folder_;
  const std::span<const AnnotatedPart> parts_;
  Problems& problems_;
  std::map<int64_t, size_t> numbers_;  // of classes, by id
  std::vector<std::string> names_;     // by number
  std::vector<std::vector<ImageSize>> sizes_;
  bool are_outlines_ = true, has_objects_ = false;
};

}  // namespace

void write_yolo(const fs::path& folder, std::span<const AnnotatedPart> parts, ImageFiles images,
                Problems& problems) {
  YoloWriter(folder, parts, problems).write(images);
}

}  // namespace rcnn::data
