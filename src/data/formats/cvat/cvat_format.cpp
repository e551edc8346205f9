#include "data/formats/cvat/cvat_format.h"

#include <algorithm>
#include <any>
#include <array>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include <spdlog/fmt/ranges.h>

#include <rcnn/error.h>

#include "data/formats/cvat/cvat_file.h"
#include "data/formats/cvat/cvat_frames.h"
#include "data/formats/found_images.h"
#include "data/formats/json_value.h"
#include "data/formats/micropixel.h"
#include "data/formats/part_builder.h"
#include "text.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

/// What reading knows of a part: its file, and which images of it, by CVAT's subsets; empty for all.
struct CvatSource {
  AnnotationFile file = {};
  std::string subset = {};
};

constexpr std::string_view kSubset = " subset=\"";

/// Whether the first image or track of a file has a subset, or lies beyond its head.
bool may_have_subsets(std::string_view head) {
  const size_t first = std::min(head.find("<image "), head.find("<track "));
  const size_t end = head.find('>', std::min(first, head.size()));
  return end == std::string_view::npos ||
         head.substr(first, end - first).find(kSubset) != std::string_view::npos;
}

/// A text of an XML attribute.
std::string without_entities(std::string text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kEntities = {
      {{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}, {"&amp;", "&"}}};
  for (const auto& [entity, character] : kEntities) {
    for (size_t place = text.find(entity); place != std::string::npos; place = text.find(entity, place + 1))
      text.replace(place, entity.size(), character);
  }
  return text;
}

/// The subsets of a file's images and tracks.
std::set<std::string> subsets_of(const std::filesystem::path& file, std::string_view head) {
  std::set<std::string> subsets;
  if (!may_have_subsets(head)) return subsets;
  std::string text;
  try {
    text = read_text_file(file, kLargestAnnotations);
  } catch (const TextFileError&) {
    return subsets;  // read_cvat_file() says why
  }
  for (size_t place = text.find(kSubset); place != std::string::npos; place = text.find(kSubset, place)) {
    place += kSubset.size();
    subsets.insert(without_entities(text.substr(place, text.find('"', place) - place)));
  }
  return subsets;
}

/// The text of <subset>, which a task has.
std::string subset_of_task(std::string_view head) {
  constexpr std::string_view kBegin = "<subset>";
  const size_t begin = head.find(kBegin);
  if (begin == std::string_view::npos) return "";
  const auto text = head.substr(begin + kBegin.size());
  return std::string(trimmed(text.substr(0, text.find('<'))));
}

/// Subsets are called as people like, "Train" and "Validation": parts by the usual names.
std::string part_of_subset(const std::string& subset) {
  const auto name = part_of_path(subset);
  return name.empty() ? subset : name;
}

std::vector<DatasetPart> cvat_parts(const Place& place, const LocateOptions& options) {
  std::vector<DatasetPart> parts;
  for (auto& part : parts_of_files(place, options, ".xml", is_cvat)) {
    const auto file = part.split.annotations;
    const auto head =
        place.is_folder() ? place.head(file.lexically_relative(place.path()).generic_string()) : place.head();
    const auto own = std::any_cast<AnnotationFile>(part.split.own);
    const auto subsets = subsets_of(file, head);
    const auto add = [&](const std::string& name, const std::string& subset) {
      parts.push_back(part);
      parts.back().name = parts.back().split.split = name;
      parts.back().split.own = CvatSource{own, subset};
    };
    if (subsets.size() > 1) {
      for (const auto& subset : subsets)
        add((part.name == "all" ? "" : part.name + "-") + part_of_subset(subset), subset);
      continue;
    }
    const auto word = part_of_path(subsets.empty() ? subset_of_task(head) : *subsets.begin());
    add(part.name == "all" && !word.empty() ? word : part.name, "");
  }
  return parts;
}

class CvatBuilder {
 public:
  CvatBuilder(const DatasetPart& part, bool with_details, Problems& problems)
      : part_(part),
        source_(source_of(part)),
        name_(part.split.annotations.filename().string()),
        with_details_(with_details),
        problems_(problems),
        file_(read_cvat_file(part.split.annotations, part.options, with_details, problems)) {
    const auto is_other = [&](const auto& entry) {
      return !source_.subset.empty() && entry.subset != source_.subset;
    };
    std::erase_if(file_.images, is_other);
    std::erase_if(file_.tracks, is_other);
  }

  AnnotatedPart read() {
    AnnotatedPart part = file_.tracks.empty() ? read_images() : read_tracks();
    settle_images(part);
    return part;
  }

 private:
  /// Nothing is known of a file that a config names with its folder of images.
  static CvatSource source_of(const DatasetPart& part) {
    const auto* own = std::any_cast<CvatSource>(&part.split.own);
    return own == nullptr ? CvatSource() : *own;
  }

