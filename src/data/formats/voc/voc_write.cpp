#include "data/formats/voc/voc_write.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/formats/voc/voc_file.h>
#include <rcnn/io/files/atomic_file.h>
#include <rcnn/io/files/new_folder.h>

#include "data/formats/bring_image.h"
#include "data/formats/micropixel.h"
#include "data/formats/slash_path.h"
#include "data/formats/xml_file.h"
#include "data/images/image_ending.h"
#include "data/passed_over.h"
#include "data/paths.h"
#include "text.h"
#include "utf8.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

/// An image as it will lie below JPEGImages/.
struct VocTarget {
  fs::path source;
  std::string file;  // with its ending
  std::string id;
  VocFile content = {};
};

bool is_one_line(std::string_view text) {
  return is_xml_text(text) && text.find_first_of("\r\n") == std::string_view::npos;
}

class VocWriter {
 public:
  VocWriter(std::span<const AnnotatedPart> parts, Problems& problems) : parts_(parts), problems_(problems) {}

  void write(const fs::path& folder, ImageFiles how) {
    choose_files();
    choose_ids();
    check_classes();
    for (size_t i = 0; i < parts_.size(); ++i) fill(parts_[i], of_parts_[i]);
    tell_what_is_lost();
    if (problems_.has(Severity::error)) return;

    for (const char* name : {"Annotations", "JPEGImages", "ImageSets", "ImageSets/Main"})
      io::make_new_folder(folder / name);
    for (const auto& target : targets_) {
      bring(target.source, folder / "JPEGImages" / target.file, how);
      const auto xml = folder / "Annotations" / (target.id + ".xml");
      std::error_code ignored;  // write_voc_file() says what is wrong
      fs::create_directories(xml.parent_path(), ignored);
      write_voc_file(xml, target.content);
    }
    for (size_t i = 0; i < parts_.size(); ++i) {
      std::string list;
      for (const size_t target : of_parts_[i]) list += targets_[target].id + '\n';
      io::write_atomically(folder / "ImageSets/Main" / (parts_[i].name + ".txt"), list);
    }
    if (!classes_.empty()) io::write_atomically(folder / "classes.txt", class_list());
  }

 private:
  /// Gives every image its place, below the name of its part where those of several parts would be one.
  void choose_files() {
    std::map<std::string, fs::path> sources;  // by file name
    std::set<std::string> shared;             // names of different images
    for (const auto& part : parts_) {
      for (const auto& image : part.content.images) {
        const auto source = (part.images / image.file_name).lexically_normal();
        const auto [known, is_new] = sources.emplace(plain(image.file_name), source);
        if (!is_new && !is_same_file(known->second, source)) shared.insert(known->first);
      }
    }
    for (const auto& part : parts_) {
      if (!is_one_line(part.name) || part.name.find('/') != std::string::npos || trimmed(part.name).empty())
        problems_.error("a part's name is none of a list's file", part.name);
      auto& targets = of_parts_.emplace_back();
      std::set<size_t> seen;
      for (const auto& image : part.content.images) {
        auto file = plain(image.file_name);
        if (!stays_inside(image.file_name) || !is_one_line(file)) {
          problems_.error("an image's name that a list of names, or XML, cannot hold", image.file_name);
        } else if (std::ranges::any_of(fs::path(file),
                                       [](auto& name) { return is_passed_over(name.string()); })) {
          problems_.error("an image's name that is passed over where folders are read", image.file_name);
        }
        if (shared.contains(file)) {
          file = part.name + '/' + file;
          problems_.warn("images of several parts have one name; those of a part are put into its folder",
                         file);
        }
        const auto [known, is_new] = by_file_.emplace(file, targets_.size());
        if (is_new) targets_.push_back({.source = part.images / image.file_name, .file = file, .id = {}});
        if (!seen.insert(known->second).second) problems_.error("an image is there twice in a part", file);
        targets.push_back(known->second);
      }
    }
  }

  static std::string plain(const std::string& file_name) {
    return fs::path(file_name).lexically_normal().generic_string();
  }

  static bool is_same_file(const fs::path& a, const fs::path& b) {
    if (a == b) return true;
    std::error_code ignored;  // what is not there is found by its reader
    return fs::weakly_canonical(a, ignored) == fs::weakly_canonical(b, ignored);
  }

  /// An id is the name without its ending, unless an image has this name already, or another one this id.
  void choose_ids() {
    for (auto& target : targets_) {
      target.id = has_image_ending(name_of(target.file)) ? stem_of(target.file) : target.file;
    }
    for (bool clash = true; clash;) {
      clash = false;
      std::map<std::string, std::vector<VocTarget*>> by_id;
      for (auto& target : targets_) by_id[target.id].push_back(&target);
      for (const auto& [id, those] : by_id) {
        const auto same_name = by_file_.find(id);
        for (auto* target : those) {
          const bool is_others_name = same_name != by_file_.end() && target->file != id;
          if ((those.size() == 1 && !is_others_name) || target->id == target->file) continue;
          target->id = target->file;
          clash = true;
        }
      }
    }
  }

