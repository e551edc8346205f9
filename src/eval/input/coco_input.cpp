#include <algorithm>
#include <map>
#include <utility>

#include <spdlog/fmt/ranges.h>

#include <rcnn/error.h>
#include <rcnn/eval/input/coco_input.h>

#include "eval/input/box_doubts.h"
#include "eval/input/coco_join.h"
#include "eval/input/occurrences.h"

namespace rcnn::eval {
namespace {

template <class Entry>
IdPlaces places_of(const std::vector<Entry>& entries, const char* what, const char* key,
                   const CocoInputOptions& options) {
  if (entries.empty()) {
    throw DataError(fmt::format("{}: lists no {} (\"{}\"), so that nothing can be scored",
                                options.annotations, what, key));
  }
  IdPlaces places;
  for (const auto& entry : entries) {
    if (!places.add(entry.id))
      throw DataError(fmt::format("{}: {} {} is listed twice", options.annotations, what, entry.id));
  }
  return places;
}

/// Takes out the items whose id under `key` has no place, and returns how many there were of each id.
template <class Item, class Key>
Occurrences<int64_t> take_unlisted(std::vector<Item>& items, const IdPlaces& places, Key key) {
  Occurrences<int64_t> unlisted;
  std::erase_if(items, [&](const Item& item) {
    if (places.of(item.*key) != IdPlaces::kNone) return false;
    unlisted.add(item.*key);
    return true;
  });
  return unlisted;
}

template <class Item>
std::vector<uint32_t> image_places(const std::vector<Item>& items, const IdPlaces& places) {
  std::vector<uint32_t> result;
  result.reserve(items.size());
  for (const auto& item : items) result.push_back(places.of(item.image_id));
  return result;
}

/// What is beyond the limit of an image and category.
struct Excess {
  int64_t items = 0, pairs = 0;
  int64_t most = 0;    ///< of one pair
  uint32_t image = 0;  ///< its place
  int64_t category_id = 0;
};

bool counts(const CocoTruth& truth) {
  return !truth.crowd;
}

bool counts(const CocoDetection&) {
  return true;
}

template <class Item>
Excess excess(const std::vector<Item>& items, const std::vector<uint32_t>& images, size_t image_count,
              int64_t limit) {
  std::vector<uint32_t> ends(image_count + 1);  // of each image's items in the order below
  for (size_t i = 0; i < items.size(); ++i) ends[images[i] + 1] += counts(items[i]);
  const bool any = std::ranges::any_of(ends, [&](uint32_t count) { return count > limit; });
  if (!any) return {};
  for (size_t i = 1; i < ends.size(); ++i) ends[i] += ends[i - 1];
  auto next = ends;
  std::vector<int64_t> categories(ends.back());  // by image
  for (size_t i = 0; i < items.size(); ++i) {
    if (counts(items[i])) categories[next[images[i]]++] = items[i].category_id;
  }
  Excess excess;
  for (uint32_t image = 0; image < image_count; ++image) {
    const auto first = categories.begin() + ends[image], last = categories.begin() + ends[image + 1];
    if (last - first <= limit) continue;
    std::sort(first, last);
    for (auto from = first; from != last;) {
      const auto to = std::upper_bound(from, last, *from);
      const int64_t count = to - from;
      if (count > limit) {
        excess.items += count - limit;
        ++excess.pairs;
        if (count > excess.most) {
          excess.most = count;
          excess.image = image;
          excess.category_id = *from;
        }
      }
      from = to;
    }
  }
  return excess;
}

class Maker {
 public:
  Maker(CocoAnnotations annotations, CocoResults results, const CocoInputOptions& options)
      : options_(options),
        images_(std::move(annotations.images)),
        results_(std::move(results)),
        image_places_(places_of(images_, "image", "images", options)) {
    input_.categories = std::move(annotations.categories);
    input_.truths = std::move(annotations.truths);
  }

  CocoInput make() {
    join_images(images_, image_places_, results_, options_, input_.warnings);
    choose_categories();
    input_.detections = std::move(results_.detections);
    choose_truths();
    look_at_items();
    for (const auto& image : images_) input_.image_ids.push_back(image.id);
    std::ranges::sort(input_.image_ids);
    std::ranges::sort(input_.categories, {}, &Category::id);
    name_apart();
    return std::move(input_);
  }

