#include <algorithm>
#include <memory>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>

#include <simdjson.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/data/tools/convert.h>
#include <rcnn/data/tools/split.h>
#include <rcnn/error.h>
#include <rcnn/io/files/new_folder.h>

#include "data/formats/coco/json_file.h"
#include "data/tools/stratified_split.h"
#include "io/files/atomic_writer.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

/// A file that is written in small pieces.
class PartFile {
 public:
  explicit PartFile(const fs::path& file) : writer_(file) {}

  void write(std::string_view text) {
    buffer_ += text;
    if (buffer_.size() >= kBuffer) flush();
  }
  void commit() {
    flush();
    writer_.commit();
  }

 private:
  static constexpr size_t kBuffer = 1 << 20;
  void flush() {
    writer_.write(buffer_);
    buffer_.clear();
  }

  io::AtomicWriter writer_;
  std::string buffer_;
};

using PartFiles = std::vector<std::unique_ptr<PartFile>>;

PartFiles create(const std::vector<WrittenPart>& parts) {
  PartFiles files;
  for (const auto& part : parts) files.push_back(std::make_unique<PartFile>(part.file));
  return files;
}

/// A key as it stands in the file, between its quotes.
std::string_view text_of(simdjson::ondemand::raw_json_string key) {
  const char* end = key.raw();
  while (*end != '"') end += *end == '\\' ? 2 : 1;
  return {key.raw(), static_cast<size_t>(end - key.raw())};
}

/// Copies the entries of a list, each to the file of its part.
void copy_entries(simdjson::ondemand::array list, const std::vector<size_t>& part_of,
                  const PartFiles& files) {
  for (const auto& file : files) file->write("[");
  std::vector<char> first(files.size(), true);
  size_t place = 0;
  for (auto entry : list) {
    const size_t part = part_of.at(place++);
    files[part]->write(std::exchange(first[part], false) ? "\n" : ",\n");
    files[part]->write(simdjson::to_json_string(entry.value()).value());
  }
  for (const auto& file : files) file->write("\n]");
}

void copy_coco(const fs::path& from, const std::vector<size_t>& part_of_image,
               const std::vector<size_t>& part_of_annotation, const PartFiles& files) {
  try {
    const auto bytes = load_json(from);
    simdjson::ondemand::parser parser;
    auto document = parser.iterate(json_view(bytes));
    bool first = true;
    for (auto field : document.get_object()) {
      const std::string_view key = text_of(field.key());
      for (const auto& file : files) {
        file->write(first ? "{\n\"" : ",\n\"");
        file->write(key);
        file->write("\": ");
      }
      first = false;
      if (key == "images") {
        copy_entries(field.value().get_array(), part_of_image, files);
      } else if (key == "annotations") {
        copy_entries(field.value().get_array(), part_of_annotation, files);
      } else {
        const std::string_view value = simdjson::to_json_string(field.value().value());
        for (const auto& file : files) file->write(value);
      }
    }
    for (const auto& file : files) file->write("\n}\n");
  } catch (const simdjson::simdjson_error& error) {
    throw DataError(fmt::format("{}: {}", from.string(), error.what()));
  }
}

/// What a split of a data set is written as.
enum class Written { ids, image_paths, copied_instances, instances };

Written written_as(const std::string& type) {
  return type == "voc"    ? Written::ids
         : type == "yolo" ? Written::image_paths
         : type == "coco" ? Written::copied_instances
                          : Written::instances;
}

/// What the files of the parts will be called; none of them is there yet.
std::vector<WrittenPart> name_files(Written how, const fs::path& output,
                                    const std::vector<SplitShare>& parts) {
  const bool is_list = how == Written::ids || how == Written::image_paths;
  std::vector<WrittenPart> result;
  for (const auto& [name, share] : parts) {
    const fs::path file =
        output / fmt::format("{}{}.{}", is_list ? "" : "instances_", name, is_list ? "txt" : "json");
    std::error_code not_there;
    const auto there = fs::symlink_status(file, not_there);  // a link that leads nowhere, too
    if (fs::exists(there)) {
      throw ConfigError(
          fmt::format("{}: is there already; name another folder, or remove it", file.string()));
    }
    result.push_back({.name = name, .file = file, .images = 0, .class_images = {}});
  }
  return result;
}

void count_objects(const std::vector<size_t>& part_of, const std::vector<std::vector<int64_t>>& labels,
                   const std::map<int64_t, std::string>& names, std::vector<WrittenPart>& parts) {
  for (auto& part : parts) {
    for (const auto& [label, name] : names) part.class_images[name] = 0;
  }
  for (size_t image = 0; image < labels.size(); ++image) {
    auto& part = parts[part_of[image]];
    ++part.images;
    for (const int64_t label : std::set(labels[image].begin(), labels[image].end()))
      ++part.class_images[names.at(label)];
  }
}

