#include "data/formats/labelme/labelme_format.h"

#include <algorithm>
#include <any>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>

#include <spdlog/fmt/fmt.h>

#include <rcnn/error.h>

#include "data/formats/found_images.h"
#include "data/formats/image_index.h"
#include "data/formats/labelme/labelme_file.h"
#include "data/formats/labelme/labelme_write.h"
#include "data/formats/part_builder.h"
#include "data/formats/slash_path.h"
#include "data/images/image_ending.h"
#include "data/loading/for_all.h"
#include "text.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

/// The JSON files of a part, which may be LabelMe's.
struct LabelmeFiles {
  std::shared_ptr<const Place> place = {};
  std::vector<std::string> json = {};  ///< below the place, sorted
  bool is_alone = true;                ///< the only part of the place
  bool is_file = false;                ///< the place is the folder of the one file that a person named
};

/// Whether one of the files is LabelMe's; looks at a few.
bool has_labelme(const Place& place, const std::vector<std::string>& files) {
  constexpr size_t kMostOfFolder = 5, kMost = 100;
  std::string folder;
  size_t looked = 0, of_folder = 0;
  for (const auto& file : files) {
    const auto parent = folder_of(file);
    if (parent != folder) of_folder = 0;
    folder = parent;
    if (++of_folder > kMostOfFolder) continue;
    if (is_labelme(place.head(file))) return true;
    if (++looked == kMost) return false;
  }
  return false;
}

DatasetPart labelme_part(const std::string& name, LabelmeFiles files) {
  DatasetPart part{.name = name, .options = {}, .split = {.split = name}};
  part.options.root = files.place->path();
  part.split.own = std::move(files);
  return part;
}

std::vector<DatasetPart> labelme_parts(const Place& place, const LocateOptions& options) {
  if (!place.is_folder()) {
    const auto& path = place.path();
    if (lower(path.extension()) != ".json" || !is_labelme(place.head())) return {};
    options.refuse_images(path);
    const auto folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    return {labelme_part(
        "all", {.place = std::make_shared<const Place>(folder), .json = {path.filename()}, .is_file = true})};
  }
  std::map<std::string, std::vector<std::string>> files;  // by part
  for (const auto& folder : place.folders()) {
    for (const auto& name : folder.with_ending({".json"}))
      files[part_of_path(folder.path)].push_back(folder.file(name));
  }
  std::erase_if(files, [&](const auto& part) { return !has_labelme(place, part.second); });
  if (files.empty()) return {};
  options.refuse_images(place.path());
  const auto shared = std::make_shared<const Place>(place);
  std::vector<DatasetPart> parts;
  for (auto& [name, json] : files)
    parts.push_back(labelme_part(name.empty() ? "all" : name,
                                 {.place = shared, .json = std::move(json), .is_alone = files.size() == 1}));
  return parts;
}

/// What a LabelMe file turned out to be, and what is wrong with it.
struct ReadFile {
  LabelmeKind kind = LabelmeKind::other;
  LabelmeFile file = {};
  Problems problems = {};
};

class LabelmeReader {
 public:
  LabelmeReader(const DatasetPart& part, bool with_details, Problems& problems)
      : part_(part),
        files_(std::any_cast<const LabelmeFiles&>(part.split.own)),
        with_details_(with_details),
        problems_(problems),
        index_(*files_.place) {}

  AnnotatedPart read() {
    std::vector<ReadFile> read(files_.json.size());
    for_all(std::ssize(read), kHeaderReaders, [&](int64_t i) {
      const auto place = static_cast<size_t>(i);
      auto& [kind, file, problems] = read[place];
      std::tie(kind, file) =
          read_labelme_file(files_.place->path(), files_.json[place], part_.options, with_details_, problems);
    });
    for (size_t i = 0; i < read.size(); ++i) {
      problems_.add(read[i].problems);
      place(files_.json[i], read[i]);
    }
    add_images_without_file();
    return build();
  }

