#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include <simdjson.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/formats/coco_file.h>
#include <rcnn/data/tools/split.h>
#include <rcnn/error.h>
#include <rcnn/io/files/new_folder.h>

#include "data/loading/random.h"
#include "io/files/atomic_writer.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

void check(const std::vector<SplitShare>& parts) {
  if (parts.size() < 2) throw ConfigError("a split needs two parts at least, as in train=0.8,val=0.2");
  std::set<std::string> names;
  double sum = 0;
  for (const auto& [name, share] : parts) {
    if (name.empty() || name.find('/') != std::string::npos || name.front() == '.')
      throw ConfigError(fmt::format("a part cannot be called \"{}\"", name));
    if (!names.insert(name).second) throw ConfigError(fmt::format("the part {} is given twice", name));
    if (!(share > 0)) throw ConfigError(fmt::format("the part {} has a share of {}", name, share));
    sum += share;
  }
  if (std::abs(sum - 1) > 1e-6)
    throw ConfigError(fmt::format("the shares of the parts sum to {}, not 1", sum));
}

/// The shares of `images` as whole numbers that sum to it, those with the largest remainders rounded up.
std::vector<int64_t> sizes_of(const std::vector<SplitShare>& parts, int64_t images) {
  std::vector<int64_t> sizes;
  std::vector<double> remainders;
  for (const auto& part : parts) {
    const double exact = part.share * static_cast<double>(images);
    sizes.push_back(static_cast<int64_t>(std::floor(exact)));
    remainders.push_back(exact - std::floor(exact));
  }
  for (int64_t left = images - std::accumulate(sizes.begin(), sizes.end(), int64_t{0}); left > 0; --left) {
    const auto largest = std::max_element(remainders.begin(), remainders.end());
    ++sizes[largest - remainders.begin()];
    *largest = -1;
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    if (sizes[i] > 0) continue;
    throw ConfigError(fmt::format("the part {} would get none of {} images", parts[i].name, images));
  }
  return sizes;
}

class Stratifier {
 public:
  Stratifier(const std::vector<std::vector<int64_t>>& labels, const std::vector<SplitShare>& parts,
             uint64_t seed)
      : random_(seed), room_(sizes_of(parts, std::ssize(labels))), part_of_(labels.size()) {
    for (const auto& image : labels) labels_.emplace_back(image.begin(), image.end());
    std::vector<size_t> order(labels.size());
    std::iota(order.begin(), order.end(), size_t{0});
    random_.shuffle(order);
    for (const size_t image : order) {
      for (const int64_t label : labels_[image]) images_of_[label].push_back(image);
    }
    for (const auto& [label, images] : images_of_) {
      for (const auto& part : parts)
        wanted_[label].push_back(part.share * static_cast<double>(images.size()));
    }
    images_of_[kNoLabel] = std::move(order);  // what is left in the end
    wanted_[kNoLabel].resize(parts.size());
  }

  std::vector<size_t> split() {
    for (auto label = rarest(); label; label = rarest()) {
      for (const size_t image : images_of_[*label]) {
        if (!part_of_[image]) give(image, part_for(*label));
      }
      images_of_.erase(*label);
    }
    std::vector<size_t> result;
    for (const auto& part : part_of_) result.push_back(*part);
    return result;
  }

 private:
  static constexpr int64_t kNoLabel = std::numeric_limits<int64_t>::max();

  /// The class with the fewest images that have no part yet, `kNoLabel` last.
  std::optional<int64_t> rarest() const {
    std::optional<int64_t> result;
    std::ptrdiff_t fewest = 0;
    for (const auto& [label, images] : images_of_) {
      const auto left =
          std::count_if(images.begin(), images.end(), [&](size_t image) { return !part_of_[image]; });
      if (!result || (label != kNoLabel && left < fewest)) {
        result = label;
        fewest = left;
      }
    }
    return result;
  }

  /// Of the parts with room the one that lacks the class most, then the one with most room, then any.
  size_t part_for(int64_t label) {
    const auto& wanted = wanted_[label];
    std::vector<size_t> best;
    for (size_t part = 0; part < room_.size(); ++part) {
      if (room_[part] == 0) continue;
      const auto rank = [&](size_t p) { return std::pair(wanted[p], room_[p]); };
      if (!best.empty() && rank(part) > rank(best[0])) best.clear();
      if (best.empty() || rank(part) == rank(best[0])) best.push_back(part);
    }
    return best[random_.below(std::ssize(best))];
  }

