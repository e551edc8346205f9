#include "data/formats/voc/voc_lists.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include <spdlog/fmt/fmt.h>

#include "data/formats/slash_path.h"
#include "data/images/image_ending.h"
#include "data/paths.h"
#include "text.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

/// Goes through the lines of lists.
class IdFinder {
 public:
  IdFinder(const VocPart& part, const VocFiles& files) : files_(files) {
    for (const auto& folder : {part.images, part.annotations}) {
      if (!folder.empty()) folders_.push_back(fmt::format("/{}/", name_of(folder)));
    }
  }

  /// The id that a line means: one that has a file where there is one. Empty for an empty line.
  std::string find(std::string_view line) const {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (is_id(line)) return std::string(line);  // also with blanks around it
    auto text = trimmed(line);
    if (is_id(text)) return std::string(text);
    const size_t space = text.find_last_of(" \t");
    if (space != std::string_view::npos && is_presence(text.substr(space + 1)))
      text = trimmed(text.substr(0, space));
    std::string path(text);
    std::ranges::replace(path, '\\', '/');
    while (path.starts_with("./")) path.erase(0, 2);
    if (is_id(path)) return path;
    const bool has_ending = has_image_ending(path) || lower(std::string(ending_of(path))) == ".xml";
    if (has_ending) path.resize(stem_of(path).size());
    if (is_id(path)) return path;
    for (const auto& folder : folders_) {
      const size_t at = ('/' + path).rfind(folder);
      if (at == std::string::npos) continue;
      const auto id = path.substr(at + folder.size() - 1);
      if (is_id(id)) return id;
    }
    // A file's path: where annotations lie in no further folders, its name is the id.
    const std::string name(name_of(path));
    return has_ending && is_id(name) ? name : path;
  }

 private:
  bool is_id(std::string_view text) const { return files_.contains(std::string(text)); }

  const VocFiles& files_;
  std::vector<std::string> folders_;  // "/JPEGImages/"
};

bool leads_out(const std::string& id) {
  return id.starts_with('/') || ('/' + id + '/').find("/../") != std::string::npos;
}

}  // namespace

VocFiles annotation_files(const Place& place, const VocPart& part) {
  VocFiles files;
  const auto start = part.annotations.empty() ? "" : part.annotations + '/';
  for (const auto& folder : place.folders()) {
    if (folder.path != part.annotations && !folder.path.starts_with(start)) continue;
    for (const auto& name : folder.with_ending({".xml"})) {
      const auto file = folder.file(name);
      files.emplace(stem_of(file).substr(start.size()), file);
    }
  }
  return files;
}

std::vector<std::string> ids_of(const Place& place, const VocPart& part, const VocFiles& files,
                                Policy bad_images, Problems& problems) {
  std::vector<std::string> ids;
  if (part.lists.empty()) {
    for (const auto& [id, file] : files) ids.push_back(id);
    return ids;
  }
  constexpr size_t kLargest = 256'000'000;
  const IdFinder finder(part, files);
  std::unordered_set<std::string> in_any;
  for (const auto& list : part.lists) {
    const std::string text = read_text(place.path() / list, kLargest);
    std::unordered_set<std::string> in_this;
    int64_t number = 0;
    for_each_line(text, [&](std::string_view line) {
      ++number;
      auto id = finder.find(line);
      if (id.empty()) return;
      const auto bad = [&](const char* what) {
        problems.bad(bad_images, "bad_images", fmt::format("{} {}", list, what),
                     fmt::format("{} (line {})", id, number));
      };
      if (leads_out(id)) return bad("leads out of the data set");
      if (!in_this.insert(id).second) return bad("names an image twice");
      if (in_any.insert(id).second) ids.push_back(std::move(id));
    });
  }
  return ids;
}

}  // namespace rcnn::data
