#include "data/formats/coco/coco_format.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>

#include "data/formats/bring_image.h"
#include "data/formats/coco/coco_glance.h"
#include "data/formats/erase_places.h"
#include "data/formats/images_folder.h"
#include "data/images/image_ending.h"
#include "data/paths.h"
#include "text.h"
#include "utf8.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kInstances = "instances_";
constexpr const char* kRoboflow = "_annotations.coco.json";
constexpr size_t kMostJsonFiles =
    100;  // a folder of more .json has one for each image, which is LabelMe's way

/// A file name with the separators of this system.
std::string with_slashes(std::string name) {
  std::ranges::replace(name, '\\', '/');
  return name;
}

/// By the first of the file's images that is where images are looked for.
fs::path folder_of_images(const fs::path& file, const std::string& part,
                          const std::vector<std::string>& names) {
  for (size_t i = 1; i < names.size(); ++i) {  // that of the first, and the message, come last
    try {
      if (names[i] != names[0]) return images_folder_of(file, part, with_slashes(names[i]));
    } catch (const DataError&) {
    }
  }
  return images_folder_of(file, part, names.empty() ? "" : with_slashes(names[0]));
}

DatasetPart coco_part(const fs::path& file, std::string name, const fs::path& images,
                      const std::vector<std::string>& first_images) {
  DatasetPart part{.name = name, .options = {}, .split = {.split = name, .annotations = file}};
  part.split.images = images.empty() ? folder_of_images(file, name, first_images) : images;
  part.options.root = file.parent_path();
  return part;
}

std::string part_of_file(const fs::path& file) {
  std::string name = file.stem();
  if (name.starts_with(kInstances)) name.erase(0, kInstances.size());
  return name;
}

/// The parts of a folder, where they may be in several places.
class CocoParts {
 public:
  CocoParts(const Place& place, const LocateOptions& options) : place_(place), options_(options) {}

  /// Those of the first place that has any.
  std::vector<DatasetPart> find() {
    find_in_annotations();
    if (parts_.empty()) find_roboflow();
    if (parts_.empty()) find_in(*place_.folder(""));
    if (parts_.empty()) {
      for (const auto& folder : place_.folders()) {
        if (!folder.path.empty() && folder.path.find('/') == std::string::npos) find_in(folder);
      }
    }
    return std::move(parts_);
  }

 private:
  void add(const Folder& folder, const std::string& file, std::string name,
           const std::vector<std::string>& images) {
    add_in(folder, file, std::move(name), options_.images, images);
  }

  /// Parts of one name have their folders before it.
  void add_in(const Folder& folder, const std::string& file, std::string name, const fs::path& images,
              const std::vector<std::string>& first_images) {
    if (std::ranges::find(parts_, name, &DatasetPart::name) != parts_.end())
      name = fmt::format("{}/{}", folder.path, name);
    parts_.push_back(coco_part(place_.path() / folder.file(file), std::move(name), images, first_images));
  }

  void find_in_annotations() {
    const auto* folder = place_.folder("annotations");
    if (folder == nullptr) return;
    for (const auto& file : folder->with_ending({".json"})) {
      if (file.starts_with(kInstances))  // whatever is in it: its reader says what is wrong
        add(*folder, file, part_of_file(file), glance(place_.path() / folder->file(file)).images);
    }
    if (parts_.empty()) find_in(*folder);
  }

  void find_roboflow() {
    for (const auto& folder : place_.folders()) {
      if (!folder.has(kRoboflow)) continue;
      const auto images = options_.images.empty() ? place_.path() / folder.path : options_.images;
      add_in(folder, kRoboflow, folder.path.empty() ? "all" : fs::path(folder.path).filename().string(),
             images, {});
    }
  }

  /// The instances files of a folder; a single one beside images, or above them, has the folder's name.
  void find_in(const Folder& folder) {
    const auto files = folder.with_ending({".json"});
    if (files.size() > kMostJsonFiles) return;
    std::vector<std::pair<std::string, CocoGlance>> found;
    for (const auto& file : files) {
      const auto head = place_.head(folder.file(file));
      if (!trimmed(head).starts_with('{')) continue;
      auto seen = glance(place_.path() / folder.file(file));
      if (seen.is_instances && seen.lacks.empty()) found.emplace_back(file, std::move(seen));
    }
    const bool is_part = found.size() == 1 && !folder.path.empty() && has_images(folder);
    for (const auto& [file, seen] : found)
      add(folder, file, is_part ? folder.path : part_of_file(file), seen.images);
  }

  bool has_images(const Folder& folder) const {
    return std::ranges::any_of(place_.folders(), [&](const Folder& other) {
      return (other.path == folder.path || other.path.starts_with(folder.path + '/')) &&
             !other.images().empty();
    });
  }

  const Place& place_;
  const LocateOptions& options_;
  std::vector<DatasetPart> parts_;
};

std::vector<DatasetPart> coco_parts(const Place& place, const LocateOptions& options) {
  if (place.is_folder()) return CocoParts(place, options).find();
  const auto head = place.head();
  if (!trimmed(head).starts_with('{') && why_wide(head).empty()) return {};
  const auto seen = glance(place.path());
  if (!seen.is_instances) return {};
  return {coco_part(place.path(), part_of_file(place.path()), options.images, seen.images)};
}