  void give(size_t image, size_t part) {
    part_of_[image] = part;
    --room_[part];
    for (const int64_t label : labels_[image]) wanted_[label][part] -= 1;
  }

  Random random_;
  std::vector<int64_t> room_;                         // of each part, in images
  std::vector<std::optional<size_t>> part_of_;        // each image's
  std::vector<std::set<int64_t>> labels_;             // each image's
  std::map<int64_t, std::vector<size_t>> images_of_;  // by class, in random order
  std::map<int64_t, std::vector<double>> wanted_;     // by class, how many images each part still lacks
};

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
    const auto bytes = simdjson::padded_string::load(from.string()).take_value();
    simdjson::ondemand::parser parser;
    auto document = parser.iterate(bytes);
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

/// What the files of the parts will be called; none of them is there yet.
std::vector<WrittenPart> name_files(const DatasetPart& from, const fs::path& output,
                                    const std::vector<SplitShare>& parts) {
  const bool voc = from.options.type == "voc";
  std::vector<WrittenPart> result;
  for (const auto& [name, share] : parts) {
    const fs::path file =
        output / fmt::format("{}{}.{}", voc ? "" : "instances_", name, voc ? "txt" : "json");
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

void split_voc(const DatasetPart& from, const std::vector<SplitShare>& shares, uint64_t seed,
               std::vector<WrittenPart>& parts) {
  DatasetPart whole = from;
  whole.options.classes.clear();
  whole.options.bad_images = Policy::stop;  // a list has to name them all
  whole.split.limit = 0;
  const auto dataset = open(whole.options, whole.split);
  std::vector<std::vector<int64_t>> labels(static_cast<size_t>(dataset->size()));
  for (int64_t i = 0; i < dataset->size(); ++i) {
    for (const auto& object : dataset->record(i).objects) labels[i].push_back(object.label);
  }
  std::map<int64_t, std::string> names;
  for (const auto& category : dataset->categories()) names.emplace(std::ssize(names) + 1, category.name);

  const auto part_of = stratified_split(labels, shares, seed);
  count_objects(part_of, labels, names, parts);
  io::make_folder(parts.front().file.parent_path());
  const auto files = create(parts);
  for (size_t i = 0; i < part_of.size(); ++i)
    files[part_of[i]]->write(dataset->record(static_cast<int64_t>(i)).id + "\n");
  for (const auto& file : files) file->commit();
}

void split_coco(const DatasetPart& from, const std::vector<SplitShare>& shares, uint64_t seed,
                std::vector<WrittenPart>& parts) {
  const fs::path& source = from.split.annotations;
  const auto file = read_coco_file(source);
  std::unordered_map<int64_t, size_t> places;
  for (const auto& image : file.images) places.emplace(image.id, places.size());
  std::map<int64_t, std::string> names;
  for (const auto& category : file.categories) names.emplace(category.id, category.name);
  std::vector<std::vector<int64_t>> labels(file.images.size());
  for (const auto& annotation : file.annotations) {
    const auto place = places.find(annotation.image_id);
    if (place == places.end() || !names.contains(annotation.category_id)) {
      throw DataError(fmt::format("{}: annotation {} is of an image or a category that is not there",
                                  source.string(), annotation.id));
    }
    labels[place->second].push_back(annotation.category_id);
  }
  const auto part_of_image = stratified_split(labels, shares, seed);
  count_objects(part_of_image, labels, names, parts);
  std::vector<size_t> part_of_annotation;
  for (const auto& annotation : file.annotations)
    part_of_annotation.push_back(part_of_image[places.at(annotation.image_id)]);

  io::make_folder(parts.front().file.parent_path());
  const auto files = create(parts);
  copy_coco(source, part_of_image, part_of_annotation, files);
  for (const auto& part_file : files) part_file->commit();
}

}  // namespace

std::vector<size_t> stratified_split(const std::vector<std::vector<int64_t>>& labels,
                                     const std::vector<SplitShare>& parts, uint64_t seed) {
  check(parts);
  return Stratifier(labels, parts, seed).split();
}

std::vector<WrittenPart> write_split(const DatasetPart& from, const fs::path& output,
                                     const std::vector<SplitShare>& parts, uint64_t seed) {
  from.require_own_files();
  check(parts);
  auto written = name_files(from, output, parts);
  if (from.options.type == "voc") {
    split_voc(from, parts, seed, written);
  } else {
    split_coco(from, parts, seed, written);
  }
  return written;
}

}  // namespace rcnn::data
