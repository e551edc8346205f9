#include "data/formats/image_index.h"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "data/formats/slash_path.h"
#include "data/images/image_ending.h"
#include "text.h"

namespace rcnn::data {
namespace {

/// The path with / between its parts, whatever system wrote it, without "." and "..".
std::string plain_path(std::string_view from, std::string_view name) {
  std::string path(name);
  if (from.empty() && path.find_first_of("/\\") == std::string::npos) return path;  // there may be millions
  std::ranges::replace(path, '\\', '/');
  return (std::filesystem::path(from) / path).lexically_normal().generic_string();
}

/// Where `folder` lies as seen from `from`: the same, below it, beside it or below what is beside it,
/// elsewhere.
int distance(std::string_view folder, std::string_view from) {
  if (folder == from) return 0;
  const auto is_below = [&](std::string_view above) {
    return above.empty() || (folder.starts_with(above) && folder.substr(above.size()).starts_with('/'));
  };
  if (is_below(from)) return 1;
  if (is_below(folder_of(from))) return 2;
  return 3;
}

/// How many folders two paths of folders have in common at their ends.
int common_tail(std::string_view a, std::string_view b) {
  int count = 0;
  while (!a.empty() && name_of(a) == name_of(b)) {
    a = folder_of(a);
    b = folder_of(b);
    ++count;
  }
  return count;
}

}  // namespace

ImageIndex::ImageIndex(const Place& place) {
  for (const auto& folder : place.folders()) {
    for (auto& file : folder.images()) {
      const auto name = lower(file);
      by_name_[name].push_back(entries_.size());
      by_stem_[std::string(stem_of(name))].push_back(entries_.size());
      entries_.push_back({folder.path, std::move(file)});
    }
  }
}

const std::vector<size_t>* ImageIndex::named(std::string_view name) const {
  const auto key = lower(std::string(name));
  if (const auto found = by_name_.find(key); found != by_name_.end()) return &found->second;
  if (const auto found = by_stem_.find(key); found != by_stem_.end()) return &found->second;
  if (!has_image_ending(key)) return nullptr;
  // The image was converted, and its annotations still have the old ending.
  const auto found = by_stem_.find(std::string(stem_of(key)));
  return found == by_stem_.end() ? nullptr : &found->second;
}

std::vector<std::string> ImageIndex::in(std::string_view folder) const {
  std::vector<std::string> images;
  for (const auto& entry : entries_) {
    if (entry.folder == folder)
      images.push_back(folder.empty() ? entry.file : entry.folder + '/' + entry.file);
  }
  return images;
}

bool ImageIndex::has(std::string_view name) const {
  return named(name_of(plain_path("", name))) != nullptr;
}

std::optional<std::string> ImageIndex::find(std::string_view name, std::string_view from) const {
  const auto path = plain_path("", name);
  const auto* places = named(name_of(path));
  if (places == nullptr) return std::nullopt;
  const auto said = plain_path(from, name);
  const auto as_said = folder_of(said), from_top = folder_of(path);
  const auto rank = [&](const Entry& entry) {
    // With several parts in its name, an image lies where that leads, or where its last folders agree.
    constexpr int kDeepest = 1000, kDistances = 4;
    if (entry.folder == as_said) return 0;
    if (entry.folder == from_top) return 1;
    const int tail = std::min(common_tail(entry.folder, from_top), kDeepest - 1);
    return kDistances * (kDeepest - tail) + distance(entry.folder, from);
  };
  int best = std::numeric_limits<int>::max();
  std::vector<const Entry*> nearest;
  for (const size_t place : *places) {
    const auto& entry = entries_[place];
    const int now = rank(entry);
    if (now < best) nearest.clear();
    if (now <= best) nearest.push_back(&entry);
    best = std::min(best, now);
  }
  // Several endings of one stem in one folder: the first of kImageEndings.
  const auto* first = nearest.front();
  for (const auto* entry : nearest) {
    if (entry->folder != first->folder) return std::nullopt;
    const auto order = [](const Entry* e) {
      return std::ranges::find(kImageEndings, lower(std::string(ending_of(e->file)))) - kImageEndings.begin();
    };
    if (order(entry) < order(first)) first = entry;
  }
  return first->folder.empty() ? first->file : first->folder + '/' + first->file;
}

}  // namespace rcnn::data