Nearness coco_nearness(const fs::path& file, std::string_view head) {
  if (const auto why = why_wide(head); !why.empty()) return {.share = 30, .lacks = why};
  if (head.starts_with('[')) {
    const auto has = [&](const char* key) { return head.find(key) != std::string_view::npos; };
    const bool is_tasks = has("\"annotations\"") && has("\"data\"") && has("\"result\"");
    return {.share = 20,
            .lacks = is_tasks ? "is Label Studio's own JSON; export the project as COCO"
                              : "is a list, not an object of \"images\", \"annotations\" and \"categories\""};
  }
  if (!head.starts_with('{')) return {};
  const auto seen = glance(file);
  if (!seen.problem.empty()) return {.share = 30, .lacks = "is no JSON or is cut short: " + seen.problem};
  return {.share = seen.lacks.empty() ? 0 : 60, .lacks = seen.lacks};
}

Nearness coco_near(const Place& place) {
  Nearness best;
  const auto look = [&](const std::string& file, const std::string& head) {
    auto now = coco_nearness(file.empty() ? place.path() : place.path() / file, trimmed(head));
    if (now.share <= best.share) return;
    best = std::move(now);
    if (!file.empty()) best.lacks = fmt::format("{}: {}", file, best.lacks);
  };
  if (!place.is_folder()) look("", place.head());
  for (const auto& folder : place.folders()) {
    const auto files = folder.with_ending({".json"});
    if (files.size() > kMostJsonFiles || folder.path.find('/') != std::string::npos) continue;
    for (const auto& file : files) look(folder.file(file), place.head(folder.file(file)));
  }
  return best;
}

/// Leaves the first images, if so many are wanted, and what is on them.
void limit_images(CocoFile& content, int64_t images) {
  if (images <= 0 || std::ssize(content.images) <= images) return;
  std::unordered_set<int64_t> cut;
  for (auto image = content.images.begin() + images; image != content.images.end(); ++image)
    cut.insert(image->id);
  content.images.resize(static_cast<size_t>(images));
  if (!content.image_fields.empty()) content.image_fields.resize(static_cast<size_t>(images));
  erase_places(content.annotations, content.details,
               [&](size_t place) { return cut.contains(content.annotations[place].image_id); });
}

/// Separators of Windows, where no file has them in its name.
void mend_separators(AnnotatedPart& part, Problems& problems) {
  for (auto& image : part.content.images) {
    if (image.file_name.find('\\') == std::string::npos || is_there(part.images / image.file_name)) continue;
    auto name = with_slashes(image.file_name);
    if (!stays_inside(name) || !is_there(part.images / name)) continue;
    problems.warn("a file name has backslashes, which are taken for /", image.file_name);
    image.file_name = std::move(name);
  }
}

AnnotatedPart read_coco_part(const DatasetPart& part, bool with_details, Problems& problems) {
  const auto& options = part.options;
  const CocoFileOptions reading{.with_details = with_details,
                                .bad_values = options.bad_values,
                                .bad_boxes = options.bad_boxes,
                                .bad_images = options.bad_images};
  AnnotatedPart result{.name = part.name,
                       .content = read_coco_file(part.split.annotations, problems, reading),
                       .images = part.split.images,
                       .numbers_objects = true,
                       .numbers_classes = true};
  result.numbers_images = result.content.text_ids.images.empty();
  limit_images(result.content, part.split.limit);
  for (const auto& image : result.content.images) {
    if (image.size.height == 0 || image.size.width == 0)
      problems.warn("the file does not say the size of an image",
                    fmt::format("{} (image {})", image.file_name, image.id));
  }
  mend_separators(result, problems);
  return result;
}

/// Where a part stands in a written data set.
std::string written_name(const std::string& part) {
  if (part == "annotations")
    return "all";  // a file annotations.json, whose folder would be that of the files
  auto name = part;
  std::ranges::replace(name, '/', '-');
  return name;
}

/// What JSON cannot hold, and what cannot lie beside each other.
void check_coco(std::span<const AnnotatedPart> parts, Problems& problems) {
  std::map<std::string, std::string> folders;
  for (const auto& part : parts) {
    const auto [known, is_new] = folders.emplace(written_name(part.name), part.name);
    if (!is_new)
      problems.error("two parts would be called alike here",
                     fmt::format("{} and {}", known->second, part.name));
    for (const auto& image : part.content.images) {
      if (!is_utf8(image.file_name))
        problems.error("a file name is no UTF-8, which JSON is", image.file_name);
    }
  }
}

/// Whether a link to the folder shows nothing else: annotations beside the images would be found behind it.
bool holds_only_images(const fs::path& folder) {
  const Place place(folder);
  return std::ranges::all_of(
      place.folders(), [](const Folder& each) { return std::ranges::all_of(each.files, has_image_ending); });
}

void write_coco(const fs::path& folder, std::span<const AnnotatedPart> parts, ImageFiles images,
                Problems& problems) {
  check_coco(parts, problems);
  if (problems.has(Severity::error)) return;
  fs::create_directories(folder / "annotations");
  for (const auto& part : parts) {
    const auto name = written_name(part.name);
    write_coco_file(folder / "annotations" / fmt::format("{}{}.json", kInstances, name), part.content);
    if (images == ImageFiles::link && holds_only_images(part.images)) {
      bring(part.images, folder / name, images);
      continue;
    }
    for (const auto& image : part.content.images) {
      const auto to = folder / name / image.file_name;
      if (!is_there(to)) bring(part.images / image.file_name, to, images);  // files may be listed twice
    }
  }
}

}  // namespace

std::string why_no_json(const fs::path& file) {
  return glance(file).problem;
}

Format coco_format() {
  return {
      .parts = coco_parts, .read = read_coco_part, .has_files = true, .near = coco_near, .write = write_coco};
}

}  // namespace rcnn::data
