#include "data/formats/yolo/yolo_folders.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <unordered_set>

#include <spdlog/fmt/fmt.h>

#include "data/formats/slash_path.h"
#include "data/formats/yolo/yolo_names.h"
#include "data/formats/yolo/yolo_text.h"
#include "data/images/image_ending.h"
#include "data/paths.h"
#include "text.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

using Path = std::vector<std::string>;

Path parts_of_path(std::string_view path) {
  Path parts;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    parts.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return parts;
}

std::string joined(const Path& parts, size_t count) {
  std::string path;
  for (size_t i = 0; i < count; ++i) path += (i == 0 ? "" : "/") + parts[i];
  return path;
}

/// What a folder of this name is a part of: "train" for train, "train2017", obj_train_data; empty for a name
/// that says nothing of parts.
std::string part_name(const std::string& folder) {
  std::string name = folder;
  const auto plain = lower(folder);
  if (plain.starts_with("obj_") && plain.ends_with("_data") && plain.size() > 9)
    name = folder.substr(4, folder.size() - 9);
  const auto word = lower(name);
  static constexpr std::array kUsual = {"train", "training", "trainval",   "minitrain", "trainset",
                                        "val",   "valid",    "validation", "minival",   "valset",
                                        "test",  "testing",  "testset",    "dev",       "eval"};
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const bool is_part = std::ranges::any_of(kUsual, [&](const std::string_view usual) {
    return word.starts_with(usual) && (word.size() == usual.size() || !is_letter(word[usual.size()]));
  });
  return is_part ? name : "";
}

/// A folder with images, as its path says what it is.
struct ImageFolder {
  const Folder* folder = nullptr;
  Path path = {};        ///< of the folder
  size_t images_at = 0;  ///< the place of its last part "images"; the path's size where there is none
  bool has_labels = false, has_labels_beside = false;

  bool is_in_images() const { return images_at < path.size(); }

  /// The path without "images".
  Path place() const {
    Path rest = path;
    if (is_in_images()) rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(images_at));
    return rest;
  }
};

size_t place_of_images(const Path& path) {
  for (size_t i = path.size(); i > 0; --i) {
    if (is_images_folder(path[i - 1])) return i - 1;
  }
  return path.size();
}

/// Looks at the folders of a place for images and their labels.
class FolderLayout {
 public:
  FolderLayout(const YoloFiles& files, bool has_names) : files_(files), has_names_(has_names) {
    for (const auto& folder : files.folders()) look_at(folder);
  }

  std::vector<YoloPart> parts() {
    if (!has_labels_of_yolo()) return {};
    std::erase_if(folders_, [&](const ImageFolder& folder) { return !belongs(folder); });
    find_prefixes();
    std::map<std::string, std::vector<const ImageFolder*>> by_name;
    std::vector<const ImageFolder*> others;
    for (const auto& folder : folders_) {
      const auto name = name_of(folder.place());
      (name.empty() ? others : by_name[name]).push_back(&folder);
    }
    std::vector<YoloPart> result;
    if (by_name.empty()) {
      result.push_back(part_of("all", others));
      return result;
    }
    std::vector<std::pair<std::string, std::string>> notes;
    for (const auto* folder : others) {
      if (folder->has_labels || folder->has_labels_beside)
        notes.emplace_back("images with labels beside the folders of the parts belong to none",
                           folder->folder->path);
    }
    for (const auto& [name, folders] : by_name) {
      const bool labelled = std::ranges::any_of(
          folders, [](const auto* folder) { return folder->has_labels || folder->has_labels_beside; });
      if (labelled) {
        result.push_back(part_of(name, folders));
      } else {
        notes.emplace_back("a folder of images without any labels is passed over",
                           folders.front()->folder->path);
      }
    }
    note_empty_folders(by_name, notes);
    if (!result.empty()) result.front().notes = std::move(notes);
    return result;
  }

