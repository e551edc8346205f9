#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>

#include <spdlog/fmt/ranges.h>

#include <rcnn/data/formats/coco.h>
#include <rcnn/data/formats/coco_file.h>
#include <rcnn/data/images/image.h>
#include <rcnn/error.h>

#include "data/formats/stated_size.h"
#include "data/paths.h"
#include "data/record_list.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

class CocoReader {
 public:
  CocoReader(const CocoOptions& options, Problems& problems) : options_(options), problems_(problems) {}

  std::shared_ptr<Dataset> read() {
    auto file = read_coco_file(options_.annotations, problems_);
    if (options_.limit > 0 && std::ssize(file.images) > options_.limit) {
      for (auto image = file.images.begin() + options_.limit; image != file.images.end(); ++image) {
        places_.emplace(image->id, kLeftOut);
      }
      file.images.resize(static_cast<size_t>(options_.limit));
    }
    choose_categories(file.categories);
    std::vector<Record> records = read_images(file.images);
    for (const auto& annotation : file.annotations) add(annotation, records);

    const auto has_object = [](const Record& record) {
      return std::any_of(record.objects.begin(), record.objects.end(),
                         [](const Object& o) { return !o.ignore; });
    };
    if (!options_.keep_empty)
      std::erase_if(records, [&](const Record& record) { return !has_object(record); });
    if (std::none_of(records.begin(), records.end(), has_object)) {
      problems_.error("no image has an object that can be used; there is nothing to find",
                      fmt::format("{} images", records.size()));
    }
    return std::make_shared<RecordList>(std::move(records), std::move(categories_), options_.max_megapixels);
  }

 private:
  static constexpr size_t kLeftOut = static_cast<size_t>(-1);  // an image that is known and not used

  struct Label {
    std::string name;
    int64_t label = 0;  ///< 0: not asked for
  };

  void choose_categories(std::vector<Category> found) {
    if (found.empty()) problems_.error("there is no category", "\"categories\"");
    std::sort(found.begin(), found.end(), [](const Category& a, const Category& b) { return a.id < b.id; });
    std::map<std::string, Category> by_name;
    for (const auto& category : found) {
      const auto [other, is_new] = by_name.emplace(category.name, category);
      if (!is_new) {
        problems_.error("two categories have the same name",
                        fmt::format("{} ({} and {})", category.name, other->second.id, category.id));
      }
    }
    if (options_.classes.empty()) {
      categories_ = found;
    } else {
      // A class that the file lacks has no id there and gets one that nothing else has.
      int64_t free = found.empty() ? 0 : std::min<int64_t>(found.front().id, 0);
      std::set<std::string> asked;
      for (const auto& name : options_.classes) {
        const auto category = by_name.find(name);
        if (!asked.insert(name).second && category != by_name.end()) {
          throw ConfigError(fmt::format("classes: \"{}\" is given twice", name));
        }
        categories_.push_back(category != by_name.end() ? category->second : Category{--free, name});
      }
    }
    for (const auto& category : found) labels_[category.id] = {category.name, 0};
    for (size_t i = 0; i < categories_.size(); ++i) {
      labels_[categories_[i].id] = {categories_[i].name, static_cast<int64_t>(i) + 1};
    }
  }

  std::vector<Record> read_images(const std::vector<CocoImage>& images) {
    std::vector<fs::path> files;
    for (const auto& image : images) {
      // What leads elsewhere is not even looked at.
      files.push_back(stays_inside(image.file_name) ? options_.images / image.file_name : fs::path());
    }
    const auto infos = image_infos(files, kHeaderReaders, options_.max_megapixels);
    std::vector<Record> records;
    std::unordered_set<std::string> names;
    for (size_t i = 0; i < images.size(); ++i) {
      const auto& image = images[i];
      const std::string where = fmt::format("{} (image {})", image.file_name, image.id);
      if (!names.insert(image.file_name).second) {
        problems_.warn("an image file is listed a second time", where);
      }
      const auto size = check_image(image, files[i], infos[i], where);
      places_.emplace(image.id, size ? records.size() : kLeftOut);
      if (!size) continue;
      records.push_back({.id = std::to_string(image.id), .image = files[i], .size = *size, .objects = {}});
    }
    return records;
  }

