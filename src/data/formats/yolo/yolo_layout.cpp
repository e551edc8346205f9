#include "data/formats/yolo/yolo_layout.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include <spdlog/fmt/ranges.h>

#include <rcnn/error.h>

#include "data/formats/slash_path.h"
#include "data/formats/yolo/yolo_folders.h"
#include "data/formats/yolo/yolo_list.h"
#include "data/formats/yolo/yolo_names.h"
#include "data/formats/yolo/yolo_text.h"
#include "data/formats/yolo/yolo_yaml.h"
#include "data/images/image_ending.h"
#include "data/paths.h"
#include "text.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

/// Absolute, without "." and "..", and without a slash at the end; links are not looked through.
fs::path plain(const fs::path& path) {
  const auto normal = (fs::absolute(path) / "").lexically_normal();
  return normal.has_relative_path() ? normal.parent_path() : normal;
}

/// Where a path lies below a folder, both plain; nothing when it does not.
std::optional<std::string> below(const fs::path& path, const fs::path& folder) {
  const auto relative = path.lexically_relative(folder);
  if (relative.empty() || *relative.begin() == "..") return std::nullopt;
  return relative == "." ? "" : relative.generic_string();
}

/// The parts that a yaml file names.
class YamlLayout {
 public:
  /// `files` are those of the file's folder. Null where the file itself was named: then it may lead anywhere.
  YamlLayout(const YoloYaml& yaml, const YoloFiles* files)
      : yaml_(yaml), files_(files), root_(plain(yaml.file).parent_path()), may_lead_out_(files == nullptr) {}

  std::vector<YoloPart> parts() {
    std::vector<YoloPart> parts;
    for (const auto& [name, places] : yaml_.parts) {
      YoloPart part{.name = name};
      for (const auto& place : places) add(name, place, part);
      const bool has_images = std::ranges::any_of(
          part.pieces, [](const YoloPiece& piece) { return !piece.list.empty() || !piece.images.empty(); });
      if (!has_images && part.error.empty())
        part.error =
            fmt::format("{}: {}: no image there: {}", yaml_.file.string(), name, fmt::join(places, ", "));
      if (name == "test" && !part.error.empty()) {
        notes_.emplace_back("the test part is passed over", part.error);
      } else {
        parts.push_back(std::move(part));
      }
    }
    const auto usable = std::ranges::find_if(parts, [](const YoloPart& part) { return part.error.empty(); });
    if (usable != parts.end()) usable->notes.insert(usable->notes.end(), notes_.begin(), notes_.end());
    return parts;
  }

  /// The lists that parts are.
  const std::set<std::string>& lists() const { return lists_; }

 private:
  void add(const std::string& name, const std::string& place, YoloPart& part) {
    std::string outside;
    const auto path = resolve(name, place, outside);
    if (!path) {
      part.error =
          outside.empty()
              ? fmt::format("{}: {}: {} is not there, also not beside the file", yaml_.file.string(), name,
                            place)
              : fmt::format("{}: {}: {} lies outside of the data set's folder; name {} itself to read it",
                            yaml_.file.string(), name, outside, yaml_.file.filename().string());
      return;
    }
    std::error_code unknown;
    const bool is_folder = fs::is_directory(*path, unknown);
    const auto inside = below(*path, root_);
    if (is_folder) {
      if (!may_lead_out_) {
        part.pieces.push_back(piece_of(*files_, *inside));
        return;
      }
      const auto files = YoloFiles::of(*path);
      part.pieces.push_back(piece_of(files, below(*path, plain(files.root())).value_or("")));
    } else if (!may_lead_out_) {
      lists_.insert(*inside);
      part.pieces.push_back({.files = *files_, .list = *inside});
    } else {
      const auto base = fs::path(yaml_.path).empty() ? root_ : plain(root_ / yaml_.path);
      const auto top = below(*path, base) ? base : path->parent_path();
      part.pieces.push_back({.files = YoloFiles(Place(top)), .list = below(*path, top).value_or("")});
    }
  }