 private:
  void look_at(const Folder& folder) {
    ImageFolder found{.folder = &folder, .path = parts_of_path(folder.path)};
    found.images_at = place_of_images(found.path);
    const auto* labels = files_.labels_of(folder);
    if (labels != nullptr && !has_texts(*labels)) labels = nullptr;
    const bool texts_beside = has_texts(folder);
    bool has_images = false;
    std::string name;
    for (const auto& file : folder.files) {
      if (!has_image_ending(file)) continue;
      has_images = true;
      name.assign(stem_of(file)).append(".txt");
      if (labels != nullptr && labels->has(name)) {
        found.has_labels = true;
        sample(labels->file(name), in_labels_);
      } else if (texts_beside && folder.has(name)) {
        found.has_labels_beside = true;
        sample(folder.file(name), beside_);
      }
      const bool none_to_find = labels == nullptr && !texts_beside;
      const bool has_any = found.has_labels || found.has_labels_beside;
      if (none_to_find || (has_any && in_labels_.size() + beside_.size() >= kLooked)) break;
    }
    if (!has_images) return;
    if (found.has_labels_beside) labelled_beside_.insert(folder.path);
    folders_.push_back(std::move(found));
  }

  static bool has_texts(const Folder& folder) {
    return std::ranges::any_of(folder.files, [](const auto& file) { return file.ends_with(".txt"); });
  }

  static void sample(std::string file, std::vector<std::string>& files) {
    if (files.size() < kLooked) files.push_back(std::move(file));
  }

  /// In folders of their own a word or two more are labels with a mistake; beside images a text may be
  /// anything.
  bool has_labels_of_yolo() const {
    if (in_labels_.empty() && beside_.empty()) return false;
    const bool has_names = has_names_ || std::ranges::any_of(files_.folders(), [](const Folder& folder) {
                             return std::ranges::any_of(folder.files, is_names_file);
                           });
    if (has_names && !in_labels_.empty()) return true;
    bool all_empty = true;
    for (const auto* samples : {&in_labels_, &beside_}) {
      for (const auto& file : *samples) {
        constexpr size_t kHead = 4096;
        const auto head = without_byte_order_mark(read_head(files_.root() / file, kHead));
        if (trimmed(head).empty()) continue;
        all_empty = false;
        if (looks_like_labels(head)) return true;
        if ((samples == &in_labels_ || has_names) && words_of_line(head) >= 4) return true;
      }
    }
    return all_empty && has_names;
  }

  static size_t words_of_line(std::string_view text) {
    text = trimmed(text);
    text = text.substr(0, text.find_first_of(kLineEnds));
    size_t words = 0;
    while (!(text = trimmed(text)).empty()) {
      ++words;
      text.remove_prefix(std::min(text.find_first_of(" \t"), text.size()));
    }
    return words;
  }

  /// Whether the images are of the data set and not a picture in its documentation.
  bool belongs(const ImageFolder& folder) const {
    if (folder.is_in_images() && !in_labels_.empty()) {
      const auto place = folder.place();
      const auto labels = labels_path(joined(folder.path, folder.images_at + 1));
      if (folder.has_labels || files_.folder(*labels) != nullptr) return true;
      if (std::ranges::any_of(place, [](const auto& name) { return !part_name(name).empty(); })) return true;
    }
    for (size_t count = 0; count <= folder.path.size(); ++count) {
      if (labelled_beside_.contains(joined(folder.path, count))) return true;
    }
    return false;
  }

  /// Where folders named after parts lie, their neighbours are parts, too.
  void find_prefixes() {
    for (const auto& folder : folders_) {
      const auto place = folder.place();
      const auto part =
          std::ranges::find_if(place, [](const auto& name) { return !part_name(name).empty(); });
      if (part != place.end()) prefixes_.insert(joined(place, static_cast<size_t>(part - place.begin())));
    }
  }

  /// The part that a folder belongs to; empty where it is none of a part.
  std::string name_of(const Path& place) const {
    for (const auto& name : place) {
      if (auto part = part_name(name); !part.empty()) return part;
    }
    for (size_t count = place.size(); count-- > 0;) {
      if (prefixes_.contains(joined(place, count))) return place[count];
    }
    return "";
  }

  /// The folder that the names of a folder's images start from.
  std::string top_of(const ImageFolder& folder, const std::string& part) const {
    size_t count = folder.is_in_images() ? folder.images_at + 1 : 0;
    for (size_t i = 0; i < folder.path.size() && part != "all"; ++i) {
      if (part_name(folder.path[i]) != part && folder.path[i] != part) continue;
      count = std::max(count, i + 1);
      break;
    }
    return joined(folder.path, count);
  }

