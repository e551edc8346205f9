#include "data/formats/via/via_format.h"

#include <map>
#include <memory>

#include <spdlog/fmt/fmt.h>

#include "data/formats/found_images.h"
#include "data/formats/part_builder.h"
#include "data/formats/via/via_file.h"

namespace rcnn::data {
namespace {

std::vector<DatasetPart> via_parts(const Place& place, const LocateOptions& options) {
  return parts_of_files(place, options, ".json", is_via);
}

/// The images by where they lie; of two entries of one, which VIA makes when the image's file changes, that
/// with regions.
std::map<std::string, const ViaImage*> placed_images(const std::vector<ViaImage>& images, FoundImages& found,
                                                     const DataOptions& options, const std::string& file,
                                                     Problems& problems) {
  std::map<std::string, const ViaImage*> result;
  for (const auto& image : images) {
    const auto where = [&] { return fmt::format("{}: {}", file, image.file_name); };
    const auto path = found.find(image.file_name);
    if (!path) {
      problems.bad(options.bad_images, "bad_images", "an image that is not there", where());
      continue;
    }
    const auto [other, is_new] = result.emplace(*path, &image);
    if (is_new) continue;
    if (!image.regions.empty() && !other->second->regions.empty()) {
      problems.error("an image has two entries with regions, of which VIA itself shows one; remove the other",
                     where());
      continue;
    }
    problems.warn("an image has a second entry without regions, which is left out", where());
    if (other->second->regions.empty()) other->second = &image;
  }
  return result;
}

AnnotatedPart read_via(const DatasetPart& part, bool with_details, Problems& problems) {
  const auto file = part.split.annotations.filename().string();
  const auto images = read_via_file(part.split.annotations, part.options, with_details, problems);
  FoundImages found(part, images.empty() ? "" : images.front().file_name);
  PartBuilder builder(part.name, found.root(), with_details);
  std::vector<JsonFields> fields;
  for (const auto& [path, image] : placed_images(images, found, part.options, file, problems)) {
    if (part.split.limit > 0 && std::ssize(fields) == part.split.limit) break;
    const size_t place = builder.add_image(path, "");
    fields.emplace_back();
    if (!image->attributes.empty()) fields.back().emplace_back("file_attributes", image->attributes);
    for (const auto& region : image->regions) {
      builder.add_object(place, region.class_name, region.annotation.box, region.annotation.position);
      if (with_details) builder.details() = region.details;
    }
  }
  auto result = builder.take();
  if (with_details) result.content.image_fields = std::move(fields);
  settle_images(result);
  result.place = [file](const CocoImage& image, const CocoAnnotation& annotation) {
    return fmt::format("{}: {} region {}", file, image.file_name, annotation.position);
  };
  return result;
}

}  // namespace

Format via_format() {
  return {.parts = via_parts, .read = read_via, .has_files = true};
}

}  // namespace rcnn::data