  /// Where a place is: from the yaml's path, from the file's folder, there without the "../" that Roboflow
  /// puts before it, and there by the longest end of it that is something, for it comes from another machine.
  std::optional<fs::path> resolve(const std::string& name, const std::string& place, std::string& outside) {
    std::string text = place;
    std::ranges::replace(text, '\\', '/');
    std::vector<fs::path> candidates;
    if (!yaml_.path.empty()) candidates.push_back(root_ / yaml_.path / text);
    candidates.push_back(root_ / text);
    std::string_view end = text;
    while (end.starts_with("../")) end.remove_prefix(3);
    candidates.push_back(root_ / end);
    const size_t usual = candidates.size();
    for (size_t slash = end.find('/'); slash != std::string_view::npos; slash = end.find('/')) {
      end.remove_prefix(slash + 1);
      if (!end.empty()) candidates.push_back(root_ / end);
    }
    for (size_t i = 0; i < candidates.size(); ++i) {
      auto path = plain(candidates[i]);
      if (!is_there(path)) continue;
      const auto inside = below(path, root_);
      if (!inside && !may_lead_out_) {
        if (outside.empty()) outside = path.string();
        continue;
      }
      if (i >= usual || !outside.empty()) {
        notes_.emplace_back("taken from its own folder is what the yaml has elsewhere",
                            fmt::format("{}: {}: {} as {}", yaml_.file.filename().string(), name,
                                        outside.empty() ? place : outside,
                                        inside && !inside->empty() ? *inside : path.string()));
      }
      return path;
    }
    return std::nullopt;
  }

  const YoloYaml& yaml_;
  const YoloFiles* files_;
  const fs::path root_;
  const bool may_lead_out_;
  std::set<std::string> lists_;
  std::vector<std::pair<std::string, std::string>> notes_;
};

FoundYaml find_yaml(const YoloFiles& files) {
  return find_yolo_yaml(files.root(), files.folder("")->with_ending({".yaml", ".yml"}));
}

/// What darknet's obj.data says.
struct DarknetData {
  std::string file;  ///< below the root
  std::map<std::string, std::string> values = {};
};

std::optional<DarknetData> read_darknet(const YoloFiles& files, const std::string& file) {
  constexpr size_t kHead = 65536;
  DarknetData data{.file = file};
  const auto head = with_line_feeds(read_head(files.root() / file, kHead));
  for_each_line(without_byte_order_mark(head), [&](std::string_view line) {
    const size_t sign = line.find('=');
    if (sign != std::string_view::npos)
      data.values.emplace(lower(std::string(trimmed(line.substr(0, sign)))), trimmed(line.substr(sign + 1)));
  });
  if (!data.values.contains("names") && !data.values.contains("train")) return std::nullopt;
  return data;
}

