#include "data/formats/voc/voc_format.h"

#include <algorithm>
#include <any>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <spdlog/fmt/ranges.h>

#include <rcnn/data/categories.h>
#include <rcnn/data/formats/voc/voc_file.h>
#include <rcnn/error.h>

#include "data/formats/micropixel.h"
#include "data/formats/part_builder.h"
#include "data/formats/slash_path.h"
#include "data/formats/voc/voc_images.h"
#include "data/formats/voc/voc_layout.h"
#include "data/formats/voc/voc_lists.h"
#include "data/formats/voc/voc_write.h"
#include "data/images/image_ending.h"
#include "data/paths.h"
#include "text.h"

namespace rcnn::data {
namespace {

/// What SplitOptions::own holds: a part, and the listing of the data set that all parts share.
struct OwnVocPart {
  std::shared_ptr<const Place> place;
  VocPart part;
  std::vector<std::string> passed_over;
};

/// An annotation file and its image.
struct VocEntry {
  std::string id;
  std::string file;   // a path, for messages
  std::string image;  // a path below the place
  VocFile content = {};
};

std::string_view name_in(std::string_view path) {
  return path.substr(std::min(path.find_last_of("/\\") + 1, path.size()));
}

class VocPartReader {
 public:
  VocPartReader(const DatasetPart& part, bool with_details, Problems& problems)
      : own_(std::any_cast<const OwnVocPart&>(part.split.own)),
        part_(own_.part),
        place_(*own_.place),
        options_(part.options),
        limit_(part.split.limit),
        with_details_(with_details),
        problems_(problems),
        images_(place_, part_) {}

  AnnotatedPart read() {
    for (const auto& folder : own_.passed_over)
      problems_.warn("further annotation files of Pascal VOC are not of this data set", folder);
    auto entries = read_entries();
    find_other_images(entries);
    return build(entries);
  }

 private:
  std::vector<VocEntry> read_entries() {
    const auto files = annotation_files(place_, part_);
    auto ids = ids_of(place_, part_, files, options_.bad_images, problems_);
    if (files.empty() && (part_.lists.empty() || !ids.empty())) {
      throw DataError(
          fmt::format("{}: has no folder of annotations; a Pascal VOC data set has Annotations, JPEGImages "
                      "and ImageSets/Main, or .xml files beside its images",
                      place_.path().string()));
    }
    if (limit_ > 0 && std::ssize(ids) > limit_) ids.resize(static_cast<size_t>(limit_));
    std::vector<VocEntry> entries;
    for (auto& id : ids) {
      const auto file = files.find(id);
      if (file == files.end()) {
        const auto path = path_below(part_.annotations, id + ".xml");
        bad("no annotation file", path + missing_.why(place_.path() / path));
        continue;
      }
      auto content = read_voc_file(place_.path() / file->second, file->second, problems_,
                                   {.bad_boxes = options_.bad_boxes,
                                    .bad_values = options_.bad_values,
                                    .bad_images = options_.bad_images,
                                    .with_details = with_details_});
      const std::string_view file_name = content ? name_in(content->file_name) : "";
      auto image = images_.in_place(id, file_name);
      if (image) used_.insert(*image);
      if (!content) continue;
      entries.push_back({.id = std::move(id),
                         .file = file->second,
                         .image = image.value_or(""),
                         .content = std::move(*content)});
    }
    return entries;
  }

  /// Finds images that do not lie where their ids say, and leaves out entries without one.
  void find_other_images(std::vector<VocEntry>& entries) {
    std::erase_if(entries, [&](VocEntry& entry) {
      const auto& file_name = entry.content.file_name;
      if (entry.image.empty()) {
        auto found = images_.elsewhere(entry.id, file_name);
        if (!found || !used_.insert(*found).second) {
          const auto path = path_below(part_.images, entry.id);
          bad("no image file of an annotation file", path + missing_.why(place_.path() / (path + ".jpg")));
          return true;
        }
        entry.image = std::move(*found);
      }
      warn_of_other_image(entry);
      return false;
    });
    if (!part_.lists.empty() || part_.shares_images || limit_ > 0) return;
    for (const auto& folder : place_.folders()) {
      for (const auto& name : folder.images()) {
        const auto image = folder.file(name);
        if (lies_below(image, part_.images) && lies_below(image, part_.scope) && !used_.contains(image))
          problems_.warn("left out: images without an annotation file", image);
      }
    }
  }

  void warn_of_other_image(const VocEntry& entry) {
    const auto said = lower(std::string(name_in(entry.content.file_name)));
    const auto name = lower(std::string(trimmed(name_in(entry.image))));
    const auto stem = [](const std::string& file) {
      return has_image_ending(file) ? std::string(stem_of(file)) : file;
    };
    if (said.empty() || said == name || stem(said) == stem(name)) return;
    problems_.warn("<filename> is of another image",
                   fmt::format("{} ({})", entry.file, entry.content.file_name));
  }

