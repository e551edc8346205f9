#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include <spdlog/fmt/fmt.h>

#include <rcnn/data/categories.h>
#include <rcnn/data/formats/voc_file.h>
#include <rcnn/data/tools/convert.h>
#include <rcnn/error.h>
#include <rcnn/io/files/atomic_file.h>
#include <rcnn/io/files/new_folder.h>

#include "data/formats/coco_box.h"
#include "data/formats/voc_folder.h"
#include "data/paths.h"
#include "text.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

// Elements that an <object> of VOC may have for what COCO knows of it besides.
constexpr std::string_view kId = "id", kArea = "area", kCrowd = "iscrowd", kOutline = "segmentation";
constexpr std::string_view kDifficult = "difficult";  // an attribute

/// Reads the parts of one data set in VOC's layout.
class VocParts {
 public:
  VocParts(const fs::path& root, Problems& problems) : folder_(root), problems_(problems) {}

  std::vector<AnnotatedPart> read(std::span<const DatasetPart> parts) {
    folder_.check();
    for (const auto& part : parts) {
      auto& files = files_.emplace_back();
      for (const auto& id : folder_.ids(part.split.split, problems_)) {
        if (auto file = read_voc_file(folder_.annotation(id), VocFolder::annotation_name(id), problems_)) {
          files.emplace_back(id, std::move(*file));
        }
      }
    }
    for (const auto& files : files_) {
      for (const auto& [id, file] : files) by_id_[id] = &file;
    }
    number_images();
    number_annotations();
    number_classes();
    std::vector<AnnotatedPart> result;
    for (size_t i = 0; i < parts.size(); ++i) result.push_back(convert(parts[i].name, files_[i]));
    return result;
  }

 private:
  using Files = std::vector<std::pair<std::string, VocFile>>;  // by id

  void number_images() {
    std::map<std::string, std::optional<int64_t>> given, stems;
    for (const auto& [id, file] : by_id_) {
      given[id] = file->id;
      stems[id] = number<int64_t>(id);
    }
    if (adopt(given) || adopt(stems)) return;
    int64_t next = 0;
    for (const auto& [id, file] : given) image_ids_[id] = ++next;
  }

  /// Takes these ids if each image has one of its own.
  bool adopt(const std::map<std::string, std::optional<int64_t>>& ids) {
    std::set<int64_t> unique;
    for (const auto& [id, number] : ids) {
      if (!number || !unique.insert(*number).second) return false;
      image_ids_[id] = *number;
    }
    return true;
  }

  /// Gives each image the first number for its objects, unless all objects came with ids of their own.
  void number_annotations() {
    std::set<int64_t> unique;
    bool given = true;
    int64_t next = 1;
    for (const auto& [id, file] : by_id_) {
      first_annotation_[id] = next;
      next += std::ssize(file->objects);
      for (const auto& object : file->objects) {
        const auto number = id_of(object);
        given = given && number && unique.insert(*number).second;
      }
    }
    if (given) first_annotation_.clear();
  }

  static std::optional<int64_t> id_of(const VocObject& object) {
    for (const auto& [key, text] : object.others) {
      if (key == kId) return number<int64_t>(text);
    }
    return std::nullopt;
  }

  void number_classes() {
    const auto list = folder_.root() / "classes.txt";
    if (fs::exists(list)) categories_ = read_categories(list);
    std::set<std::string> names;
    for (const auto& [id, file] : by_id_) {
      for (const auto& object : file->objects) names.insert(object.name);
    }
    int64_t last = 0;
    for (const auto& category : categories_) {
      class_ids_.emplace(category.name, category.id);
      last = std::max(last, category.id);
    }
    for (const auto& name : names) {
      if (class_ids_.emplace(name, last + 1).second) categories_.push_back({++last, name});
    }
  }

