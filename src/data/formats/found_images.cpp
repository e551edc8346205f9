#include "data/formats/found_images.h"

#include <algorithm>
#include <any>
#include <array>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include "data/formats/images_folder.h"
#include "data/formats/slash_path.h"
#include "data/images/image_ending.h"
#include "data/paths.h"
#include "text.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 8> kPartWords = {"train", "training",   "trainval", "val",
                                                        "valid", "validation", "test",     "testing"};

/// The last word of a path or a name, between any of these characters, that is a part's.
std::string part_word(std::string_view text, std::string_view between) {
  std::string found;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(between), text.size());
    const auto word = lower(std::string(text.substr(0, end)));
    const auto letters = word.substr(0, word.find_last_not_of("0123456789") + 1);  // train2017
    if (std::ranges::find(kPartWords, letters) != kPartWords.end()) found = word;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return found;
}

struct FoundFile {
  std::string folder, name;
};

/// The files' names as parts: see parts_of_files().
std::vector<std::string> part_names(const std::vector<FoundFile>& files) {
  std::vector<std::string> names;
  for (const auto& [folder, name] : files) {
    auto part = part_of_path(folder);
    if (part.empty()) part = part_word(stem_of(name), " _-.");
    if (part.empty()) part = files.size() == 1 ? "all" : std::string(stem_of(name));
    names.push_back(std::move(part));
  }
  std::map<std::string, int64_t> counts;
  for (const auto& name : names) ++counts[name];
  for (size_t i = 0; i < names.size(); ++i) {
    if (counts[names[i]] == 1) continue;
    names[i] = path_below(files[i].folder, stem_of(files[i].name));
    std::ranges::replace(names[i], '/', '-');
  }
  return names;
}

DatasetPart part_of_file(const std::string& name, const fs::path& root, const fs::path& file,
                         const LocateOptions& options, AnnotationFile own) {
  DatasetPart part{
      .name = name,
      .options = {},
      .split = {.split = name, .annotations = file, .images = options.images, .own = std::move(own)}};
  part.options.root = root;
  return part;
}

}  // namespace

std::string part_of_path(std::string_view path) {
  return part_word(path, "/");
}

std::vector<DatasetPart> parts_of_files(const Place& place, const LocateOptions& options,
                                        std::string_view ending, bool (*is_it)(std::string_view head)) {
  if (!place.is_folder()) {
    const auto name = place.path().filename().string();
    if (lower(std::string(ending_of(name))) != ending || !is_it(place.head())) return {};
    const auto folder = place.path().has_parent_path() ? place.path().parent_path() : fs::path(".");
    const auto names = part_names({{"", name}});
    return {part_of_file(names.front(), folder, place.path(), options, {})};
  }
  constexpr size_t kMostOfFolder = 20, kMostHeads = 500;
  std::vector<FoundFile> files;
  size_t heads = 0;
  for (const auto& folder : place.folders()) {
    const auto candidates = folder.with_ending({ending});
    if (candidates.size() > kMostOfFolder) continue;
    for (const auto& name : candidates) {
      if (++heads > kMostHeads) break;
      if (is_it(place.head(folder.file(name)))) files.push_back({folder.path, name});
    }
  }
  std::vector<DatasetPart> parts;
  if (files.empty()) return parts;
  const auto shared = std::make_shared<const Place>(place);
  const auto names = part_names(files);
  for (size_t i = 0; i < files.size(); ++i) {
    const auto& [folder, name] = files[i];
    parts.push_back(
        part_of_file(names[i], place.path(), place.path() / folder / name, options, {shared, folder}));
  }
  return parts;
}

FoundImages::FoundImages(const DatasetPart& part, const std::string& first) {
  const auto* own = std::any_cast<AnnotationFile>(&part.split.own);
  if (!part.split.images.empty()) {
    root_ = part.split.images;
  } else if (own != nullptr && own->place != nullptr) {
    place_ = own->place;
    from_ = own->folder;
    root_ = place_->path();
    index_.emplace(*place_);
  } else {
    root_ = images_folder_of(part.split.annotations, part.name, first);
  }
}

std::optional<std::string> FoundImages::find(const std::string& name) {
  if (!index_ && stays_inside(name) && has_image_ending(name) && is_there(root_ / name))
    return fs::path(name).lexically_normal().generic_string();
  if (!index_) index_.emplace(Place(root_));
  return index_->find(name, from_);
}

void settle_images(AnnotatedPart& part) {
  auto& images = part.content.images;
  if (images.empty()) return;
  std::string common = std::string(folder_of(images.front().file_name));
  for (const auto& image : images) {
    while (!lies_below(image.file_name, common)) common = folder_of(common);
  }
  if (!common.empty()) {
    part.images /= common;
    for (auto& image : images) image.file_name.erase(0, common.size() + 1);
  }
  std::unordered_map<std::string, int> stems;
  for (const auto& image : images) ++stems[std::string(stem_of(image.file_name))];
  for (auto& image : images) {
    image.name = stem_of(image.file_name);
    if (stems[image.name] > 1) image.name = image.file_name;
  }
}

}  // namespace rcnn::data