 private:
  /// Finds the image of a file.
  void place(const std::string& json, const ReadFile& read) {
    if (read.kind == LabelmeKind::other) return;
    const auto folder = folder_of(json);
    const auto stem = fs::path(json).stem().generic_string();
    std::optional<std::string> image;
    if (!read.file.image_path.empty()) image = index_.find(read.file.image_path, folder);
    if (!image) image = index_.find(stem, folder);
    if (read.kind == LabelmeKind::damaged) {
      if (image) damaged_.insert(*image);
      return;
    }
    if (!image) {
      problems_.bad(part_.options.bad_images, "bad_images",
                    read.file.has_picture
                        ? "an image that is there inside of its file alone (imageData); LabelMe's "
                          "labelme_export_json writes it out"
                        : "an annotation file whose image is not there",
                    fmt::format("{} ({})", json, read.file.image_path));
      return;
    }
    const auto [other, is_new] = images_.emplace(*image, std::pair(json, &read.file));
    if (is_new) return;
    problems_.bad(part_.options.bad_images, "bad_images", "two annotation files of one image",
                  fmt::format("{} and {} (imagePath: {})", other->second.first, json, read.file.image_path));
  }

  /// Those that lie beside the others are background.
  void add_images_without_file() {
    if (files_.is_file) return;
    std::set<std::string> folders;
    for (const auto& [image, file] : images_) folders.emplace(folder_of(image));
    int64_t elsewhere = 0;
    std::string example;
    for (const auto& folder : files_.place->folders()) {
      if (!files_.is_alone && part_of_path(folder.path) != (part_.name == "all" ? "" : part_.name)) continue;
      for (const auto& name : folder.images()) {
        auto image = folder.file(name);
        if (damaged_.contains(image)) continue;
        if (folders.contains(folder.path)) {
          images_.emplace(std::move(image), std::pair(std::string(), nullptr));
        } else if (files_.is_alone && ++elsewhere == 1) {
          example = std::move(image);
        }
      }
    }
    if (elsewhere > 0) {
      problems_.warn("folders of images that no file of LabelMe's belongs to are left out",
                     fmt::format("{} (and {} more images)", example, elsewhere - 1));
    }
  }

  AnnotatedPart build() {
    PartBuilder builder(part_.name, files_.place->path(), with_details_);
    std::vector<JsonFields> fields;
    std::vector<std::string> sources;
    for (const auto& [image, source] : images_) {
      if (part_.split.limit > 0 && std::ssize(sources) == part_.split.limit) break;
      const auto& [json, file] = source;
      const size_t place = builder.add_image(image, "", file == nullptr ? ImageSize{} : file->size);
      sources.push_back(json);
      fields.emplace_back();
      if (file == nullptr) {
        problems_.warn("an image without a file is background", image);
        continue;
      }
      if (!file->flags.empty()) fields.back().emplace_back("flags", file->flags);
      for (const auto& object : file->objects) {
        auto& added =
            builder.add_object(place, object.label, object.annotation.box, object.annotation.position);
        added.crowd = object.annotation.crowd;
        if (with_details_) builder.details() = object.details;
      }
    }
    auto part = builder.take();
    if (with_details_) part.content.image_fields = std::move(fields);
    settle_images(part);
    auto by_image = std::make_shared<std::unordered_map<std::string, std::string>>();
    for (size_t i = 0; i < sources.size(); ++i)
      by_image->emplace(part.content.images[i].file_name, std::move(sources[i]));
    part.place = [by_image](const CocoImage& image, const CocoAnnotation& annotation) {
      const auto json = by_image->find(image.file_name);
      return fmt::format("{} shape {}", json == by_image->end() ? image.file_name : json->second,
                         annotation.position);
    };
    return part;
  }

  const DatasetPart& part_;
  const LabelmeFiles& files_;
  const bool with_details_;
  Problems& problems_;
  const ImageIndex index_;
  std::map<std::string, std::pair<std::string, const LabelmeFile*>> images_;  // JSON file and what it says
  std::set<std::string> damaged_;                                             // images of damaged files
};

}  // namespace

Format labelme_format() {
  return {.parts = labelme_parts,
          .read = [](const DatasetPart& part, bool with_details,
                     Problems& problems) { return LabelmeReader(part, with_details, problems).read(); },
          .write = write_labelme};
}

}  // namespace rcnn::data
