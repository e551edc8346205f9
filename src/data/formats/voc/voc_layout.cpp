#include "data/formats/voc/voc_layout.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>

#include <spdlog/fmt/ranges.h>

#include "data/formats/found_images.h"
#include "data/formats/slash_path.h"
#include "data/images/image_ending.h"
#include "data/paths.h"
#include "text.h"

namespace rcnn::data {
namespace {

using VocNames = std::vector<std::string>;

// What people call these folders, in lower case; the customary first.
const VocNames kAnnotationNames = {"annotations", "annotation", "annots", "annot", "annos",  "anno",
                                   "anns",        "ann",        "xml",    "xmls",  "labels", "label"};
const VocNames kImageNames = {"jpegimages", "images", "image", "imgs", "img", "photos", "pictures", "pics"};
const VocNames kMaskNames = {"segmentationclass", "segmentationobject", "masks", "mask"};

constexpr size_t kNowhere = static_cast<size_t>(-1);

size_t rank_in(const VocNames& names, const std::string& name) {
  const auto found = std::ranges::find(names, lower(name));
  return found == names.end() ? kNowhere : static_cast<size_t>(found - names.begin());
}

VocNames path_parts(std::string_view path) {
  VocNames parts;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    parts.emplace_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

std::string path_from(const VocNames& parts, size_t count) {
  return fmt::format("{}", fmt::join(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(count), "/"));
}

std::string common_folder(const std::string& a, const std::string& b) {
  const auto of_a = path_parts(a), of_b = path_parts(b);
  return path_from(of_a, static_cast<size_t>(std::ranges::mismatch(of_a, of_b).in1 - of_a.begin()));
}

/// Whether a file that begins so is an annotation file of VOC, in whatever encoding.
bool is_voc_head(std::string head) {
  std::erase(head, '\0');
  constexpr std::string_view kElement = "<annotation";
  const size_t element = head.find(kElement);
  if (element == std::string::npos) return false;
  const size_t end = element + kElement.size();
  if (end >= head.size() || std::string_view(" \t\r\n>").find(head[end]) == std::string_view::npos)
    return false;  // CVAT's <annotations>
  return std::ranges::any_of(std::array{"<object", "<filename", "<size"},
                             [&](const char* child) { return head.find(child, end) != std::string::npos; });
}

/// Annotation files that lie together.
struct VocGroup {
  std::string folder = {};  // theirs
  std::string within = {};  // the folder that has all of them in it or below

  std::string wrapper = {};     // the data set's folder
  std::string part = {};        // the name of a part's folder; empty without one
  bool part_above = false;      // train/annots, or annots/train
  size_t name_rank = kNowhere;  // of the folder's name among the customary ones
  bool beside_images = false;
  VocNames files = {};
};

/// Where annotation files in a folder belong.
VocGroup voc_group(const std::string& path, bool beside_images) {
  const auto names = path_parts(path);
  size_t annotations = kNowhere, part = kNowhere;
  for (size_t i = 0; i < names.size(); ++i) {
    if (annotations == kNowhere && rank_in(kAnnotationNames, names[i]) != kNowhere) annotations = i;
    if (part == kNowhere && !part_of_path(names[i]).empty()) part = i;
  }
  if (annotations != kNowhere && part != kNowhere && part > annotations + 1)
    part = kNowhere;  // a folder of an id's
  VocGroup group{.beside_images = beside_images};
  size_t depth = 0;  // of the folder
  if (annotations != kNowhere) {
    depth = annotations + 1;
    group.name_rank = rank_in(kAnnotationNames, names[annotations]);
  }
  if (part != kNowhere) {
    group.part = names[part];
    group.part_above = annotations == kNowhere || part < annotations;
    depth = std::max(annotations == kNowhere ? 0 : depth, part + 1);
  }
  if (annotations == kNowhere && !beside_images) depth = std::min(depth + 1, names.size());
  group.folder = path_from(names, depth);
  const size_t first = std::min(annotations, part);
  if (first != kNowhere) group.wrapper = path_from(names, first);
  return group;
}

class VocLayoutFinder {
 public:
  explicit VocLayoutFinder(const Place& place) : place_(place) {
    for (const auto& folder : place.folders()) {
      if (std::ranges::none_of(folder.files, has_image_ending)) continue;
      const auto names = path_parts(folder.path);
      for (size_t i = 0; i <= names.size(); ++i) with_images_.insert(path_from(names, i));
    }
  }

  VocLayout find() {
    auto groups = find_groups();
    VocLayout layout;
    const auto listed = lists_in("");
    if (groups.empty() && !listed.empty()) groups.push_back({.folder = customary("", kAnnotationNames)});
    if (groups.empty()) {
      layout.lacks = what_is_missing();
      return layout;
    }
    std::map<size_t, std::set<std::string>> wrappers;  // by depth
    for (const auto& group : groups) wrappers[path_parts(group.wrapper).size()].insert(group.wrapper);
    const auto& outer = wrappers.begin()->second;
    if (outer.size() > 1) {
      layout.lacks = fmt::format("{} are data sets of their own; name one of them", fmt::join(outer, ", "));
      return layout;
    }
    if (with_images_.empty() && listed.empty()) {
      layout.lacks = fmt::format("there are {} .xml in {}, but no image anywhere",
                                 groups.front().files.size(), shown(groups.front().folder));
      return layout;
    }
    std::vector<VocGroup> ours;
    for (auto& group : groups) {
      if (group.wrapper == *outer.begin()) {
        ours.push_back(std::move(group));
      } else {
        layout.passed_over.push_back(shown(group.folder));
      }
    }
    find_parts(std::move(ours), layout);
    return layout;
  }

 private:
  static std::string shown(const std::string& folder) { return folder.empty() ? "." : folder + "/"; }

  /// The groups that are VOC's.
  std::vector<VocGroup> find_groups() const {
    std::map<std::string, VocGroup> groups;  // by folder
    for (const auto& folder : place_.folders()) {
      const auto files = folder.with_ending({".xml"});
      if (files.empty()) continue;
      auto group = voc_group(folder.path, std::ranges::any_of(folder.files, has_image_ending));
      auto& known = groups.try_emplace(group.folder, group).first->second;
      known.beside_images |= group.beside_images;
      known.within = known.files.empty() ? folder.path : common_folder(known.within, folder.path);
      for (const auto& file : files) known.files.push_back(folder.file(file));
    }
    constexpr size_t kLooked = 8, kMost = 400;  // files of a group, and of all
    std::vector<VocGroup> found;
    size_t looked = 0;
    for (auto& [folder, group] : groups) {
      const size_t count = std::min(kLooked, group.files.size());
      bool is_voc = false;
      for (size_t i = 0; i < count && !is_voc && looked < kMost; ++i, ++looked)
        is_voc = is_voc_head(place_.head(group.files[i * group.files.size() / count]));
      if (!is_voc) continue;
      if (group.name_rank == kNowhere && group.beside_images) group.folder = group.within;
      found.push_back(std::move(group));
    }
    return found;
  }

  /// Makes parts of groups with one wrapper.
  void find_parts(std::vector<VocGroup> groups, VocLayout& layout) const {
    const auto wrapper = groups.front().wrapper;
    const bool any_above = std::ranges::any_of(groups, &VocGroup::part_above);
    if (const auto lists = lists_in(wrapper); !lists.empty() && !any_above) {
      auto group = one_of(groups, layout);
      if (!group.part.empty()) {  // annotations/train, where ids are train/a
        group.folder = folder_of(group.folder);
        group.part.clear();
      }
      for (const auto& [name, files] : parts_of_lists(lists, group)) add_part(name, group, files, layout);
      return;
    }
    std::map<std::string, std::vector<VocGroup>> parts;
    for (auto& group : groups) parts[group.part].push_back(std::move(group));
    if (parts.size() > 1) {
      for (const auto& group : parts[""]) layout.passed_over.push_back(shown(group.folder));
      parts.erase("");
    }
    for (auto& [name, those] : parts) {
      const auto group = one_of(those, layout);
      VocNames lists;
      if (group.part_above) {
        const auto base = path_below(wrapper, name);
        for (const auto& [list, files] : parts_of_lists(lists_in(base), group)) {
          if (list == name) lists = files;
        }
        if (lists.empty()) lists = lists_in(base);
      }
      add_part(name.empty() ? "all" : lower(name), group, lists, layout);
    }
  }

  /// Of groups of one part the one with a customary name; others without one are taken together.
  static VocGroup one_of(std::vector<VocGroup>& groups, VocLayout& layout) {
    const auto best = *std::ranges::min_element(groups, {}, &VocGroup::name_rank);
    VocGroup one = best;
    for (const auto& group : groups) {
      if (group.folder == best.folder) continue;
      const bool same_names = group.name_rank == best.name_rank && best.name_rank == kNowhere;
      const bool same_folder = !group.part.empty() && group.part != best.part;  // annotations/train and /val
      if (same_names) {
        one.folder = common_folder(one.folder, group.folder);
        one.beside_images |= group.beside_images;
      } else if (!same_folder) {
        layout.passed_over.push_back(shown(group.folder));
      }
    }
    return one;
  }

  void add_part(const std::string& name, const VocGroup& group, const VocNames& lists,
                VocLayout& layout) const {
    VocPart part;
    part.name = name;
    part.annotations = group.folder;
    part.lists = lists;
    part.classes = group.wrapper;
    const auto own = group.part_above ? path_below(group.wrapper, group.part) : "";
    const bool has_own = group.part_above && with_images_.contains(own);
    const auto base = has_own ? own : group.wrapper;
    part.scope = base;
    if (group.beside_images) {
      part.images = group.folder;
    } else {
      part.images = images_below(base, group.folder);
    }
    if (!group.part.empty() && !has_own) {  // images/train, or images of all parts together
      const auto below = path_below(part.images, group.part);
      part.shares_images = !with_images_.contains(below);
      if (!part.shares_images) part.scope = part.images = below;
    }
    layout.parts.push_back(std::move(part));
  }

  /// The folder of images that stands beside annotations, by its name, or as the only one.
  std::string images_below(const std::string& base, const std::string& annotations) const {
    VocNames others;
    size_t best = kNowhere;
    std::string found;
    for (const auto& child : children(base)) {
      const auto path = path_below(base, child);
      const auto rank = rank_in(kImageNames, child);
      const bool is_vocs = rank == 0;  // whatever the endings in it
      if ((!with_images_.contains(path) && !is_vocs) || rank_in(kMaskNames, child) != kNowhere) continue;
      if (rank < best) {
        best = rank;
        found = path;
      }
      if (!lies_below(annotations, path)) others.push_back(path);
    }
    if (best != kNowhere) return found;
    const auto* folder = place_.folder(base);
    const bool has_images = folder != nullptr && std::ranges::any_of(folder->files, has_image_ending);
    return !has_images && others.size() == 1 ? others.front() : base;
  }

  std::set<std::string> children(const std::string& base) const {
    std::set<std::string> names;
    for (const auto& folder : place_.folders()) {
      if (folder.path == base || !lies_below(folder.path, base)) continue;
      const auto rest = std::string_view(folder.path).substr(base.empty() ? 0 : base.size() + 1);
      names.emplace(rest.substr(0, rest.find('/')));
    }
    return names;
  }

  /// The folder in `base` with one of these names; the first of them where there is none.
  std::string customary(const std::string& base, const VocNames& names) const {
    for (const auto& child : children(base)) {
      if (rank_in(names, child) != kNowhere) return path_below(base, child);
    }
    return path_below(base, "Annotations");
  }

  /// The lists of ids of the data set in `base`: those of ImageSets/Main, or, without it, of what there is.
  VocNames lists_in(const std::string& base) const {
    for (const char* name : {"ImageSets/Main", "ImageSets", "ImageSets/Segmentation", "ImageSets/Layout"}) {
      const auto* folder = place_.folder(path_below(base, name));
      if (folder == nullptr) continue;
      VocNames lists;
      for (const auto& file : folder->with_ending({".txt"})) lists.push_back(folder->file(file));
      if (!lists.empty()) return lists;
    }
    return {};
  }

  /// The lists of each part.
  std::map<std::string, VocNames> parts_of_lists(const VocNames& lists, const VocGroup& group) const {
    std::map<std::string, std::string> files;  // by name
    for (const auto& list : lists) {
      files.emplace(stem_of(name_of(list)), list);
    }
    std::map<std::string, VocNames> parts;
    for (const auto& [name, file] : files) {
      const auto whole = of_one_class_of(name, files);
      if (whole.empty() || !has_second_column(file, group)) {
        parts[name].push_back(file);
      } else if (!files.contains(whole)) {
        parts[whole].push_back(file);
      }
    }
    return parts;
  }

  /// Whether the first line that says anything has the second column of lists of one class, and is no id.
  bool has_second_column(const std::string& list, const VocGroup& group) const {
    const auto head = place_.head(list);
    auto text = std::string_view(head);
    text.remove_prefix(std::min(text.find_first_not_of("\r\n"), text.size()));
    const auto whole = text.substr(0, text.find_first_of("\r\n"));
    const auto line = trimmed(whole);
    for (const auto id : {whole, line}) {
      if (is_there(place_.path() / path_below(group.folder, fmt::format("{}.xml", id)))) return false;
    }
    return is_presence(trimmed(line.substr(std::min(line.find_last_of(" \t"), line.size()))));
  }

  /// "train" for "cat_train"; empty for a list whose name does not end in another's, or a part's.
  static std::string of_one_class_of(const std::string& name,
                                     const std::map<std::string, std::string>& files) {
    for (size_t at = name.find('_'); at != std::string::npos; at = name.find('_', at + 1)) {
      const auto end = name.substr(at + 1);
      if (files.contains(end) || !part_of_path(end).empty()) return end;
    }
    return "";
  }

  std::string what_is_missing() const {
    for (const auto& folder : place_.folders()) {
      const auto name = path_parts(folder.path).empty() ? "" : path_parts(folder.path).back();
      if (lower(name) == "jpegimages")
        return fmt::format("there is {}, but no .xml with <annotation> anywhere", folder.path);
      if (name == "Annotations" && !folder.with_ending({".xml"}).empty())
        return fmt::format("{}/ has no .xml with <annotation>", folder.path);
    }
    return "";
  }

  const Place& place_;
  std::set<std::string, std::less<>> with_images_;  // folders that have images, in them or below
};

}  // namespace

VocLayout find_voc_layout(const Place& place) {
  return place.is_folder() ? VocLayoutFinder(place).find() : VocLayout();
}

bool is_presence(std::string_view word) {
  return word == "-1" || word == "0" || word == "1";
}

}  // namespace rcnn::data
