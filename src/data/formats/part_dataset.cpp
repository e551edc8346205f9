#include "data/formats/part_dataset.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <spdlog/fmt/ranges.h>

#include <rcnn/error.h>

#include "data/formats/part_builder.h"
#include "data/formats/stated_size.h"
#include "data/paths.h"
#include "data/record_list.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

class PartReader {
 public:
  PartReader(AnnotatedPart part, const DataOptions& options, const SplitOptions& split, Problems& problems)
      : part_(std::move(part)), options_(options), split_(split), problems_(problems) {}

  std::shared_ptr<Dataset> read() {
    const auto& content = part_.content;
    choose_categories();
    auto records = read_images();
    for (const auto& annotation : content.annotations) add(annotation, records);
    tell_of_other_classes();

    const auto has_object = [](const Record& record) {
      return std::any_of(record.objects.begin(), record.objects.end(),
                         [](const Object& o) { return !o.ignore; });
    };
    if (!split_.keep_empty) std::erase_if(records, [&](const Record& record) { return !has_object(record); });
    // Where something else is wrong, it is but what comes of that.
    const bool is_empty = std::none_of(records.begin(), records.end(), has_object);
    if (is_empty && !problems_.has(Severity::error)) {
      std::vector<std::string> others;
      for (const auto& [id, label] : labels_) {
        if (label.objects > 0) others.push_back(label.name);
      }
      problems_.error(
          "no image has an object that can be used; there is nothing to find",
          fmt::format("{} images{}", records.size(),
                      others.empty()
                          ? ""
                          : fmt::format(" with objects of {}, of which none is asked for: {}",
                                        fmt::join(others, ", "), fmt::join(options_.classes, ", "))));
    }
    return std::make_shared<RecordList>(std::move(records), std::move(categories_), options_.max_megapixels);
  }

 private:
  static constexpr size_t kLeftOut = static_cast<size_t>(-1);  // an image that is known and not used

  struct Label {
    std::string name;
    int64_t label = 0;  ///< 0: not asked for
    int64_t objects = 0;
    std::string first = {};  ///< where the first of them is
  };

  void choose_categories() {
    auto found = part_.content.categories;
    if (found.empty() && part_.numbers_classes) problems_.error("there is no category", part_.name);
    std::ranges::stable_sort(found, {}, &Category::id);
    std::map<std::string, Category> by_name;
    for (const auto& category : found) {
      const auto [other, is_new] = by_name.emplace(category.name, category);
      if (!is_new) {
        problems_.error("two categories have the same name",
                        fmt::format("{} ({} and {})", category.name, other->second.id, category.id));
      }
    }
    for (const auto& category : found) labels_[category.id] = {.name = category.name};
    if (options_.classes.empty()) {
      categories_ = found;
      for (size_t i = 0; i < found.size(); ++i) labels_[found[i].id].label = static_cast<int64_t>(i) + 1;
    } else {
      // A class that the files do not number has its label for an id; one that they lack, an id that is free.
      int64_t free = found.empty() ? 0 : std::min<int64_t>(found.front().id, 0);
      std::set<std::string> asked;
      for (const auto& name : options_.classes) {
        const auto category = by_name.find(name);
        const bool is_there = category != by_name.end();
        if (!asked.insert(name).second && is_there)
          throw ConfigError(fmt::format("classes: \"{}\" is given twice", name));
        const int64_t own = is_there ? category->second.id : --free;
        categories_.push_back(
            {.id = part_.numbers_classes ? own : std::ssize(categories_) + 1, .name = name});
        if (is_there) labels_[own].label = std::ssize(categories_);
      }
    }
    merge_others();
  }

  void merge_others() {
    if (options_.classes.empty() || options_.other_classes.kind != OtherClasses::Kind::merge) return;
    const auto& into = options_.other_classes.into;
    const auto place = std::ranges::find(options_.classes, into);
    if (place == options_.classes.end()) {
      throw ConfigError(fmt::format("other_classes: merge:{}: is none of the classes: {}", into,
                                    fmt::join(options_.classes, ", ")));
    }
    merged_ = place - options_.classes.begin() + 1;
  }

  std::vector<Record> read_images() {
    const auto& images = part_.content.images;
    auto& headers = part_.headers;
    if (headers.empty()) headers = read_headers(images, part_.images, options_.max_megapixels);
    std::vector<Record> records;
    std::unordered_set<std::string> names;
    for (size_t i = 0; i < images.size(); ++i) {
      const auto& image = images[i];
      if (!names.insert(image.file_name).second) {
        problems_.warn("an image file is listed a second time", shown(image));
      }
      const auto* header = usable_header(part_, i, options_, missing_, problems_);
      places_.emplace(image.id, header != nullptr ? records.size() : kLeftOut);
      if (header == nullptr) continue;
      warn_if_turned(*header, image.file_name, problems_);
      records.push_back({.id = image.name.empty() ? std::to_string(image.id) : image.name,
                         .image = part_.images / image.file_name,
                         .size = header->size,
                         .objects = {}});
      images_.push_back(&image);
    }
    return records;
  }

