#include "data/formats/voc/voc_images.h"

#include <algorithm>
#include <tuple>

#include "data/formats/slash_path.h"
#include "data/images/image_ending.h"
#include "text.h"

namespace rcnn::data {

VocImages::VocImages(const Place& place, const VocPart& part) : place_(place), part_(part) {
  for (const auto& folder : place.folders()) folders_.emplace(folder.path, &folder);
}

std::optional<std::string> VocImages::in_place(const std::string& id, std::string_view file_name) const {
  auto path = path_below(part_.images, id);
  const std::string name(name_of(path));
  const auto folder = folders_.find(std::string(folder_of(path)));
  if (folder == folders_.end()) return std::nullopt;
  const auto& files = folder->second->files;
  if (std::ranges::binary_search(files, name)) return path;
  const auto rank = [&](const std::string& file) {
    const auto order = std::ranges::find(kImageEndings, lower(std::string(ending_of(file))));
    return std::tuple(file != file_name, order - kImageEndings.begin());
  };
  const auto stem = name + '.';
  const std::string* best = nullptr;
  for (auto file = std::ranges::lower_bound(files, stem); file != files.end() && file->starts_with(stem);
       ++file) {
    const bool is_its = ending_of(*file).size() + name.size() == file->size() && has_image_ending(*file);
    if (is_its && (best == nullptr || rank(*file) < rank(*best))) best = &*file;
  }
  if (best == nullptr) return std::nullopt;
  return folder->second->file(*best);
}

std::optional<std::string> VocImages::elsewhere(const std::string& id, const std::string& file_name) {
  if (!index_) index_.emplace(place_);
  const auto start = part_.scope.empty() ? "" : part_.scope + '/';
  for (const auto& name : {id, file_name}) {
    if (name.empty()) continue;
    auto found = index_->find(name, part_.images);
    const auto wanted = folder_of(name).empty() ? folder_of(id) : folder_of(name);
    if (found && found->starts_with(start) && may_lie_in(folder_of(*found), wanted)) return found;
  }
  return std::nullopt;
}

/// day1/a is no image of day2, but may be one of images/day1, or of a folder that has none below.
bool VocImages::may_lie_in(std::string_view folder, std::string_view wanted) const {
  return wanted.empty() || folder == part_.images || folder.ends_with(wanted);
}

}  // namespace rcnn::data
