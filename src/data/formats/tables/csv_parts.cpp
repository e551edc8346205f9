#include "data/formats/tables/csv_parts.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "data/formats/slash_path.h"
#include "data/images/image_ending.h"
#include "data/paths.h"
#include "text.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostTables = 100, kHeadRows = 200, kHeadBytes = 65536;

TableHead table_head(std::string file, const std::string& head) {
  TableHead table{.file = std::move(file), .rows = first_rows(head, kHeadRows, head.size() < kHeadBytes - 3)};
  if (table.rows.empty()) table.problem = why_no_utf8(head);
  return table;
}

/// Whether a word says of a file or a folder that it holds annotations, and not which.
bool says_nothing(std::string_view word) {
  constexpr std::array<std::string_view, 16> kWords = {
      "",      "annotation", "annotations", "annots", "anno", "label",    "labels", "bbox",
      "boxes", "bboxes",     "detections",  "data",   "csv",  "metadata", "images", "image"};
  return word.starts_with("oidv") || std::ranges::find(kWords, word) != kWords.end();
}

/// What is left of a file's stem without the words that say nothing: "train" of "train_labels".
std::string telling_name(std::string_view stem) {
  std::string name;
  char before = '_';
  while (!stem.empty()) {
    const size_t end = std::min(stem.find_first_of("_- ."), stem.size());
    const auto word = stem.substr(0, end);
    if (!says_nothing(lower(std::string(word)))) {
      if (!name.empty()) name += before;
      name += word;
    }
    if (end < stem.size()) before = stem[end];
    stem.remove_prefix(std::min(end + 1, stem.size()));
  }
  return name;
}

std::string name_of_table(const fs::path& file) {
  auto name = telling_name(file.stem().string());
  for (auto folder = file.parent_path(); name.empty() && !folder.empty(); folder = folder.parent_path()) {
    const auto word = folder.filename().string();
    if (!says_nothing(lower(word))) name = word;
    if (folder == folder.parent_path()) break;
  }
  return name.empty() ? "all" : name;
}

/// Whether a name says which part of a data set it is, with what people put behind: train2017.
bool is_of_a_part(const std::string& name) {
  constexpr std::array<std::string_view, 3> kParts = {"train", "val", "test"};
  return std::ranges::any_of(kParts, [&](std::string_view part) { return lower(name).starts_with(part); });
}

/// Where the images of a part may lie, below the folder that holds its table or the one of the data set.
std::vector<std::string> usual_folders(const std::string& from, const std::string& part) {
  std::vector<std::string> folders;
  for (const auto& top : {from, std::string()}) {
    for (const auto& folder : {std::string(), std::string("images"), part, path_below("images", part),
                               path_below(part, "images"), path_below(part, "data"), std::string("data")})
      folders.push_back(path_below(top, folder));
  }
  return folders;
}

/// The folder of a lone table's images: the first of those beside it in which one of its images lies, and its
/// own where there is none.
fs::path folder_beside(const fs::path& table, const std::string& part, const std::set<std::string>& images) {
  const fs::path own = table.has_parent_path() ? table.parent_path() : ".";
  const auto has_image = [&](const fs::path& folder) {
    return std::ranges::any_of(images, [&](const std::string& image) {
      const auto name = fs::path(image).filename().string();
      if (stays_inside(image) && is_there(folder / image)) return true;
      if (name.empty()) return false;
      if (has_image_ending(name)) return is_there(folder / name);
      return std::ranges::any_of(kImageEndings, [&](std::string_view ending) {
        return is_there(folder / (name + std::string(ending)));
      });
    });
  };
  for (const fs::path& top : {own, own / ".."}) {
    for (const auto& folder : usual_folders("", part)) {
      if (const auto place = (top / folder).lexically_normal(); has_image(place)) return place;
    }
  }
  return own;
}

}  // namespace

std::vector<TableHead> tables_of(const Place& place) {
  std::vector<TableHead> tables;
  if (!place.is_folder()) {
    tables.push_back(table_head(place.path().filename().string(), place.head()));
    return tables;
  }
  for (const auto& folder : place.folders()) {
    for (const auto& name : folder.with_ending({".csv", ".tsv"})) {
      if (tables.size() == kMostTables) return tables;
      const auto file = folder.file(name);
      tables.push_back(table_head(file, place.head(file)));
    }
  }
  return tables;
}

std::vector<DatasetPart> table_parts(
    const Place& place, const LocateOptions& options, const std::vector<TableHead>& tables,
    const std::function<std::set<std::string>(const TableHead& table)>& images_of,
    const std::function<fs::path(const TableHead& table)>& classes_of) {
  if (tables.empty()) return {};
  std::map<std::string, int> named;
  for (const auto& table : tables) ++named[name_of_table(table.file)];
  std::shared_ptr<const ImageIndex> index;
  if (place.is_folder()) {
    options.refuse_images(place.path());
    index = std::make_shared<ImageIndex>(place);
  }
  std::vector<DatasetPart> parts;
  for (const auto& table : tables) {
    const fs::path file = table.file;
    auto name = name_of_table(file);
    if (tables.size() == 1 && !is_of_a_part(name)) name = "all";
    TablePart own{.file = place.is_folder() ? place.path() / file : place.path(),
                  .name = table.file,
                  .root = place.path(),
                  .from = file.parent_path().generic_string(),
                  .images = index,
                  .folders = usual_folders(file.parent_path().generic_string(), name),
                  .classes = classes_of(table)};
    for (const auto& [other, count] : named) {
      if (other != name && other != "all") own.other_parts.push_back(other);
    }
    if (named[name] > 1) name = (file.parent_path() / file.stem()).generic_string();
    if (!place.is_folder()) {
      own.root = options.images.empty() ? folder_beside(own.file, name, images_of(table)) : options.images;
      own.images = std::make_shared<ImageIndex>(Place(own.root));
    }
    DatasetPart part{.name = name, .options = {}, .split = {.split = name}};
    part.options.root = place.is_folder() ? place.path() : own.file.parent_path();
    part.split.annotations = own.file;
    part.split.images = own.root;
    part.split.own = std::move(own);
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace rcnn::data