  YoloPart part_of(const std::string& name, const std::vector<const ImageFolder*>& folders) const {
    std::vector<const Folder*> plain;
    Path top = parts_of_path(top_of(*folders.front(), name));
    for (const auto* folder : folders) {
      plain.push_back(folder->folder);
      const auto other = parts_of_path(top_of(*folder, name));
      top.erase(std::ranges::mismatch(top, other).in1, top.end());
    }
    YoloPart part{.name = name};
    part.pieces.push_back(piece_of(files_, joined(top, top.size()), plain));
    return part;
  }

  template <class Parts>
  void note_empty_folders(const Parts& parts, std::vector<std::pair<std::string, std::string>>& notes) const {
    std::set<std::string> said;
    for (const auto& folder : files_.folders()) {
      ImageFolder empty{.folder = &folder, .path = parts_of_path(folder.path)};
      empty.images_at = place_of_images(empty.path);
      const auto place = empty.place();
      if (place.empty() || !prefixes_.contains(joined(place, place.size() - 1))) continue;
      const auto name = part_name(place.back());
      if (!name.empty() && !parts.contains(name) && said.insert(name).second)
        notes.emplace_back("a folder of a part has no images, and is passed over", folder.path);
    }
  }

  static constexpr size_t kLooked = 20;

  const YoloFiles& files_;
  const bool has_names_;
  std::vector<ImageFolder> folders_;
  std::vector<std::string> in_labels_, beside_;  // some labels, where they lie
  std::set<std::string> labelled_beside_;        // folders
  std::set<std::string> prefixes_;               // of parts, in paths without "images"
};

}  // namespace

bool looks_like_labels(std::string_view text) {
  text = trimmed(text);
  auto line = text.substr(0, text.find_first_of(kLineEnds));
  size_t words = 0;
  while (!(line = trimmed(line)).empty()) {
    const size_t end = std::min(line.find_first_of(" \t"), line.size());
    if (!number<double>(line.substr(0, end))) return false;
    line.remove_prefix(end);
    ++words;
  }
  return words >= 5;
}

YoloPiece piece_of(const YoloFiles& files, std::string top, const std::vector<const Folder*>& folders) {
  YoloPiece piece{.files = files, .top = std::move(top)};
  std::unordered_set<std::string_view> used;
  std::set<const Folder*> labels;
  for (const auto* folder : folders) {
    auto images = files.images_in(*folder);
    piece.images.insert(piece.images.end(), std::move_iterator(images.begin()),
                        std::move_iterator(images.end()));
    if (const auto* of_folder = files.labels_of(*folder)) labels.insert(of_folder);
  }
  std::ranges::sort(piece.images, {}, &YoloImage::file);
  for (const auto& image : piece.images) {
    if (image.has_label) used.insert(image.label);
  }
  if (const auto below = labels_path(piece.top)) {
    for (const auto& folder : files.folders()) {
      if (lies_below(folder.path, *below)) labels.insert(&folder);
    }
  }
  const auto add_unused = [&](const Folder& folder, std::vector<std::string>& to) {
    for (const auto& file : folder.with_ending({".txt"})) {
      if (auto path = folder.file(file); !is_names_file(file) && !used.contains(path))
        to.push_back(std::move(path));
    }
  };
  for (const auto* folder : labels) add_unused(*folder, piece.strays);
  for (const auto* folder : folders) {
    if (!labels.contains(folder)) add_unused(*folder, piece.loose);
  }
  std::ranges::sort(piece.strays);
  return piece;
}

YoloPiece piece_of(const YoloFiles& files, const std::string& top) {
  std::vector<const Folder*> folders;
  for (const auto& folder : files.folders()) {
    if (lies_below(folder.path, top)) folders.push_back(&folder);
  }
  return piece_of(files, top, folders);
}

std::vector<YoloPart> parts_of_folders(const YoloFiles& files, bool has_names) {
  return FolderLayout(files, has_names).parts();
}

}  // namespace rcnn::data