  std::optional<ImageSize> check_image(const CocoImage& image, const fs::path& file,
                                       const std::variant<ImageInfo, DataError>& info,
                                       const std::string& where) {
    if (file.empty()) {
      problems_.error("a file name leads out of the folder of images, or is no name", where);
      return std::nullopt;
    }
    if (const auto* error = std::get_if<DataError>(&info)) {
      problems_.bad(options_.bad_images, "an image that is missing or cannot be read",
                    error->what() + missing_.why(file));
      return std::nullopt;
    }
    const auto& found = std::get<ImageInfo>(info);
    if (image.size.height <= 0 || image.size.width <= 0) {
      problems_.warn("the file does not say the size of an image", where);
    } else if (!has_stated_size(found, image.size, where, options_.bad_images, problems_)) {
      return std::nullopt;
    }
    warn_if_turned(found, where, problems_);
    return found.size;
  }

  void add(const CocoAnnotation& annotation, std::vector<Record>& records) {
    const auto where = [&] { return fmt::format("annotation {}", annotation.id); };
    const auto place = places_.find(annotation.image_id);
    if (place == places_.end()) {
      problems_.error("an annotation of an image that is not in \"images\"",
                      fmt::format("{} (image {})", where(), annotation.image_id));
      return;
    }
    const auto label = labels_.find(annotation.category_id);
    if (label == labels_.end()) {
      problems_.error("an annotation of a category that is not in \"categories\"",
                      fmt::format("{} (category {})", where(), annotation.category_id));
      return;
    }
    if (place->second == kLeftOut) return;
    if (label->second.label == 0) {
      problems_.error(fmt::format("objects of a class that was not asked for (asked for: {})",
                                  fmt::join(options_.classes, ", ")),
                      fmt::format("{} ({})", where(), label->second.name));
      return;
    }
    auto& record = records[place->second];
    if (const auto box = clipped(annotation, record.size)) {
      record.objects.push_back({.box = *box, .label = label->second.label, .ignore = annotation.crowd});
    }
  }

  std::optional<Box> clipped(const CocoAnnotation& annotation, ImageSize size) {
    const auto [x, y, width, height] = annotation.box;
    const auto right = static_cast<double>(size.width), bottom = static_cast<double>(size.height);
    // Only where something is wrong: there may be a million of them.
    const auto box = [&] {
      return fmt::format("annotation {} [{}, {}, {}, {}]", annotation.id, x, y, width, height);
    };
    if (width <= 0 || height <= 0) {
      problems_.bad(options_.bad_boxes, "a box without width or height", box());
      return std::nullopt;
    }
    if (x >= right || y >= bottom || x + width <= 0 || y + height <= 0) {
      problems_.bad(options_.bad_boxes, "a box outside of its image", box());
      return std::nullopt;
    }
    constexpr double kRounding = 1;  // files round to hundredths of a pixel and now and then to whole ones
    if (x < -kRounding || y < -kRounding || x + width > right + kRounding ||
        y + height > bottom + kRounding) {
      problems_.warn("clipped a box to its image", box());
    }
    if (width < 1 || height < 1) problems_.warn("a box thinner than a pixel", box());
    return Box{.x1 = static_cast<float>(std::max(x, 0.0)),
               .y1 = static_cast<float>(std::max(y, 0.0)),
               .x2 = static_cast<float>(std::min(x + width, right)),
               .y2 = static_cast<float>(std::min(y + height, bottom))};
  }

  const CocoOptions& options_;
  Problems& problems_;
  MissingFiles missing_;
  std::vector<Category> categories_;
  std::map<int64_t, Label> labels_;             // by category id
  std::unordered_map<int64_t, size_t> places_;  // of the records, by image id
};

}  // namespace

std::shared_ptr<Dataset> read_coco(const CocoOptions& options, Problems& problems) {
  return CocoReader(options, problems).read();
}

std::shared_ptr<Dataset> read_coco(const CocoOptions& options) {
  Problems problems;
  auto dataset = read_coco(options, problems);
  problems.settle(options.annotations.string());
  return dataset;
}

}  // namespace rcnn::data
