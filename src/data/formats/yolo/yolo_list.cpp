#include "data/formats/yolo/yolo_list.h"

#include <algorithm>
#include <filesystem>
#include <unordered_set>

#include <spdlog/fmt/fmt.h>

#include "data/formats/slash_path.h"
#include "data/formats/yolo/yolo_text.h"
#include "data/images/image_ending.h"
#include "text.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

/// Finds files by their names in lists, most of which have few folders for many files.
class NamedFiles {
 public:
  NamedFiles(const YoloFiles& files, std::string_view from)
      : files_(files), from_(from), root_(fs::absolute(files.root()).lexically_normal()) {}

  using Found = std::pair<const Folder*, std::string>;

  std::optional<Found> find(std::string_view named) {
    const auto [folder, name] = split(named);
    const auto known = folders_.find(folder);
    if (known != folders_.end() && known->second->has(name)) return Found(known->second, name);
    for (const auto& path : candidates(folder)) {
      const auto* place = files_.folder(path);
      if (place == nullptr || !place->has(name)) continue;
      folders_[folder] = place;
      return Found(place, name);
    }
    return std::nullopt;
  }

  /// The only file of this name.
  std::optional<Found> find_by_name(std::string_view named) {
    if (by_name_.empty()) {
      for (const auto& folder : files_.folders()) {
        for (const auto& file : folder.files) {
          const auto [known, is_new] = by_name_.emplace(file, &folder);
          if (!is_new) known->second = nullptr;
        }
      }
    }
    const auto name = split(named).second;
    const auto found = by_name_.find(name);
    if (found == by_name_.end() || found->second == nullptr) return std::nullopt;
    return Found(found->second, name);
  }

  /// Whether a name leads out of the data set's folder, as those of another machine do.
  bool leads_outside(std::string_view named) {
    const bool may_lead = named.starts_with('/') || named.starts_with('\\') ||
                          named.find("..") != std::string_view::npos ||
                          named.find(':') != std::string_view::npos;
    if (!may_lead) return false;
    const auto folder = split(named).first;
    const auto known = outside_.find(folder);
    if (known != outside_.end()) return known->second;
    return outside_[folder] = !inside(folder);
  }

 private:
  /// A folder below the root as a name in a list has it; nothing for one that is outside.
  std::optional<std::string> inside(const std::string& folder) const {
    const bool has_drive = folder.find(":/") != std::string::npos || (folder.size() == 2 && folder[1] == ':');
    if (has_drive) return std::nullopt;
    const auto below = (root_ / from_ / folder).lexically_normal().lexically_relative(root_);
    if (below.empty() || *below.begin() == "..") return std::nullopt;
    auto path = below == "." ? std::string() : below.generic_string();
    if (path.ends_with('/')) path.pop_back();
    return path;
  }

  /// The folder with / between its parts, whatever system wrote it, without "." and "..", and the name.
  static std::pair<std::string, std::string> split(std::string_view named) {
    std::string path(named);
    std::ranges::replace(path, '\\', '/');
    path = fs::path(path).lexically_normal().generic_string();
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) return {"", path};
    return {path.substr(0, std::max<size_t>(slash, 1)), path.substr(slash + 1)};
  }

  std::vector<std::string> candidates(const std::string& folder) const {
    std::vector<std::string> paths;
    if (auto path = inside(folder)) paths.push_back(std::move(*path));
    std::string_view end = folder;
    for (;;) {
      paths.emplace_back(end);
      if (end.empty()) return paths;
      const size_t slash = end.find('/');
      end.remove_prefix(slash == std::string_view::npos ? end.size() : slash + 1);
    }
  }

  const YoloFiles& files_;
  const std::string from_;
  const fs::path root_;                                          // absolute
  std::unordered_map<std::string, bool> outside_;                // by what lists call folders
  std::unordered_map<std::string, const Folder*> folders_;       // by what lists call them
  std::unordered_map<std::string_view, const Folder*> by_name_;  // null where several have it
};

std::string with_other_ending(std::string_view file, std::string_view ending) {
  return fmt::format("{}{}", stem_of(file), ending);
}

}  // namespace

bool is_image_list(std::string_view head) {
  const auto text = trimmed(head);
  const auto line = trimmed(text.substr(0, text.find_first_of(kLineEnds)));
  const size_t slash = line.find_last_of("/\\");
  return has_image_ending(slash == std::string_view::npos ? line : line.substr(slash + 1));
}

std::vector<YoloImage> read_image_list(const std::string& list, const YoloFiles& files, Policy bad_images,
                                       Problems& problems) {
  constexpr size_t kLargest = 1'000'000'000;
  NamedFiles named(files, folder_of(list));
  std::vector<YoloImage> images;
  std::unordered_set<std::string> seen;
  int64_t number = 0;
  for_each_line(read_lines(files.root() / list, kLargest), [&](std::string_view line) {
    ++number;
    const auto path = trimmed(line);
    if (path.empty()) return;
    const auto where = [&] { return fmt::format("{} line {} ({})", list, number, path); };
    auto found = named.find(path);
    if (!found) found = named.find_by_name(path);
    if (found && named.leads_outside(path))
      problems.warn("an image that the list has elsewhere is taken from the data set's own folder", where());
    if (!found) {
      problems.bad(bad_images, "bad_images", "an image of the list is not there", where());
    } else if (!has_image_ending(found->second)) {
      problems.bad(bad_images, "bad_images", "no file that ends as images do", where());
    } else if (!seen.insert(found->first->file(found->second)).second) {
      problems.warn("an image is listed a second time, and taken once", where());
    } else {
      auto image = files.image(*found->first, found->second);
      if (!image.has_label) {  // CVAT keeps labels where the list says, and the images may be elsewhere
        if (const auto label = named.find(with_other_ending(path, ".txt")))
          image = {image.file, label->first->file(label->second), true};
      }
      images.push_back(std::move(image));
    }
  });
  return images;
}

std::optional<std::string> find_named(std::string_view path, std::string_view from, const YoloFiles& files) {
  const auto found = NamedFiles(files, from).find(path);
  return found ? std::optional(found->first->file(found->second)) : std::nullopt;
}

bool leads_outside(std::string_view path, std::string_view from, const YoloFiles& files) {
  return NamedFiles(files, from).leads_outside(path);
}

}  // namespace rcnn::data
