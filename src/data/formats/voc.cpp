#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>
#include <variant>

#include <spdlog/fmt/ranges.h>

#include <rcnn/data/formats/voc.h>
#include <rcnn/data/formats/voc_file.h>
#include <rcnn/data/images/image.h>

#include "data/formats/stated_size.h"
#include "data/formats/voc_folder.h"
#include "data/paths.h"
#include "data/record_list.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

/// A record whose objects still have names for labels.
struct NamedRecord {
  Record record;
  std::vector<std::string> names;
};

class VocReader {
 public:
  VocReader(const VocOptions& options, Problems& problems)
      : options_(options), folder_(options.root), problems_(problems) {}

  std::shared_ptr<Dataset> read() {
    folder_.check();
    std::vector<NamedRecord> named;
    auto ids = folder_.ids(options_.split, problems_);
    if (options_.limit > 0 && std::ssize(ids) > options_.limit)
      ids.resize(static_cast<size_t>(options_.limit));
    std::vector<fs::path> images;
    for (const auto& id : ids) images.push_back(folder_.image(id).value_or(fs::path()));
    const auto infos = image_infos(images, kHeaderReaders, options_.max_megapixels);
    for (size_t i = 0; i < ids.size(); ++i) {
      if (auto record = read_record(ids[i], images[i], infos[i])) named.push_back(std::move(*record));
    }
    const std::map<std::string, int64_t> labels = read_labels();
    std::vector<Category> categories(labels.size());
    for (const auto& [name, label] : labels) categories[label - 1] = {.id = label, .name = name};
    std::vector<Record> records;
    bool any_object = false;
    for (auto& [record, names] : named) {
      std::vector<Object> objects;
      for (size_t i = 0; i < names.size(); ++i) {
        const auto label = labels.find(names[i]);
        if (label == labels.end()) continue;
        objects.push_back(record.objects[i]);
        objects.back().label = label->second;
      }
      record.objects = std::move(objects);
      any_object |= !record.objects.empty();
      records.push_back(std::move(record));
    }
    if (!any_object) {
      problems_.error("no image has an object that can be used; there is nothing to find",
                      fmt::format("{} images", records.size()));
    }
    return std::make_shared<RecordList>(std::move(records), std::move(categories), options_.max_megapixels);
  }

 private:
  std::optional<NamedRecord> read_record(const std::string& id, const fs::path& image,
                                         const std::variant<ImageInfo, DataError>& info) {
    const std::string name = VocFolder::annotation_name(id);
    const fs::path file = folder_.annotation(id);
    std::optional<VocFile> annotation;
    if (is_there(file)) {
      annotation = read_voc_file(file, name, problems_);
    } else {
      problems_.bad(options_.bad_images, "no annotation file", name + missing_.why(file));
    }
    const auto size = check_image(id, image, info, name, annotation);
    if (!annotation || !size) return std::nullopt;

    const auto& file_name = annotation->file_name;
    if (!file_name.empty() && file_name != id && fs::path(file_name).stem() != id) {
      problems_.warn("<filename> is of another image", fmt::format("{} ({})", name, file_name));
    }
    NamedRecord result{.record = {.id = id, .image = image, .size = *size, .objects = {}}, .names = {}};
    for (const VocObject& object : annotation->objects) {
      class_files_.try_emplace(object.name, name);
      const auto where = fmt::format("{} object {}", name, object.position);
      const auto box = clipped(object.corners, *size, where);
      if (!box) continue;
      result.record.objects.push_back({.box = *box, .label = 0, .ignore = object.difficult});
      result.names.push_back(object.name);
    }
    return result;
  }

  /// The size of the image, checked against what the annotation says of it.
  std::optional<ImageSize> check_image(const std::string& id, const fs::path& file,
                                       const std::variant<ImageInfo, DataError>& info,
                                       const std::string& name, const std::optional<VocFile>& annotation) {
    if (file.empty()) {
      const auto why = missing_.why(options_.root / "JPEGImages" / (id + ".jpg"));
      problems_.bad(options_.bad_images, "no image file .jpg, .JPG, .jpeg, .JPEG or .png",
                    "JPEGImages/" + id + why);
      return std::nullopt;
    }
    if (const auto* error = std::get_if<DataError>(&info)) {
      problems_.bad(options_.bad_images, "an image that cannot be read", error->what());
      return std::nullopt;
    }
    const auto& found = std::get<ImageInfo>(info);
    const auto stated = annotation ? annotation->size : std::nullopt;
    if (stated && !has_stated_size(found, *stated, name, options_.bad_images, problems_)) return std::nullopt;
    warn_if_turned(found, file.string(), problems_);
    return found.size;
  }

  std::optional<Box> clipped(const std::array<double, 4>& corners, ImageSize size, const std::string& where) {
    const auto [xmin, ymin, xmax, ymax] = corners;
    const auto width = static_cast<double>(size.width);
    const auto height = static_cast<double>(size.height);
    const auto box = [&] { return fmt::format("{} ({}, {}, {}, {})", where, xmin, ymin, xmax, ymax); };
    const auto bad = [&](const char* what) { problems_.bad(options_.bad_boxes, what, box()); };
    if (xmin > xmax || ymin > ymax) {
      bad("a box whose xmin is above xmax, or ymin above ymax");
    } else if (xmin == xmax || ymin == ymax) {
      bad("a box of zero size");
    } else if (xmin > width || ymin > height || xmax <= 0 || ymax <= 0) {
      bad("a box outside of its image");
    } else {
      if (xmin < 1 || ymin < 1) {
        problems_.warn(
            "clipped a box that begins below 1, from where VOC counts; written by a tool that counts "
            "from 0?",
            box());
      }
      if (xmax > width || ymax > height) problems_.warn("clipped a box to its image", box());
      return Box{.x1 = static_cast<float>(std::max(xmin - 1, 0.0)),
                 .y1 = static_cast<float>(std::max(ymin - 1, 0.0)),
                 .x2 = static_cast<float>(std::min(xmax, width)),
                 .y2 = static_cast<float>(std::min(ymax, height))};
    }
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
      problems_.error(fmt::format("objects of a class that was not asked for (asked for: {}; found: {})",
                                  fmt::join(options_.classes, ", "), fmt::join(found, ", ")),
                      fmt::format("{} in {}", name, file));
    }
    return labels;
  }

  const VocOptions& options_;
  const VocFolder folder_;
  Problems& problems_;
  MissingFiles missing_;
  std::map<std::string, std::string> class_files_;  // each class name and the first file that has it
};

}  // namespace

std::shared_ptr<Dataset> read_voc(const VocOptions& options, Problems& problems) {
  return VocReader(options, problems).read();
}

std::shared_ptr<Dataset> read_voc(const VocOptions& options) {
  Problems problems;
  auto dataset = read_voc(options, problems);
  problems.settle(fmt::format("{}, split {}", options.root.string(), options.split));
  return dataset;
}

}  // namespace rcnn::data
