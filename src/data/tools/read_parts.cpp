#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include <c10/util/Exception.h>
#include <spdlog/fmt/ranges.h>

#include <rcnn/data/tools/convert.h>

#include "data/formats/erase_places.h"
#include "data/formats/part_builder.h"
#include "data/formats/part_dataset.h"
#include "text.h"

namespace rcnn::data {
namespace {

using Parts = std::vector<AnnotatedPart>;

/// The parts' categories together, by name, and those of the parts replaced by them.
void share_categories(Parts& parts) {
  auto all = parts.front().content.categories;
  auto fields = parts.front().content.category_fields;
  std::set<int64_t> ids;
  for (const auto& category : all) ids.insert(category.id);
  bool by_number = true;  // COCO's categories, whose names may be there twice
  for (const auto& part : parts) by_number &= part.content.categories == all;
  if (by_number) return;
  std::map<std::string, int64_t> by_name;
  for (const auto& category : all) by_name.emplace(category.name, category.id);
  for (auto& part : parts) {
    auto& content = part.content;
    std::unordered_map<int64_t, int64_t> renumbered;
    for (size_t i = 0; i < content.categories.size(); ++i) {
      auto category = content.categories[i];
      const auto [known, is_new] = by_name.emplace(category.name, category.id);
      if (is_new) {
        if (!ids.insert(category.id).second) known->second = *ids.rbegin() + 1;
        ids.insert(known->second);
        renumbered[category.id] = known->second;
        category.id = known->second;
        all.push_back(category);
        fields.resize(all.size());
        if (!content.category_fields.empty()) fields.back() = content.category_fields[i];
      } else {
        renumbered[category.id] = known->second;
      }
    }
    for (auto& annotation : content.annotations) {
      const auto known = renumbered.find(annotation.category_id);
      if (known != renumbered.end()) annotation.category_id = known->second;
    }
  }
  for (auto& part : parts) {
    part.content.categories = all;
    part.content.category_fields = fields;
  }
}

using Ids = std::map<std::string, int64_t>;  // of images, by name

/// The ids that the files give their images, if each image has one of its own in all parts.
std::optional<Ids> given_ids(const Parts& parts) {
  Ids by_name;
  std::map<int64_t, std::string> by_id;
  for (const auto& part : parts) {
    if (!part.numbers_images) return std::nullopt;
    for (const auto& image : part.content.images) {
      if (by_name.emplace(image.name, image.id).first->second != image.id) return std::nullopt;
      if (by_id.emplace(image.id, image.name).first->second != image.name) return std::nullopt;
    }
  }
  return by_name;
}

/// The numbers that the names are, if all are numbers and all different.
std::optional<Ids> numbers_of_names(const Parts& parts) {
  Ids by_name;
  std::map<int64_t, std::string> by_number;
  for (const auto& part : parts) {
    for (const auto& image : part.content.images) {
      const auto value = number<int64_t>(image.name);
      if (!value || by_number.emplace(*value, image.name).first->second != image.name) return std::nullopt;
      by_name.emplace(image.name, *value);
    }
  }
  return by_name;
}

Ids places_of_names(const Parts& parts) {
  Ids by_name;
  for (const auto& part : parts) {
    for (const auto& image : part.content.images) by_name.emplace(image.name, 0);
  }
  int64_t next = 0;
  for (auto& [name, id] : by_name) id = ++next;
  return by_name;
}

/// Whether the ids that the files give their objects tell them apart in all parts.
bool have_own_ids(const Parts& parts, const Ids& image_ids) {
  std::map<int64_t, std::pair<int64_t, int32_t>> seen;
  for (const auto& part : parts) {
    if (!part.numbers_objects) return false;
    std::unordered_map<int64_t, int64_t> numbers;
    for (const auto& image : part.content.images) numbers[image.id] = image_ids.at(image.name);
    for (const auto& annotation : part.content.annotations) {
      const std::pair place(numbers.at(annotation.image_id), annotation.position);
      if (seen.emplace(annotation.id, place).first->second != place) return false;
    }
  }
  return true;
}

/// Gives images that have names, and their objects, numbers that all parts agree on.
void number_images(Parts& parts) {
  for (const auto& part : parts) {
    for (const auto& image : part.content.images) {
      if (image.name.empty()) return;
    }
  }
  auto ids = given_ids(parts);
  if (!ids) ids = numbers_of_names(parts);
  if (!ids) ids = places_of_names(parts);
  const bool keep_objects = have_own_ids(parts, *ids);
  std::map<int64_t, int64_t> counts, first;  // of objects, by image
  for (const auto& part : parts) {
    std::map<int64_t, int64_t> here;
    for (const auto& image : part.content.images) here[image.id] = ids->at(image.name);
    std::map<int64_t, int64_t> objects;
    for (const auto& annotation : part.content.annotations) ++objects[here.at(annotation.image_id)];
    for (const auto& [id, count] : objects) counts[id] = std::max(counts[id], count);
  }
  int64_t next = 1;
  for (const auto& [name, id] : *ids) {  // sorted by name
    first[id] = next;
    next += counts[id];
  }
  for (auto& part : parts) {
    std::unordered_map<int64_t, int64_t> renumbered;
    for (auto& image : part.content.images) image.id = renumbered[image.id] = ids->at(image.name);
    std::map<int64_t, int64_t> placed;
    for (auto& annotation : part.content.annotations) {
      annotation.image_id = renumbered.at(annotation.image_id);
      if (!keep_objects) annotation.id = first.at(annotation.image_id) + placed[annotation.image_id]++;
    }
  }
}

/// Whether a box can be written down and calculated with in any format. Those without size or outside of
/// their images stay: it is for a training to leave them out.
bool is_box(const std::array<double, 4>& box) {
  constexpr double kFarthest = 1e9;
  return box[2] >= 0 && box[3] >= 0 &&
         std::ranges::all_of(box, [](double side) { return std::abs(side) <= kFarthest; });
}

/// Takes out images that are not there, annotations of images and categories that are not there, and boxes
/// that are none.
void check_references(AnnotatedPart& part, const DataOptions& options, Problems& problems) {
  auto& content = part.content;
  std::set<int64_t> images, missing_images, categories;
  for (const auto& category : content.categories) categories.insert(category.id);
  if (part.headers.empty()) part.headers = read_headers(content.images, part.images, options.max_megapixels);
  MissingFiles missing;
  std::vector<char> usable;
  for (size_t i = 0; i < content.images.size(); ++i) {
    usable.push_back(usable_header(part, i, options, missing, problems) != nullptr);
    (usable.back() ? images : missing_images).insert(content.images[i].id);
  }
  const auto is_left_out = [&](size_t place) { return usable[place] == 0; };
  std::vector<JsonFields> none;
  erase_places(part.headers, none, is_left_out);
  erase_places(content.images, content.image_fields, is_left_out);
  erase_places(content.annotations, content.details, [&](size_t place) {
    const auto& annotation = content.annotations[place];
    if (images.contains(annotation.image_id) && categories.contains(annotation.category_id)) {
      if (is_box(annotation.box)) return false;
      problems.bad(options.bad_boxes, "bad_boxes",
                   "a box whose sides are below 0, or farther than any image reaches",
                   fmt::format("annotation {} [{}]", annotation.id, fmt::join(annotation.box, ", ")));
      return true;
    }
    if (!missing_images.contains(annotation.image_id)) {
      problems.error("an annotation of an image or category that is not there",
                     fmt::format("annotation {} (image {}, category {})", annotation.id, annotation.image_id,
                                 annotation.category_id));
    }
    return true;
  });
}

/// Leaves the chosen classes, as a training would, where some are.
void choose_classes(AnnotatedPart& part, const DataOptions& options, Problems& problems) {
  if (options.classes.empty()) return;
  auto& content = part.content;
  const auto is_chosen = [&](const std::string& name) {
    return std::ranges::find(options.classes, name) != options.classes.end();
  };
  std::map<int64_t, std::pair<std::string, int64_t>> others;  // names, and how many objects, by id
  std::optional<int64_t> into;
  for (const auto& category : content.categories) {
    if (!is_chosen(category.name)) others[category.id] = {category.name, 0};
    if (category.name == options.other_classes.into) into = category.id;
  }
  if (options.other_classes.kind == OtherClasses::Kind::merge && !into) {
    const auto last = std::ranges::max_element(content.categories, {}, &Category::id);
    into = last == content.categories.end() ? 1 : last->id + 1;
    content.categories.push_back({.id = *into, .name = options.other_classes.into});
    if (!content.category_fields.empty()) content.category_fields.emplace_back();
  }
  erase_places(content.annotations, content.details, [&](size_t place) {
    auto& annotation = content.annotations[place];
    const auto other = others.find(annotation.category_id);
    if (other == others.end()) return false;
    ++other->second.second;
    if (options.other_classes.kind != OtherClasses::Kind::merge) return true;
    annotation.category_id = *into;
    return false;
  });
  for (const auto& [id, other] : others) tell_other_class(options, other.first, other.second, "", problems);
  erase_places(content.categories, content.category_fields,
               [&](size_t place) { return others.contains(content.categories[place].id); });
}

}  // namespace

std::vector<AnnotatedPart> read_parts(std::span<const DatasetPart> parts, Problems& problems) {
  TORCH_CHECK(!parts.empty(), "read_parts: no part");
  Parts result;
  for (const auto& part : parts) {
    part.require_own_files();
    const auto found = located(part.options, part.split);
    found.require_own_files();
    Problems here;
    result.push_back(formats().at(found.options.type).read(found, true, here));
    result.back().name = part.name;
    check_references(result.back(), part.options, here);
    choose_classes(result.back(), part.options, here);
    parts.size() == 1 ? problems.add(here) : problems.add(here, part.name);
  }
  share_categories(result);
  number_images(result);
  return result;
}

}  // namespace rcnn::data