 private:
  template <class... Arguments>
  void warn(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    input_.warnings.push_back(fmt::format(format, std::forward<Arguments>(arguments)...));
  }

  void choose_categories() {
    if (!options_.by_category) return;
    const auto places = places_of(input_.categories, "category", "categories", options_);
    join_categories(input_.categories, places, results_, options_, input_.warnings);
    const auto all = input_.truths.size();
    const auto unlisted = take_unlisted(input_.truths, places, &CocoTruth::category_id);
    if (unlisted.empty()) return;
    warn("{} of {} annotations are of categories that are not listed, and are left out as in pycocotools: {}",
         unlisted.total(), all, unlisted.text([](int64_t id) { return fmt::format("category {}", id); }));
    input_.incomparable.push_back("annotations of categories that are not listed are left out");
  }

  void choose_truths() {
    const auto all = input_.truths.size();
    const auto unlisted = take_unlisted(input_.truths, image_places_, &CocoTruth::image_id);
    if (!unlisted.empty()) {
      warn("{} of {} annotations are of images that are not listed, and are left out as in pycocotools: {}",
           unlisted.total(), all, unlisted.text([](int64_t id) { return fmt::format("image {}", id); }));
      input_.incomparable.push_back("annotations of images that are not listed are left out");
    }
    if (std::ranges::all_of(input_.truths, &CocoTruth::crowd)) warn("there is no object to be found");
    if (input_.detections.empty()) warn("there is no result: nothing was found");
    const auto without_id = std::ranges::count(input_.truths, 0, &CocoTruth::id);
    if (without_id > 0) {
      warn(
          "{} of {} annotations have the id 0: what finds them counts as wrong, as in pycocotools; number "
          "annotations from 1",
          without_id, input_.truths.size());
    }
  }

  std::string pair_of(const Excess& excess) const {
    const auto category = std::ranges::find(input_.categories, excess.category_id, &Category::id);
    return fmt::format("{} of {} on {}", excess.most, category->name, images_[excess.image].name);
  }

  void look_at_items() {
    const auto truth_images = image_places(input_.truths, image_places_);
    const auto detection_images = image_places(input_.detections, image_places_);
    if (options_.by_category) {
      const auto limit = options_.max_detections;
      const auto objects = excess(input_.truths, truth_images, images_.size(), limit);
      if (objects.items > 0) {
        warn(
            "{} of {} objects cannot be found: at most {} results of an image and category are scored, and "
            "{} "
            "have more objects, up to {}; --max-dets N scores more",
            objects.items, input_.truths.size(), limit, objects.pairs, pair_of(objects));
      }
      const auto results = excess(input_.detections, detection_images, images_.size(), limit);
      if (results.items > 0) {
        warn(
            "{} of {} results are not scored: they are not among the best {} of their image and category, of "
            "which {} have more, up to {}; --max-dets N scores more",
            results.items, input_.detections.size(), limit, results.pairs, pair_of(results));
      }
    }
    auto doubts = box_doubts(images_, input_.truths, truth_images, input_.detections, detection_images);
    std::ranges::move(doubts, std::back_inserter(input_.warnings));
  }

  /// Scores by category are listed by name.
  void name_apart() {
    std::map<std::string, int64_t> counts;
    for (const auto& category : input_.categories) ++counts[category.name];
    std::vector<std::string> shared;
    for (const auto& [name, count] : counts) {
      if (count > 1) shared.push_back(name);
    }
    if (shared.empty()) return;
    warn("several categories have the same name, and are listed with their ids: {}", fmt::join(shared, ", "));
    for (auto& category : input_.categories) {
      if (counts[category.name] > 1) category.name = fmt::format("{} (id {})", category.name, category.id);
    }
  }

  const CocoInputOptions& options_;
  const std::vector<CocoListedImage> images_;
  CocoResults results_;
  const IdPlaces image_places_;
  CocoInput input_;
};

}  // namespace

CocoInput coco_input(CocoAnnotations annotations, CocoResults results, const CocoInputOptions& options) {
  return Maker(std::move(annotations), std::move(results), options).make();
}

}  // namespace rcnn::eval