/// The classes of each image of a part, and their names. Throws DataError for annotations of what is not
/// there.
std::vector<std::vector<int64_t>> classes_of(const CocoFile& content, const fs::path& origin,
                                             std::map<int64_t, std::string>& names) {
  std::unordered_map<int64_t, size_t> places;
  for (const auto& image : content.images) places.emplace(image.id, places.size());
  for (const auto& category : content.categories) names.emplace(category.id, category.name);
  std::vector<std::vector<int64_t>> labels(content.images.size());
  for (const auto& annotation : content.annotations) {
    const auto place = places.find(annotation.image_id);
    if (place == places.end() || !names.contains(annotation.category_id)) {
      throw DataError(fmt::format("{}: annotation {} is of an image or a category that is not there",
                                  origin.string(), annotation.id));
    }
    labels[place->second].push_back(annotation.category_id);
  }
  return labels;
}

/// The part of each annotation, where `part_of` has those of the images.
std::vector<size_t> parts_of_annotations(const CocoFile& content, const std::vector<size_t>& part_of) {
  std::unordered_map<int64_t, size_t> parts;
  for (size_t i = 0; i < content.images.size(); ++i) parts.emplace(content.images[i].id, part_of[i]);
  std::vector<size_t> result;
  for (const auto& annotation : content.annotations) result.push_back(parts.at(annotation.image_id));
  return result;
}

/// A path as lists of images have it: from the list's folder where it lies below that.
std::string path_in_list(const fs::path& image, const fs::path& list) {
  std::error_code ignored;  // then as it was named
  const auto folder = fs::weakly_canonical(list.has_parent_path() ? list.parent_path() : ".", ignored);
  const auto path =
      (fs::weakly_canonical(image.parent_path(), ignored) / image.filename()).lexically_normal();
  const auto below = path.lexically_relative(folder);
  const bool is_below = !below.empty() && *below.begin() != "..";
  return is_below ? "./" + below.string() : path.string();
}

CocoFile entries_of(const CocoFile& content, const std::vector<size_t>& part_of_image,
                    const std::vector<size_t>& part_of_annotation, size_t part) {
  CocoFile result{.categories = content.categories, .category_fields = content.category_fields};
  for (size_t i = 0; i < part_of_image.size(); ++i) {
    if (part_of_image[i] == part) result.images.push_back(content.images[i]);
  }
  for (size_t i = 0; i < part_of_annotation.size(); ++i) {
    if (part_of_annotation[i] != part) continue;
    result.annotations.push_back(content.annotations[i]);
    if (!content.details.empty()) result.details.push_back(content.details[i]);
  }
  return result;
}

void write(const AnnotatedPart& from, Written how, const std::vector<size_t>& part_of,
           const std::vector<WrittenPart>& parts) {
  const auto& content = from.content;
  const auto part_of_annotation = parts_of_annotations(content, part_of);
  if (how == Written::instances) {
    for (size_t part = 0; part < parts.size(); ++part)
      write_coco_file(parts[part].file, entries_of(content, part_of, part_of_annotation, part));
    return;
  }
  const auto files = create(parts);
  for (size_t i = 0; i < part_of.size(); ++i) {
    const auto& image = content.images[i];
    const auto& list = parts[part_of[i]].file;
    files[part_of[i]]->write(
        (how == Written::ids ? image.name : path_in_list(from.images / image.file_name, list)) + "\n");
  }
  for (const auto& file : files) file->commit();
}

/// A part with all its images: a list has to name them all.
AnnotatedPart read_whole(DatasetPart from) {
  from.options.bad_images = Policy::stop;
  from.split.limit = 0;
  Problems problems;
  auto part = std::move(read_parts(std::span(&from, 1), problems).front());
  problems.settle(from.name);
  return part;
}

/// An instances file. Its entries are copied by their places, for which all of them must be as they should;
/// otherwise what is read of them is written.
AnnotatedPart read_instances(const DatasetPart& from, Written& how) {
  const auto& file = from.split.annotations;
  Problems odd;
  AnnotatedPart part{.content = read_coco_file(file, odd, {.bad_boxes = Policy::stop})};
  if (odd.kinds().empty()) return part;
  how = Written::instances;
  Problems problems;
  part.content = read_coco_file(file, problems,
                                {.with_details = true,
                                 .bad_values = from.options.bad_values,
                                 .bad_boxes = from.options.bad_boxes,
                                 .bad_images = from.options.bad_images});
  problems.settle(file.string());
  return part;
}

}  // namespace

std::vector<WrittenPart> write_split(const DatasetPart& from, const fs::path& output,
                                     const std::vector<SplitShare>& shares, uint64_t seed) {
  from.require_own_files();
  check_shares(shares);
  const bool is_named = from.options.type == "coco" && !from.split.annotations.empty();
  const auto found = is_named ? from : located(from.options, from.split);  // its images are of no concern
  auto how = written_as(found.options.type);
  auto written = name_files(how, output, shares);
  const auto part = how == Written::copied_instances ? read_instances(found, how) : read_whole(found);
  std::map<int64_t, std::string> names;
  const auto labels = classes_of(part.content, found.split.annotations, names);
  const auto part_of = stratified_split(labels, shares, seed);
  count_objects(part_of, labels, names, written);
  io::make_folder(output);
  if (how == Written::copied_instances) {
    const auto files = create(written);
    copy_coco(found.split.annotations, part_of, parts_of_annotations(part.content, part_of), files);
    for (const auto& file : files) file->commit();
  } else {
    write(part, how, part_of, written);
  }
  return written;
}

}  // namespace rcnn::data