  void check_classes() {
    std::map<std::string, int64_t> ids;  // by name
    for (const auto& part : parts_) {
      for (const auto& [id, name] : part.content.categories) {
        const auto said = fmt::format("{} ({})", name, id);
        const auto [known, is_new] = classes_.emplace(id, name);
        if (!is_new) {
          if (known->second != name) problems_.error("parts have different classes of one id", said);
          continue;
        }
        const std::string read_back(trimmed(name));
        if (read_back.empty() || !is_one_line(name)) {
          problems_.error("a class's name that XML cannot hold", said);
        } else if (!ids.emplace(read_back, id).second) {
          problems_.error("two classes have one name", said);
        } else if (read_back != name) {
          problems_.warn("blanks around a class's name are lost", said);
        }
      }
    }
  }

  std::string class_list() const {
    std::string list;
    for (const auto& [id, name] : classes_) list += fmt::format("{} {}\n", id, name);
    return list;
  }

  /// Fills in what the annotation files of a part will say.
  void fill(const AnnotatedPart& part, const std::vector<size_t>& targets) {
    const auto& content = part.content;
    std::unordered_map<int64_t, VocFile> files;  // by the image's id
    for (size_t i = 0; i < targets.size(); ++i) {
      const auto& image = content.images[i];
      const auto& file = targets_[targets[i]].file;
      VocFile said{.file_name = std::string(name_of(file)), .id = image.id};
      if (image.size.height > 0 && image.size.width > 0) said.size = image.size;
      if (!files.emplace(image.id, std::move(said)).second)
        problems_.error("two images of a part have one id", fmt::format("{} ({})", file, image.id));
    }
    for (size_t i = 0; i < content.annotations.size(); ++i) {
      const auto& annotation = content.annotations[i];
      const auto file = files.find(annotation.image_id);
      const auto name = classes_.find(annotation.category_id);
      if (file == files.end() || name == classes_.end()) {
        problems_.error("an annotation of an image or class that is not there",
                        fmt::format("annotation {}", annotation.id));
        continue;
      }
      static const CocoDetails kNoDetails;
      file->second.objects.push_back(
          object_of(annotation, content.details.empty() ? kNoDetails : content.details[i], name->second));
    }
    for (size_t i = 0; i < targets.size(); ++i) {
      auto& target = targets_[targets[i]];
      auto& file = files[content.images[i].id];
      const bool is_new = target.content.file_name.empty();
      if (!is_new && target.content != file)
        problems_.error("parts have different annotations of one image", target.file);
      if (is_new) target.content = std::move(file);
    }
  }

  VocObject object_of(const CocoAnnotation& annotation, const CocoDetails& details, const std::string& name) {
    const auto [x, y, width, height] = annotation.box;
    VocObject object{
        .name = std::string(trimmed(name)),
        .corners = {micropixel(x + 1), micropixel(y + 1), micropixel(x + width), micropixel(y + height)},
        .difficult = annotation.crowd,
        .id = annotation.id,
        .crowd = annotation.crowd};
    for (const auto& [key, value] : details.attributes) {
      const auto said = fmt::format("{} (annotation {})", key, annotation.id);
      if (!is_utf8(key) || !is_utf8(value)) {
        problems_.warn("left out: attributes that are no UTF-8", said);
      } else if (annotation.crowd && object.crowd && key == "difficult" && value == "\"1\"") {
        object.crowd = false;  // it is what VOC means by difficult
      } else {
        object.attributes.emplace_back(key, value);
      }
    }
    CocoAnnotation read_back;
    const auto [xmin, ymin, xmax, ymax] = object.corners;
    const double left = micropixel(xmin - 1), top = micropixel(ymin - 1);
    set_box(read_back, left, top, xmax - left, ymax - top);
    if (annotation.area != read_back.area) object.area = annotation.area;
    object.segmentation = details.segmentation;
    for (const auto& field : details.others) {
      if (is_kept(field)) {
        object.others.push_back(field);
      } else {
        ++lost_["fields of annotations"][field.first];
      }
    }
    return object;
  }

  static bool is_kept(const JsonFields::value_type& field) {
    const auto value = nlohmann::json::parse(field.second, nullptr, false);
    return (field.first == "keypoints" && value.is_structured()) ||
           (field.first == "num_keypoints" && value.is_number_integer());
  }

  void tell_what_is_lost() {
    const auto count = [](const std::vector<JsonFields>& entries, std::map<std::string, int64_t>& counts) {
      for (const auto& fields : entries) {
        for (const auto& [key, value] : fields) ++counts[key];
      }
    };
    for (const auto& part : parts_) {
      count({part.content.fields}, lost_["fields of files"]);
      count(part.content.image_fields, lost_["fields of images"]);
    }
    count(parts_.empty() ? std::vector<JsonFields>() : parts_.front().content.category_fields,
          lost_["fields of classes"]);
    for (const auto& [what, counts] : lost_) {
      for (const auto& [key, number] : counts)
        problems_.warn("Pascal VOC does not hold " + what, fmt::format("{} ({})", key, number));
    }
  }

  const std::span<const AnnotatedPart> parts_;
  Problems& problems_;
  std::vector<VocTarget> targets_;                              // each image once
  std::unordered_map<std::string, size_t> by_file_;             // their places
  std::vector<std::vector<size_t>> of_parts_;                   // the places of each part's images
  std::map<int64_t, std::string> classes_;                      // by id
  std::map<std::string, std::map<std::string, int64_t>> lost_;  // what of, and how often each key
};

}  // namespace

void write_voc(const fs::path& folder, std::span<const AnnotatedPart> parts, ImageFiles images,
               Problems& problems) {
  VocWriter(parts, problems).write(folder, images);
}

}  // namespace rcnn::data