  AnnotatedPart build(const std::vector<VocEntry>& entries) {
    const bool in_one_folder = std::ranges::all_of(
        entries, [&](const VocEntry& entry) { return lies_below(entry.image, part_.images); });
    const auto folder = in_one_folder ? part_.images : "";
    auto path = place_.path();
    if (!folder.empty()) path /= folder;
    PartBuilder builder(part_.name, path);
    auto files = std::make_shared<std::unordered_map<std::string, std::string>>();  // by the image's
    bool images_have_ids = true, objects_have_ids = true;
    for (const auto& entry : entries) {
      auto name = entry.image.substr(folder.empty() ? 0 : folder.size() + 1);
      files->emplace(name, entry.file);
      const auto image =
          builder.add_image(std::move(name), entry.id, entry.content.size.value_or(ImageSize{}));
      images_have_ids &= entry.content.id.has_value();
      for (const auto& object : entry.content.objects) {
        add(builder, image, object, entry);
        objects_have_ids &= object.id.has_value();
      }
    }
    auto part = builder.take(known_categories());
    if (images_have_ids) take_image_ids(entries, part);
    if (objects_have_ids) take_object_ids(entries, part);
    part.place = [files](const CocoImage& image, const CocoAnnotation& annotation) {
      return fmt::format("{} object {}", files->at(image.file_name), annotation.position);
    };
    return part;
  }

  /// Those of classes.txt where it gives them ids, as written data sets have it. A list of names alone is
  /// some other program's, and may name classes that these files do not have.
  std::vector<Category> known_categories() const {
    const auto file = path_below(part_.classes, "classes.txt");
    const auto head = place_.head(file);
    const auto text = trimmed(head);
    const bool has_ids = number<int64_t>(text.substr(0, text.find_first_of(" \t"))).has_value();
    return has_ids ? read_categories(place_.path() / file) : std::vector<Category>();
  }

  void add(PartBuilder& builder, size_t image, const VocObject& object, const VocEntry& entry) {
    const auto [xmin, ymin, xmax, ymax] = object.corners;
    auto& annotation = builder.add_object(image, object.name, {}, static_cast<int32_t>(object.position));
    const double x = micropixel(xmin - 1), y = micropixel(ymin - 1);
    set_box(annotation, x, y, xmax - x, ymax - y);
    annotation.area = object.area.value_or(annotation.area);
    annotation.crowd = object.difficult || object.crowd;
    if ((xmin < 1 || ymin < 1) && xmin <= xmax && ymin <= ymax) {
      problems_.warn(
          "clipped a box that begins below 1, from where VOC counts; written by a tool that counts from 0?",
          fmt::format("{} object {} ({}, {}, {}, {})", entry.file, object.position, xmin, ymin, xmax, ymax));
    }
    if (!with_details_) return;
    auto& details = builder.details();
    details = {.segmentation = object.segmentation, .attributes = object.attributes, .others = object.others};
    // COCO has crowds alone, so that it is said which of them were difficult objects.
    if (object.difficult && !object.crowd) details.attributes.emplace_back("difficult", "\"1\"");
  }

  /// Numbers images as their files do.
  static void take_image_ids(const std::vector<VocEntry>& entries, AnnotatedPart& part) {
    auto& content = part.content;
    std::unordered_set<int64_t> ids;
    for (const auto& entry : entries) {
      if (!ids.insert(*entry.content.id).second) return;
    }
    for (auto& annotation : content.annotations)
      annotation.image_id = *entries[static_cast<size_t>(annotation.image_id) - 1].content.id;
    for (size_t i = 0; i < entries.size(); ++i) content.images[i].id = *entries[i].content.id;
    part.numbers_images = true;
  }

  static void take_object_ids(const std::vector<VocEntry>& entries, AnnotatedPart& part) {
    std::unordered_set<int64_t> ids;
    for (const auto& entry : entries) {
      for (const auto& object : entry.content.objects) {
        if (!ids.insert(*object.id).second) return;
      }
    }
    size_t place = 0;
    for (const auto& entry : entries) {
      for (const auto& object : entry.content.objects) part.content.annotations[place++].id = *object.id;
    }
    part.numbers_objects = true;
  }

  void bad(const char* what, std::string where) {
    problems_.bad(options_.bad_images, "bad_images", what, std::move(where));
  }

  const OwnVocPart& own_;
  const VocPart& part_;
  const Place& place_;
  const DataOptions& options_;
  const int64_t limit_;
  const bool with_details_;
  Problems& problems_;
  VocImages images_;
  MissingFiles missing_;
  std::unordered_set<std::string> used_;  // images
};

std::vector<DatasetPart> voc_parts(const Place& place, const LocateOptions& options) {
  const auto layout = find_voc_layout(place);
  if (layout.parts.empty()) return {};
  options.refuse_images(place.path());
  const auto shared = std::make_shared<const Place>(place);
  std::vector<DatasetPart> parts;
  for (const auto& found : layout.parts) {
    DatasetPart part{.name = found.name, .options = {}, .split = {}};
    part.options.root = place.path();
    part.split.split = found.name;
    part.split.own = OwnVocPart{shared, found, layout.passed_over};
    parts.push_back(std::move(part));
  }
  return parts;
}

AnnotatedPart read_voc_part(const DatasetPart& part, bool with_details, Problems& problems) {
  return VocPartReader(part, with_details, problems).read();
}

Nearness near_voc(const Place& place) {
  constexpr int kHalf = 50;
  auto lacks = find_voc_layout(place).lacks;
  return {.share = lacks.empty() ? 0 : kHalf, .lacks = std::move(lacks)};
}

}  // namespace

Format voc_format() {
  return {.parts = voc_parts, .read = read_voc_part, .near = near_voc, .write = write_voc};
}

}  // namespace rcnn::data
