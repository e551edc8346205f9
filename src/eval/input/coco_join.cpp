#include "eval/input/coco_join.h"

#include <optional>
#include <unordered_map>

#include <spdlog/fmt/ranges.h>

#include <rcnn/error.h>

#include "eval/input/occurrences.h"
#include "eval/input/path_index.h"

namespace rcnn::eval {
namespace {

/// The place of the name of detection i, or kNone.
int32_t name_of(const CocoNames& names, size_t i) {
  return names.of_results.empty() ? CocoNames::kNone : names.of_results[i];
}

/// Calls see(i, place of its name) for each detection that has one.
template <class See>
void for_each_named(const CocoResults& results, const CocoNames& names, See see) {
  for (size_t i = 0; i < names.of_results.size(); ++i) {
    if (names.of_results[i] != CocoNames::kNone) see(results.detections[i], names.of_results[i]);
  }
}

void refuse_unnamed(const CocoResults& results, const CocoNames& names, const char* key,
                    const CocoInputOptions& options) {
  const auto unnamed = std::ranges::count(names.of_results, CocoNames::kNone);
  if (unnamed == 0) return;
  throw DataError(fmt::format(
      "{}: {} of {} results have no {}, and the ids of others do not fit their names in {}; give all of them "
      "names or none",
      options.results, unnamed, results.detections.size(), key, options.annotations));
}

class ImageJoin {
 public:
  ImageJoin(const std::vector<CocoListedImage>& images, const IdPlaces& places, CocoResults& results,
            const CocoInputOptions& options, std::vector<std::string>& warnings)
      : images_(images),
        places_(places),
        results_(results),
        names_(results.images),
        options_(options),
        warnings_(warnings) {}

  void run() {
    if (!names_.names.empty()) {
      std::vector<std::string_view> paths;
      for (const auto& image : images_) paths.push_back(image.name);
      const PathIndex index(paths);
      for (const auto& name : names_.names) found_.push_back(index.find(name));
      if (!ids_fit(index)) join_by_name();
      warn_of_folders();
    }
    refuse_unlisted();
  }

 private:
  const std::string& name(int32_t place) const { return names_.names[static_cast<size_t>(place)]; }
  const CocoListedImage& image(uint32_t place) const { return images_[place]; }

  /// Notes what the results call an image; returns false when they have called it otherwise before.
  bool call(uint32_t image, int32_t name) {
    auto& known = called_[image];
    if (known != CocoNames::kNone && known != name &&
        path_parts(this->name(known)) != path_parts(this->name(name))) {
      return false;
    }
    known = name;
    return true;
  }

  bool ids_fit(const PathIndex& index) {
    called_.assign(images_.size(), CocoNames::kNone);
    for (size_t i = 0; i < names_.of_results.size(); ++i) {
      const auto name = names_.of_results[i];
      if (name == CocoNames::kNone) continue;
      const auto place = places_.of(results_.detections[i].image_id);
      if (place == IdPlaces::kNone) return false;
      if (called_[place] == name) continue;
      if (!index.has(found_[static_cast<size_t>(name)], place) || !call(place, name)) return false;
    }
    return true;
  }

  void join_by_name() {
    refuse_missing();
    refuse_unnamed(results_, names_, "file_name", options_);
    called_.assign(images_.size(), CocoNames::kNone);
    for (int32_t n = 0; n < std::ssize(names_.names); ++n) {
      const auto& places = found_[static_cast<size_t>(n)].places;
      if (places.size() > 1) {
        std::vector<std::string> listed;
        for (const auto place : places.first(std::min<size_t>(places.size(), 3)))
          listed.push_back(fmt::format("{} (image {})", image(place).name, image(place).id));
        throw DataError(
            fmt::format("{}: the image ids do not fit the names in {}, and {} could be {}; give file_name "
                        "with its folders",
                        options_.results, options_.annotations, name(n), fmt::join(listed, " or ")));
      }
      const auto place = places.front();
      if (!call(place, n)) {
        throw DataError(fmt::format(
            "{}: {} and {} would both be {} (image {}) of {}; give the annotations of all these images, or "
            "their file_name with its folders",
            options_.results, name(called_[place]), name(n), image(place).name, image(place).id,
            options_.annotations));
      }
    }
    int64_t changed = 0;
    std::string first;
    std::vector<std::optional<int64_t>> ids(names_.names.size());
    for (size_t i = 0; i < names_.of_results.size(); ++i) {
      auto& id = results_.detections[i].image_id;
      const auto n = names_.of_results[i];
      if (auto& known = ids[static_cast<size_t>(n)]; known.value_or(id) != id) {
        throw DataError(fmt::format(
            "{}: the image ids do not fit the names in {}, and {} is the name of the images {} and {}; give "
            "file_name with its folders",
            options_.results, options_.annotations, name(n), *known, id));
      } else {
        known = id;
      }
      const auto& listed = image(found_[static_cast<size_t>(n)].places.front());
      if (id == listed.id) continue;
      if (changed++ == 0) first = fmt::format("{} is image {} there and {} here", name(n), listed.id, id);
      id = listed.id;
    }
    if (changed > 0) {
      warnings_.push_back(
          fmt::format("the image ids of {} of {} results are not those of the annotations, so that all are "
                      "joined by file "
                      "name: {}",
                      changed, results_.detections.size(), first));
    }
  }

