#include "data/formats/voc_folder.h"

#include <array>
#include <unordered_set>

#include <spdlog/fmt/ranges.h>

#include <rcnn/error.h>
#include <rcnn/io/files/new_folder.h>

#include "data/paths.h"
#include "text.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr std::array kFolders = {"Annotations", "JPEGImages", "ImageSets/Main"};

}  // namespace

bool is_presence(std::string_view word) {
  return word == "-1" || word == "0" || word == "1";
}

void VocFolder::check() const {
  for (const char* folder : kFolders) {
    if (is_there(root_ / folder)) continue;
    throw DataError(
        fmt::format("{}: has no folder {}; a Pascal VOC data set has Annotations, JPEGImages and "
                    "ImageSets/Main",
                    root_.string(), folder));
  }
}

void VocFolder::make() const {
  io::make_new_folder(root_);
  for (const char* folder : kFolders) io::make_new_folder(root_ / folder);
}

std::vector<std::string> VocFolder::ids(const std::string& split, Problems& problems) const {
  const std::string name = fmt::format("ImageSets/Main/{}.txt", split);
  constexpr size_t kLargest = 256'000'000;
  if (!is_there(root_ / name)) {
    throw DataError(fmt::format("{}: there is no such split; there are: {}", (root_ / name).string(),
                                fmt::join(stems_in(root_ / "ImageSets/Main", "", ".txt"), ", ")));
  }
  const std::string text = read_text(root_ / name, kLargest);
  std::vector<std::string> ids;
  std::unordered_set<std::string> seen;
  int64_t number = 0;
  bool any = false;
  for_each_line(text, [&](std::string_view line) {
    ++number;
    const std::string id = id_of(line);
    if (id.empty()) return;
    any = true;
    const std::string where = fmt::format("{} (line {})", id, number);
    if (id.find_first_of("/\\") != std::string::npos || id.find("..") != std::string::npos) {
      problems.error(fmt::format("{} leads out of the data set; give names without a path or ending", name),
                     where);
    } else if (!seen.insert(id).second) {
      problems.error(fmt::format("{} names an image twice", name), where);
    } else {
      ids.push_back(id);
    }
  });
  if (!any) throw DataError(fmt::format("{}: the list is empty", (root_ / name).string()));
  return ids;
}

/// VOC's lists of one class have a second column that says whether the class is there; it is not part of the
/// id, unless a file says so.
std::string VocFolder::id_of(std::string_view line) const {
  const std::string_view id = trimmed(line);
  const size_t space = id.find_last_of(" \t");
  if (space != std::string_view::npos && !is_there(annotation(std::string(id)))) {
    const std::string_view second = id.substr(space + 1);
    if (is_presence(second)) return std::string(trimmed(id.substr(0, space)));
  }
  return std::string(id);
}

std::optional<fs::path> VocFolder::image(const std::string& id) const {
  for (const char* ending : {".jpg", ".JPG", ".jpeg", ".JPEG", ".png"}) {
    fs::path file = root_ / "JPEGImages" / (id + ending);
    if (is_there(file)) return file;
  }
  return std::nullopt;
}

}  // namespace rcnn::data