/// obj.data, or another file of this kind, at the top or in a folder there.
std::optional<DarknetData> find_darknet(const YoloFiles& files) {
  std::vector<DarknetData> found;
  for (const auto& folder : files.folders()) {
    if (folder.path.find('/') != std::string::npos) continue;
    for (const auto& name : folder.with_ending({".data"})) {
      if (auto data = read_darknet(files, folder.file(name))) found.push_back(std::move(*data));
    }
  }
  std::ranges::stable_sort(found, {},
                           [](const DarknetData& data) { return !data.file.ends_with("obj.data"); });
  return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

std::vector<YoloPart> parts_of_darknet(const DarknetData& data, const YoloFiles& files,
                                       std::set<std::string>& lists) {
  const auto from = folder_of(data.file);
  std::vector<YoloPart> parts;
  std::vector<std::pair<std::string, std::string>> notes;
  for (const char* key : {"train", "valid", "val", "test"}) {
    const auto value = data.values.find(key);
    if (value == data.values.end() || value->second.empty()) continue;
    const auto list = find_named(value->second, from, files);
    if (!list) {
      notes.emplace_back("a list of images is not there, and its part passed over",
                         fmt::format("{}: {} = {}", data.file, key, value->second));
    } else if (lists.insert(*list).second) {
      if (leads_outside(value->second, from, files))
        notes.emplace_back("a list that is named elsewhere is taken from the data set's own folder",
                           fmt::format("{}: {} = {} as {}", data.file, key, value->second, *list));
      YoloPart part{.name = key};
      part.pieces.push_back({.files = files, .list = *list});
      parts.push_back(std::move(part));
    }
  }
  if (!parts.empty()) parts.front().notes = std::move(notes);
  return parts;
}

/// Adds lists of images at the top that are no part yet, in the place of folders of the same name.
void add_lists(const YoloFiles& files, const std::set<std::string>& lists, bool are_folders,
               std::vector<YoloPart>& parts) {
  constexpr size_t kMostLooked = 1000, kHead = 4096;
  const auto* top = files.folder("");
  std::set<std::string> stems;
  for (const auto& file : top->images()) stems.emplace(stem_of(file));
  std::vector<YoloPart> listed;
  size_t looked = 0;
  for (const auto& file : top->with_ending({".txt"})) {
    std::string stem(stem_of(file));
    if (stems.contains(stem) || is_names_file(file) || lists.contains(file)) continue;
    if (++looked > kMostLooked) break;
    if (!is_image_list(without_byte_order_mark(read_head(files.root() / file, kHead)))) continue;
    YoloPart part{.name = std::move(stem)};
    part.pieces.push_back({.files = files, .list = file});
    listed.push_back(std::move(part));
  }
  if (listed.empty()) return;
  std::vector<std::string> divide;
  for (const auto& part : listed) divide.push_back(part.pieces.front().list);
  for (auto& part : listed) part.lists = divide;
  // Lists divide what lies in one folder; the part that has no name of its own is what they are made from.
  if (const auto all = std::ranges::find(parts, "all", &YoloPart::name); all != parts.end()) {
    if (are_folders) listed.front().replaced = std::move(all->pieces);
    parts.erase(all);
  }
  for (auto& part : listed) {
    const auto same = std::ranges::find(parts, part.name, &YoloPart::name);
    if (same == parts.end()) {
      parts.push_back(std::move(part));
    } else if (are_folders) {
      std::ranges::move(same->pieces, std::back_inserter(part.replaced));
      part.notes = std::move(same->notes);
      *same = std::move(part);
    }
  }
}

/// The files with names of classes at the top, one folder below, and above or among images and labels.
std::vector<fs::path> find_names_files(const YoloFiles& files, const std::vector<YoloPart>& parts) {
  std::set<std::string> above;
  const auto add = [&](std::string_view path) {
    for (size_t slash = path.rfind('/'); slash != std::string_view::npos; slash = path.rfind('/')) {
      path = path.substr(0, slash);
      if (!above.emplace(path).second) return;
    }
  };
  for (const auto& part : parts) {
    for (const auto& piece : part.pieces) {
      for (const auto& image : piece.images) {
        add(image.file);
        add(image.label);
      }
    }
  }
  std::vector<fs::path> found;
  for (const auto& folder : files.folders()) {
    const bool is_near = folder.path.find('/') == std::string::npos || above.contains(folder.path);
    if (!is_near) continue;
    for (const auto& file : folder.files) {
      if (is_names_file(file)) found.push_back(files.root() / folder.file(file));
    }
  }
  return found;
}

void name_classes(const FoundYaml& found, const std::optional<DarknetData>& darknet, const YoloFiles& files,
                  const std::vector<YoloPart>& parts, YoloSet& set) {
  set.unread = found.unread;
  for (const auto& other : found.others)
    set.other_names.emplace_back(other.file.filename().string(), other.names);
  auto near = find_names_files(files, parts);
  if (const auto& yaml = found.yaml) {
    set.names = yaml->names;
    set.names_origin = yaml->file.filename().string();
    set.class_count = yaml->class_count;
    set.keypoint_shape = yaml->keypoint_shape;
    set.lines = yaml->lines;
  }
  if (set.names.empty() && darknet && darknet->values.contains("names")) {
    const auto from = folder_of(darknet->file);
    if (const auto names = find_named(darknet->values.at("names"), from, files))
      set.names_files = {files.root() / *names};
  }
  if (set.names.empty() && set.names_files.empty()) set.names_files = std::exchange(near, {});
  if (!set.names_files.empty()) set.names_origin = set.names_files.front().filename().string();
  std::erase_if(near, [&](const fs::path& file) {
    return is_predefined_names_file(file.filename().string()) ||
           std::ranges::count(set.names_files, file) > 0;
  });
  set.other_files = std::move(near);
}

bool is_broken(const YoloPart& part) {
  return !part.error.empty();
}

std::vector<YoloPart> with_classes(std::vector<YoloPart> parts, const FoundYaml& found,
                                   const std::optional<DarknetData>& darknet, const YoloFiles& files) {
  auto set = std::make_shared<YoloSet>();
  name_classes(found, darknet, files, parts, *set);
  for (auto& part : parts) part.set = set;
  return parts;
}

std::vector<YoloPart> parts_of_folder(const YoloFiles& files) {
  const auto found = find_yaml(files);
  const auto& yaml = found.yaml;
  std::vector<YoloPart> parts;
  std::set<std::string> lists;
  std::optional<DarknetData> darknet;
  if (yaml && !yaml->parts.empty()) {
    YamlLayout layout(*yaml, &files);
    parts = layout.parts();
    lists = layout.lists();
    // A yaml that leads nowhere may be of other data.
    if (std::ranges::all_of(parts, is_broken) && parts_of_folders(files, true).empty()) return {};
  } else {
    darknet = find_darknet(files);
    if (darknet) parts = parts_of_darknet(*darknet, files, lists);
  }
  const bool are_folders = parts.empty();
  if (are_folders) parts = parts_of_folders(files, yaml.has_value() || darknet.has_value());
  if (parts.empty()) return parts;
  if (!found.failure.empty()) throw DataError(found.failure);
  add_lists(files, lists, are_folders, parts);
  return with_classes(std::move(parts), found, darknet, files);
}

/// The data set's folder where archives were unpacked into one that holds nothing else.
std::optional<std::string> only_folder(const YoloFiles& files) {
  const auto is_near = [](const Folder& folder) { return folder.path.find('/') == std::string::npos; };
  const auto& folders = files.folders();
  if (std::ranges::count_if(folders, is_near) != 2 || !files.folder("")->files.empty()) return std::nullopt;
  const auto inner = std::ranges::find_if(
      folders, [&](const Folder& folder) { return is_near(folder) && !folder.path.empty(); });
  return inner->with_ending({".yaml", ".yml", ".data"}).empty() ? std::nullopt : std::optional(inner->path);
}

std::optional<YoloYaml> named_yaml(const Place& place) {
  const auto ending = lower(std::string(ending_of(place.path().filename().string())));
  if (ending != ".yaml" && ending != ".yml") return std::nullopt;
  auto yaml = read_yolo_yaml(place.path());
  return yaml && !yaml->parts.empty() ? std::move(yaml) : std::nullopt;
}

}  // namespace