  void warn_of_folders() {
    int64_t count = 0;
    std::string first;
    for (uint32_t place = 0; place < called_.size(); ++place) {
      const auto n = called_[place];
      if (n == CocoNames::kNone || !found_[static_cast<size_t>(n)].folders_differ) continue;
      if (count++ == 0) first = fmt::format("{} is taken for {}", name(n), image(place).name);
    }
    if (count > 0) {
      warnings_.push_back(fmt::format(
          "{} images lie in other folders by the results than by the annotations: {}", count, first));
    }
  }

  void refuse_missing() const {
    Occurrences<int32_t> missing;
    for_each_named(results_, names_, [&](const CocoDetection&, int32_t n) {
      if (found_[static_cast<size_t>(n)].places.empty()) missing.add(n);
    });
    if (missing.empty()) return;
    throw DataError(fmt::format(
        "{}: {} of {} results are on images whose names are not in {}: {}; give the annotations of the same "
        "images",
        options_.results, missing.total(), results_.detections.size(), options_.annotations,
        missing.text([&](int32_t n) { return name(n); })));
  }

  void refuse_unlisted() const {
    Occurrences<int64_t> unlisted;
    for (const auto& detection : results_.detections) {
      if (places_.of(detection.image_id) == IdPlaces::kNone) unlisted.add(detection.image_id);
    }
    if (unlisted.empty()) return;
    throw DataError(
        fmt::format("{}: {} of {} results are on images that are not in {}: {}; give the annotations of the "
                    "same images",
                    options_.results, unlisted.total(), results_.detections.size(), options_.annotations,
                    unlisted.text([](int64_t id) { return fmt::format("image {}", id); })));
  }

  const std::vector<CocoListedImage>& images_;
  const IdPlaces& places_;
  CocoResults& results_;
  const CocoNames& names_;
  const CocoInputOptions& options_;
  std::vector<std::string>& warnings_;
  std::vector<PathIndex::Found> found_;  // by name
  std::vector<int32_t> called_;          // for each image the name that the results have for it
};

}  // namespace

void join_images(const std::vector<CocoListedImage>& images, const IdPlaces& places, CocoResults& results,
                 const CocoInputOptions& options, std::vector<std::string>& warnings) {
  ImageJoin(images, places, results, options, warnings).run();
}

void join_categories(const std::vector<Category>& categories, const IdPlaces& places, CocoResults& results,
                     const CocoInputOptions& options, std::vector<std::string>& warnings) {
  const auto& names = results.categories;
  std::unordered_map<std::string_view, std::vector<uint32_t>> by_name;
  for (uint32_t place = 0; place < categories.size(); ++place)
    by_name[categories[place].name].push_back(place);
  std::vector<const std::vector<uint32_t>*> named;  // for each name the categories that are called so
  static const std::vector<uint32_t> kNobody;
  for (const auto& name : names.names) {
    const auto found = by_name.find(name);
    named.push_back(found == by_name.end() ? &kNobody : &found->second);
  }

  bool fit = true;  // no id means another category than the name does
  for_each_named(results, names, [&](const CocoDetection& detection, int32_t n) {
    const auto place = places.of(detection.category_id);
    const auto& called_so = *named[static_cast<size_t>(n)];
    fit &=
        place == IdPlaces::kNone ? called_so.empty() : std::ranges::find(called_so, place) != called_so.end();
  });
  if (!fit) refuse_unnamed(results, names, "category_name", options);

  Occurrences<std::pair<int32_t, int64_t>> unlisted;  // name, or kNone and the id
  int64_t changed = 0;
  std::string first;
  size_t kept = 0;
  for (size_t i = 0; i < results.detections.size(); ++i) {
    auto detection = results.detections[i];
    const auto n = name_of(names, i);
    auto place = places.of(detection.category_id);
    if (!fit) {
      const auto& called_so = *named[static_cast<size_t>(n)];
      if (called_so.size() > 1) {
        throw DataError(fmt::format(
            "{}: the category ids do not fit the names in {}, which has {} categories with the name {}",
            options.results, options.annotations, called_so.size(), names.names[static_cast<size_t>(n)]));
      }
      place = called_so.empty() ? IdPlaces::kNone : called_so.front();
    }
    if (place == IdPlaces::kNone) {
      unlisted.add({n, n == CocoNames::kNone ? detection.category_id : 0});
      continue;
    }
    const auto id = categories[place].id;
    if (detection.category_id != id && changed++ == 0) {
      first = fmt::format("{} is category {} there and {} here", categories[place].name, id,
                          detection.category_id);
    }
    detection.category_id = id;
    results.detections[kept++] = detection;
  }
  const auto all = results.detections.size();
  results.detections.resize(kept);
  if (changed > 0) {
    warnings.push_back(fmt::format(
        "the category ids of {} of {} results are not those of the annotations, so that all are joined by "
        "name: {}",
        changed, all, first));
  }
  if (unlisted.empty()) return;
  const auto missing = unlisted.text([&](const auto& category) {
    const auto& [n, id] = category;
    return n == CocoNames::kNone ? fmt::format("category {}", id) : names.names[static_cast<size_t>(n)];
  });
  if (kept > 0) {
    warnings.push_back(
        fmt::format("{} of {} results are of categories that the annotations lack, and are left out: {}",
                    unlisted.total(), all, missing));
    return;
  }
  std::vector<std::string> listed;
  for (size_t i = 0; i < std::min<size_t>(categories.size(), 5); ++i)
    listed.push_back(fmt::format("{} {}", categories[i].id, categories[i].name));
  throw DataError(fmt::format(
      "{}: none of the {} results is of a category of {}: {}; the annotations have {}{}", options.results,
      all, options.annotations, missing, fmt::join(listed, ", "), categories.size() > 5 ? " ..." : ""));
}

}  // namespace rcnn::eval