  void add(const CocoAnnotation& annotation, std::vector<Record>& records) {
    const auto place = places_.find(annotation.image_id);
    if (place == places_.end()) {
      problems_.error("an annotation of an image that is not in \"images\"",
                      fmt::format("annotation {} (image {})", annotation.id, annotation.image_id));
      return;
    }
    const auto label = labels_.find(annotation.category_id);
    if (label == labels_.end()) {
      problems_.error("an annotation of a category that is not in \"categories\"",
                      fmt::format("annotation {} (category {})", annotation.id, annotation.category_id));
      return;
    }
    if (place->second == kLeftOut) return;
    auto& record = records[place->second];
    const auto where = [&] {
      return part_.place ? part_.place(*images_[place->second], annotation)
                         : fmt::format("annotation {}", annotation.id);
    };
    int64_t chosen = label->second.label;
    if (chosen == 0) {
      if (label->second.objects++ == 0) label->second.first = where();
      if (merged_ == 0) return;
      chosen = merged_;
    }
    if (const auto box = clipped(annotation, record.size, where))
      record.objects.push_back({.box = *box, .label = chosen, .ignore = annotation.crowd});
  }

  void tell_of_other_classes() {
    for (const auto& [id, label] : labels_)
      tell_other_class(options_, label.name, label.objects, label.first, problems_);
  }

  template <class Where>
  std::optional<Box> clipped(const CocoAnnotation& annotation, ImageSize size, Where where) {
    const auto [x, y, width, height] = annotation.box;
    const auto right = static_cast<double>(size.width), bottom = static_cast<double>(size.height);
    // Only where something is wrong: there may be a million of them.
    const auto place = [&] { return fmt::format("{} [{}, {}, {}, {}]", where(), x, y, width, height); };
    const auto bad = [&](const char* what) {
      problems_.bad(options_.bad_boxes, "bad_boxes", what, place());
      return std::nullopt;
    };
    if (!(width > 0) || !(height > 0)) return bad("a box without width or height");
    if (x >= right || y >= bottom || x + width <= 0 || y + height <= 0)
      return bad("a box outside of its image");
    const Box box{.x1 = static_cast<float>(std::max(x, 0.0)),
                  .y1 = static_cast<float>(std::max(y, 0.0)),
                  .x2 = static_cast<float>(std::min(x + width, right)),
                  .y2 = static_cast<float>(std::min(y + height, bottom))};
    constexpr double kThinnest = 1e-3;
    const bool vanishes = !(box.x2 > box.x1) || !(box.y2 > box.y1) || std::min(width, height) < kThinnest;
    if (vanishes) return bad("a box of less than a thousandth of a pixel, which has no area in 32 bits");
    constexpr double kRounding = 1;  // files round to hundredths of a pixel and now and then to whole ones
    if (x < -kRounding || y < -kRounding || x + width > right + kRounding ||
        y + height > bottom + kRounding) {
      problems_.warn("clipped a box to its image", place());
    }
    if (width < 1 || height < 1) problems_.warn("a box thinner than a pixel", place());
    return box;
  }

  AnnotatedPart part_;
  const DataOptions& options_;
  const SplitOptions& split_;
  Problems& problems_;
  MissingFiles missing_;
  std::vector<Category> categories_;
  int64_t merged_ = 0;                          // the label of objects of other classes; 0: they are left out
  std::map<int64_t, Label> labels_;             // by category id
  std::unordered_map<int64_t, size_t> places_;  // of the records, by image id
  std::vector<const CocoImage*> images_;        // of the records
};

}  // namespace

std::string shown(const CocoImage& image) {
  return image.name.empty() ? fmt::format("{} (image {})", image.file_name, image.id) : image.file_name;
}

const ImageInfo* usable_header(const AnnotatedPart& part, size_t image, const DataOptions& options,
                               MissingFiles& missing, Problems& problems) {
  const auto& entry = part.content.images[image];
  const auto& header = part.headers[image];
  if (!stays_inside(entry.file_name)) {
    problems.error("a file name leads out of the folder of images, or is no name", shown(entry));
    return nullptr;
  }
  if (const auto* error = std::get_if<DataError>(&header)) {
    problems.bad(options.bad_images, "bad_images", "an image that is missing or cannot be read",
                 error->what() + missing.why(part.images / entry.file_name));
    return nullptr;
  }
  const auto& found = std::get<ImageInfo>(header);
  return has_stated_size(found, entry.size, shown(entry), options.bad_images, problems) ? &found : nullptr;
}

void tell_other_class(const DataOptions& options, const std::string& name, int64_t objects,
                      const std::string& first, Problems& problems) {
  if (objects == 0) return;
  const auto place = fmt::format("{} ({} {}{})", name, objects, objects == 1 ? "object" : "objects",
                                 first.empty() ? "" : ", the first is " + first);
  switch (options.other_classes.kind) {
    case OtherClasses::Kind::stop:
      problems.error(fmt::format("objects of classes that were not asked for; asked for are {} "
                                 "(other_classes=ignore leaves them out, merge:NAME takes them for NAME)",
                                 fmt::join(options.classes, ", ")),
                     place);
      break;
    case OtherClasses::Kind::ignore:
      problems.warn("left out: objects of classes that are neither chosen nor learnt", place);
      break;
    case OtherClasses::Kind::merge:
      problems.warn(fmt::format("taken for {}: objects of other classes", options.other_classes.into), place);
      break;
  }
}

std::shared_ptr<Dataset> to_dataset(AnnotatedPart part, const DataOptions& options, const SplitOptions& split,
                                    Problems& problems) {
  return PartReader(std::move(part), options, split, problems).read();
}

}  // namespace rcnn::data