std::vector<YoloPart> yolo_parts(const Place& place) {
  if (place.is_folder()) {
    const YoloFiles files(place);
    const auto inner = only_folder(files);
    return parts_of_folder(inner ? YoloFiles(Place(place.path() / *inner)) : files);
  }
  const FoundYaml found{.yaml = named_yaml(place)};
  const auto& yaml = found.yaml;
  if (!yaml) return {};
  auto parts = YamlLayout(*yaml, nullptr).parts();
  const auto sound = std::ranges::find_if_not(parts, is_broken);
  if (sound == parts.end())
    throw DataError(parts.empty() ? yaml->file.string() + ": names no part" : parts.front().error);
  const auto files = sound->pieces.front().files;
  return with_classes(std::move(parts), found, std::nullopt, files);
}

Nearness near_yolo(const Place& place) {
  if (!place.is_folder()) return {};
  const YoloFiles files(place);
  const auto found = find_yaml(files);
  const auto& yaml = found.yaml;
  if (!found.failure.empty()) return {.share = 80, .lacks = found.failure};
  if (!yolo_parts(place).empty()) return {.share = 100, .lacks = "it is a data set of this format"};
  if (yaml && !yaml->parts.empty()) {
    const auto parts = YamlLayout(*yaml, &files).parts();
    if (!parts.empty()) return {.share = 80, .lacks = parts.front().error};
  }
  constexpr size_t kLooked = 20;
  size_t images = 0, labels = 0, looked = 0;
  std::string first;
  for (const auto& folder : files.folders()) {
    images += folder.images().size();
    for (const auto& file : folder.with_ending({".txt"})) {
      if (is_names_file(file)) continue;
      if (lower(file) == "_annotations.txt") {
        return {
            .share = 70,
            .lacks = fmt::format("{} is a table of boxes, as of YOLOv4 PyTorch and Keras YOLO, which is not "
                                 "read; export as YOLOv5 or later, Darknet, or COCO",
                                 folder.file(file))};
      }
      const bool is_label =
          ++looked > kLooked ? labels > 0 : looks_like_labels(place.head(folder.file(file)));
      if (is_label && labels++ == 0) first = folder.file(file);
    }
  }
  if (labels == 0) return {};
  if (images == 0) {
    return {.share = 50,
            .lacks = fmt::format("{} texts look like labels, {} is the first, but there is no image", labels,
                                 first)};
  }
  return {
      .share = 60,
      .lacks = fmt::format("{} texts look like labels, {} is the first, but none has the name of an image, "
                           "beside it or with labels/ for images/ in its path",
                           labels, first)};
}

}  // namespace rcnn::data
