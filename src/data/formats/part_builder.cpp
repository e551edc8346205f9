#include "data/formats/part_builder.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "data/paths.h"

namespace rcnn::data {

PartBuilder::PartBuilder(std::string name, std::filesystem::path images, bool with_details)
    : with_details_(with_details) {
  part_.name = std::move(name);
  part_.images = std::move(images);
}

size_t PartBuilder::add_image(std::string file_name, std::string name, ImageSize stated) {
  const auto place = part_.content.images.size();
  part_.content.images.push_back({.id = static_cast<int64_t>(place) + 1,
                                  .file_name = std::move(file_name),
                                  .size = stated,
                                  .name = std::move(name)});
  return place;
}

CocoAnnotation& PartBuilder::add_object(size_t image, const std::string& class_name,
                                        std::array<double, 4> box, int32_t position) {
  auto& annotations = part_.content.annotations;
  annotations.push_back({.id = std::ssize(annotations) + 1,
                         .image_id = static_cast<int64_t>(image) + 1,
                         .category_id = class_place(class_name),
                         .box = box,
                         .area = box[2] * box[3],
                         .position = position});
  if (with_details_) part_.content.details.emplace_back();
  return annotations.back();
}

AnnotatedPart PartBuilder::take(const std::vector<Category>& known) {
  std::vector<int64_t> ids(places_.size());
  auto& categories = part_.content.categories;
  categories = known;
  int64_t last = 0;
  for (const auto& category : known) {
    last = std::max(last, category.id);
    if (const auto place = places_.find(category.name); place != places_.end())
      ids[static_cast<size_t>(place->second)] = category.id;
  }
  for (const auto& [name, place] : places_) {
    if (std::ranges::find(known, name, &Category::name) != known.end()) continue;
    categories.push_back({.id = ++last, .name = name});
    ids[static_cast<size_t>(place)] = last;
  }
  for (auto& annotation : part_.content.annotations)
    annotation.category_id = ids[static_cast<size_t>(annotation.category_id)];
  return std::move(part_);
}

int64_t PartBuilder::class_place(const std::string& name) {
  return places_.try_emplace(name, std::ssize(places_)).first->second;
}

std::vector<std::variant<ImageInfo, DataError>> read_headers(const std::vector<CocoImage>& images,
                                                             const std::filesystem::path& folder,
                                                             int64_t max_megapixels) {
  std::vector<std::filesystem::path> files;
  for (const auto& image : images)
    files.push_back(stays_inside(image.file_name) ? folder / image.file_name : std::filesystem::path());
  auto infos = image_infos(files, kHeaderReaders, max_megapixels);
  for (size_t i = 0; i < files.size(); ++i) {
    if (files[i].empty())
      infos[i] = DataError(images[i].file_name + ": leads out of the folder of images, or is no name");
  }
  return infos;
}

}  // namespace rcnn::data