  AnnotatedPart convert(const std::string& name, const Files& files) {
    AnnotatedPart part{.name = name, .content = {}, .images = folder_.root() / "JPEGImages"};
    part.content.categories = categories_;
    for (const auto& [id, file] : files) {
      const auto image = folder_.image(id);
      if (!image) {
        problems_.error("no image file .jpg, .JPG, .jpeg, .JPEG or .png", "JPEGImages/" + id);
        continue;
      }
      const auto image_id = image_ids_.at(id);
      part.content.images.push_back(
          {.id = image_id, .file_name = image->filename(), .size = file.size.value_or(ImageSize{})});
      for (size_t i = 0; i < file.objects.size(); ++i) {
        const auto& object = file.objects[i];
        const auto first = first_annotation_.find(id);
        part.content.annotations.push_back({.id = first == first_annotation_.end()
                                                      ? *id_of(object)
                                                      : first->second + static_cast<int64_t>(i),
                                            .image_id = image_id,
                                            .category_id = class_ids_.at(object.name)});
        part.content.details.push_back(convert(object, part.content.annotations.back()));
        if (object.parts) {
          problems_.warn("the parts of an object are left out",
                         fmt::format("{} object {}", VocFolder::annotation_name(id), object.position));
        }
      }
    }
    return part;
  }

  /// Fills in what the object says of itself.
  static CocoDetails convert(const VocObject& object, CocoAnnotation& annotation) {
    const auto [xmin, ymin, xmax, ymax] = object.corners;
    const double x = micropixel(xmin - 1), y = micropixel(ymin - 1);
    set_box(annotation, x, y, xmax - x, ymax - y);
    annotation.crowd = object.difficult;
    CocoDetails details;
    bool was_crowd = false;
    for (const auto& [key, text] : object.others) {
      if (key == kArea) {
        annotation.area = number<double>(text).value_or(annotation.area);
      } else if (key == kCrowd) {
        was_crowd = annotation.crowd = text == "1";
      } else if (key == kOutline) {
        details.segmentation = text;
      } else if (key != kId) {
        details.attributes.emplace_back(key, text);
      }
    }
    if (object.difficult && !was_crowd) details.attributes.emplace_back(kDifficult, "1");
    return details;
  }

  const VocFolder folder_;
  Problems& problems_;
  std::vector<Files> files_;                         // of each part
  std::map<std::string, const VocFile*> by_id_;      // of all parts
  std::map<std::string, int64_t> image_ids_;         // by VOC's
  std::map<std::string, int64_t> first_annotation_;  // by VOC's image id; empty when objects have their own
  std::map<std::string, int64_t> class_ids_;         // by name
  std::vector<Category> categories_;
};

/// An annotation as an object of VOC.
VocObject voc_object(const CocoAnnotation& annotation, const CocoDetails& details, const std::string& name) {
  const auto [x, y, width, height] = annotation.box;
  VocObject object{
      .name = name,
      .corners = {micropixel(x + 1), micropixel(y + 1), micropixel(x + width), micropixel(y + height)},
      .difficult = annotation.crowd};
  bool was_difficult = false;
  for (const auto& [key, text] : details.attributes) {
    if (key == kDifficult) {
      was_difficult = text == "1";
    } else {
      object.others.emplace_back(key, text);
    }
  }
  const auto add = [&](std::string_view key, std::string text) {
    object.others.emplace_back(key, std::move(text));
  };
  add(kId, std::to_string(annotation.id));
  if (annotation.area != width * height) add(kArea, fmt::format("{}", annotation.area));
  if (annotation.crowd && !was_difficult) add(kCrowd, "1");
  if (!details.segmentation.empty()) add(kOutline, details.segmentation);
  return object;
}

void bring(const fs::path& image, const fs::path& to, ImageFiles how) {
  std::error_code error;
  if (how == ImageFiles::copy) {
    fs::create_directories(to.parent_path(), error);
    fs::copy_file(image, to, error);
  } else {
    fs::create_symlink(fs::canonical(image, error), to, error);
  }
  if (error) throw DataError(fmt::format("{}: cannot be written: {}", to.string(), error.message()));
}