  AnnotatedPart read_images() {
    auto part = part_;
    part.split.own = source_.file;
    FoundImages found(part, file_.images.empty() ? "" : file_.images.front().name);
    std::map<std::string, const CvatImage*> placed;
    for (const auto& image : file_.images) {
      const auto where = [&] { return fmt::format("{}: {}", name_, image.name); };
      // A project's images lie in folders of their subsets.
      auto path =
          image.subset.empty() ? std::nullopt : found.find("images/" + image.subset + "/" + image.name);
      if (!path) path = found.find(image.name);
      if (!path) {
        problems_.bad(part_.options.bad_images, "bad_images", "an image that is not there", where());
      } else if (!placed.emplace(*path, &image).second) {
        problems_.error("an image is there twice", where());
      }
    }
    PartBuilder builder(part_.name, found.root(), with_details_);
    add_labels(builder);
    for (const auto& [path, image] : placed) {
      if (is_full(builder)) break;
      const size_t place = builder.add_image(path, "", image->size);
      for (const auto& shape : image->shapes) add(builder, place, shape.label, shape, shape.position);
    }
    auto result = builder.take();
    result.place = [name = name_](const CocoImage& image, const CocoAnnotation& annotation) {
      return fmt::format("{}: {} object {}", name, image.file_name, annotation.position);
    };
    return result;
  }

  AnnotatedPart read_tracks() {
    if (!file_.images.empty())
      throw DataError(fmt::format("{}: has <image> and <track>; export the task in one of both ways",
                                  part_.split.annotations.string()));
    std::set<std::string> tasks;
    for (const auto& track : file_.tracks) tasks.insert(track.task);
    if (tasks.size() > 1) {
      throw DataError(
          fmt::format("{}: has the tracks of several tasks ({}), whose frames have the same numbers; export "
                      "the tasks one by one, or as \"CVAT for images\"",
                      part_.split.annotations.string(), fmt::join(tasks, ", ")));
    }
    const auto images = find_frames(part_, source_.file, file_.frames, problems_);
    PartBuilder builder(part_.name, images.root, with_details_);
    add_labels(builder);
    std::map<int64_t, size_t> places;  // of frames
    for (const auto& [frame, image] : images.by_frame) {
      if (is_full(builder)) break;
      places[frame] = builder.add_image(image, "", file_.frames.size);
    }
    std::vector<std::string> ids;
    std::map<std::pair<int64_t, size_t>, CvatShape> shapes;  // by frame and track
    for (const auto& track : file_.tracks) {
      for (auto& shape :
           shapes_in_frames(track, file_.frames, images, name_, part_.options.bad_images, problems_))
        shapes.emplace(std::pair(shape.frame, ids.size()), std::move(shape));
      ids.push_back(track.id);
    }
    for (auto& [key, shape] : shapes) {
      const auto& [frame, track] = key;
      const auto place = places.find(frame);
      if (place == places.end()) continue;  // above the limit
      if (with_details_) {
        const auto id = number<int64_t>(ids[track]);
        if (id) shape.attributes.emplace_back("track_id", std::to_string(*id));
        shape.attributes.emplace_back("keyframe", shape.keyframe ? "true" : "false");
      }
      add(builder, place->second, file_.tracks[track].label, shape, static_cast<int32_t>(track) + 1);
    }
    auto result = builder.take();
    result.place = [name = name_, ids](const CocoImage& image, const CocoAnnotation& annotation) {
      return fmt::format("{}: {} track {}", name, image.file_name,
                         ids.at(static_cast<size_t>(annotation.position) - 1));
    };
    return result;
  }

  bool is_full(const PartBuilder& builder) const {
    return part_.split.limit > 0 && static_cast<int64_t>(builder.size()) == part_.split.limit;
  }

  void add_labels(PartBuilder& builder) const {
    for (const auto& label : file_.labels) builder.add_class(label);
  }

  void add(PartBuilder& builder, size_t image, const std::string& label, const CvatShape& shape,
           int32_t position) const {
    const auto [x, y, width, height] = shape.upright();
    auto& annotation = builder.add_object(image, label, {}, position);
    set_box(annotation, x, y, width, height);
    if (!with_details_) return;
    auto& details = builder.details();
    details.attributes = shape.attributes;
    if (shape.rotation != 0) details.attributes.emplace_back("rotation", fmt::format("{}", shape.rotation));
    if (!shape.outline.empty()) details.segmentation = fmt::format("[[{}]]", fmt::join(shape.outline, ", "));
  }

  const DatasetPart& part_;
  const CvatSource source_;
  const std::string name_;
  const bool with_details_;
  Problems& problems_;
  CvatFile file_;
};

}  // namespace

Format cvat_format() {
  return {.parts = cvat_parts,
          .read = [](const DatasetPart& part, bool with_details,
                     Problems& problems) { return CvatBuilder(part, with_details, problems).read(); },
          .has_files = true};
}

}  // namespace rcnn::data
