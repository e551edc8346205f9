#include "data/formats/yolo/yolo_files.h"

#include <algorithm>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "data/images/image_ending.h"
#include "text.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kImagesFolder = "images";

/// The folders of a place below another path than their own.
void append_below(const std::string& path, const Place& place, std::vector<Folder>& folders) {
  for (auto folder : place.folders()) {
    folder.path = folder.path.empty() ? path : path.empty() ? folder.path : path + '/' + folder.path;
    folders.push_back(std::move(folder));
  }
}

/// The path with another word for the last of its parts that is a folder of images, or exactly "images".
std::optional<std::string> replaced(std::string_view path, std::string_view by, bool exactly) {
  for (size_t end = path.size(); end != std::string_view::npos;) {
    const size_t slash = end == 0 ? std::string_view::npos : path.rfind('/', end - 1);
    const size_t begin = slash == std::string_view::npos ? 0 : slash + 1;
    const auto part = path.substr(begin, end - begin);
    if (exactly ? part == kImagesFolder : is_images_folder(part))
      return fmt::format("{}{}{}", path.substr(0, begin), by, path.substr(end));
    end = slash;
  }
  return std::nullopt;
}

}  // namespace

bool is_images_folder(std::string_view name) {
  const auto word = lower(std::string(name));
  return word == kImagesFolder || word == "jpegimages";
}

std::optional<std::string> labels_path(std::string_view images) {
  const auto usual = replaced(images, "labels", true);
  return usual ? usual : replaced(images, "labels", false);
}

YoloFiles::YoloFiles(fs::path root, std::vector<Folder> folders) : root_(std::move(root)) {
  std::ranges::sort(folders, {}, &Folder::path);
  folders_ = std::make_shared<const std::vector<Folder>>(std::move(folders));
}

YoloFiles::YoloFiles(const Place& place) : YoloFiles(place.path(), place.folders()) {}

YoloFiles YoloFiles::of(const fs::path& images) {
  const auto path = (fs::absolute(images) / "").lexically_normal().parent_path();
  std::vector<Folder> folders;
  const auto labels = labels_path(path.generic_string());
  if (!labels) {
    append_below("", Place(path), folders);
    return {path, std::move(folders)};
  }
  const auto split = std::mismatch(path.begin(), path.end(), fs::path(*labels).begin()).first;
  fs::path root;
  for (auto part = path.begin(); part != split; ++part) root /= *part;
  append_below(path.lexically_relative(root).generic_string(), Place(path), folders);
  std::error_code not_there;
  if (fs::is_directory(*labels, not_there))
    append_below(fs::path(*labels).lexically_relative(root).generic_string(), Place(*labels), folders);
  return {root, std::move(folders)};
}

const Folder* YoloFiles::folder(std::string_view path) const {
  const auto found = std::ranges::lower_bound(*folders_, path, {}, &Folder::path);
  return found != folders_->end() && found->path == path ? &*found : nullptr;
}

const Folder* YoloFiles::labels_of(const Folder& folder) const {
  for (const bool exactly : {true, false}) {
    for (const auto* word : {"labels", "Labels", "LABELS"}) {
      const auto path = replaced(folder.path, word, exactly);
      const auto* labels = path ? this->folder(*path) : nullptr;
      if (labels != nullptr) return labels;
    }
  }
  return nullptr;
}

std::vector<YoloImage> YoloFiles::images_in(const Folder& folder) const {
  std::vector<YoloImage> result;
  const auto* labels = labels_of(folder);
  for (const auto& file : folder.images()) result.push_back(image(folder, file, labels));
  return result;
}

YoloImage YoloFiles::image(const Folder& folder, const std::string& file) const {
  return image(folder, file, labels_of(folder));
}

YoloImage YoloFiles::image(const Folder& folder, const std::string& file, const Folder* labels) const {
  const std::string stem(stem_of(file));
  const auto name = stem + ".txt";
  const Folder* usual = labels == nullptr ? &folder : labels;
  for (const auto* place : {labels, &folder}) {
    if (place == nullptr) continue;
    if (place->has(name)) return {folder.file(file), place->file(name), true};
    if (auto other = stem + ".TXT"; place->has(other)) return {folder.file(file), place->file(other), true};
  }
  return {folder.file(file), usual->file(name), false};
}

}  // namespace rcnn::data