/// Refuses images that VOC's layout cannot tell apart, or does not know.
void check_names(std::span<const AnnotatedPart> parts) {
  static const std::set<std::string> kEndings = {".jpg", ".JPG", ".jpeg", ".JPEG", ".png"};
  std::map<std::string, fs::path> taken;
  Problems problems;
  for (const auto& part : parts) {
    for (const auto& image : part.content.images) {
      const auto file = fs::weakly_canonical(part.images / image.file_name);  // a link is the same image
      const auto id = fs::path(image.file_name).stem().string();
      if (!kEndings.contains(fs::path(image.file_name).extension())) {
        problems.error("an image that is no .jpg, .jpeg or .png", file.string());
      }
      const auto [other, is_new] = taken.emplace(id, file);
      if (!is_new && other->second != file) {
        problems.error("two images whose names differ in folder or ending only",
                       fmt::format("{} and {}", other->second.string(), file.string()));
      }
    }
  }
  problems.settle("Pascal VOC's layout");
}

/// What a file says of images and categories that it does not have, and file names that lead elsewhere.
void check_references(const CocoFile& content, Problems& problems) {
  std::set<int64_t> images, categories;
  for (const auto& category : content.categories) categories.insert(category.id);
  for (const auto& image : content.images) {
    images.insert(image.id);
    if (!stays_inside(image.file_name)) {
      problems.error("a file name leads out of the folder of images, or is no name",
                     fmt::format("{} (image {})", image.file_name, image.id));
    }
  }
  for (const auto& annotation : content.annotations) {
    if (images.contains(annotation.image_id) && categories.contains(annotation.category_id)) continue;
    problems.error("an annotation of an image or category that is not there",
                   fmt::format("annotation {} (image {}, category {})", annotation.id, annotation.image_id,
                               annotation.category_id));
  }
}

}  // namespace

std::vector<AnnotatedPart> read_parts(std::span<const DatasetPart> parts, Problems& problems) {
  TORCH_CHECK(!parts.empty(), "read_parts: no part");
  for (const auto& part : parts) part.require_own_files();
  if (parts.front().options.type == "voc") {
    return VocParts(parts.front().options.root, problems).read(parts);
  }
  std::vector<AnnotatedPart> result;
  for (const auto& part : parts) {
    result.push_back({.name = part.name,
                      .content = read_coco_file(part.split.annotations, problems, true),
                      .images = part.split.images});
    check_references(result.back().content, problems);
  }
  return result;
}

void write_coco(const fs::path& output, std::span<const AnnotatedPart> parts, ImageFiles images) {
  io::make_new_folder(output);
  io::make_new_folder(output / "annotations");
  for (const auto& part : parts) {
    write_coco_file(output / "annotations" / fmt::format("instances_{}.json", part.name), part.content);
    if (images == ImageFiles::link) {
      bring(part.images, output / part.name, images);
      continue;
    }
    for (const auto& image : part.content.images) {
      bring(part.images / image.file_name, output / part.name / image.file_name, images);
    }
  }
}

void write_voc(const fs::path& output, std::span<const AnnotatedPart> parts, ImageFiles images) {
  check_names(parts);
  VocFolder(output).make();
  std::map<int64_t, std::string> names;
  for (const auto& part : parts) {
    std::map<int64_t, std::pair<std::string, VocFile>> files;  // by image id
    std::string list;
    for (const auto& image : part.content.images) {
      const auto source = part.images / image.file_name;
      const auto id = source.stem().string();
      list += id + '\n';
      files[image.id] = {id, {.file_name = source.filename(), .id = image.id}};
      if (image.size != ImageSize{}) files[image.id].second.size = image.size;
      const auto target = output / "JPEGImages" / source.filename();
      if (!fs::exists(target)) bring(source, target, images);
    }
    for (const auto& category : part.content.categories) names.emplace(category.id, category.name);
    for (size_t i = 0; i < part.content.annotations.size(); ++i) {
      const auto& annotation = part.content.annotations[i];
      const auto details = part.content.details.empty() ? CocoDetails{} : part.content.details[i];
      files.at(annotation.image_id)
          .second.objects.push_back(voc_object(annotation, details, names.at(annotation.category_id)));
    }
    for (const auto& [image, file] : files) {
      write_voc_file(output / VocFolder::annotation_name(file.first), file.second);
    }
    io::write_atomically(output / "ImageSets/Main" / (part.name + ".txt"), list);
  }
  std::string classes;
  for (const auto& [id, name] : names) classes += fmt::format("{} {}\n", id, name);
  io::write_atomically(output / "classes.txt", classes);
}

}  // namespace rcnn::data
