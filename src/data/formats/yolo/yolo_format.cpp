#include "data/formats/yolo/yolo_format.h"

#include <algorithm>
#include <any>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <spdlog/fmt/ranges.h>

#include <rcnn/error.h>

#include "data/formats/part_builder.h"
#include "data/formats/slash_path.h"
#include "data/formats/yolo/yolo_classes.h"
#include "data/formats/yolo/yolo_folders.h"
#include "data/formats/yolo/yolo_layout.h"
#include "data/formats/yolo/yolo_lines.h"
#include "data/formats/yolo/yolo_list.h"
#include "data/formats/yolo/yolo_text.h"
#include "data/formats/yolo/yolo_write.h"
#include "data/images/image_ending.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

/// Reads one part.
class YoloReader {
 public:
  YoloReader(const YoloPart& part, const DataOptions& options, bool with_details, Problems& problems)
      : part_(part), options_(options), with_details_(with_details), problems_(problems) {}

  AnnotatedPart read(int64_t limit) {
    if (!part_.error.empty()) throw DataError(part_.error);
    for (const auto& [what, where] : part_.notes) problems_.warn(what, where);
    for (const auto& why : part_.set->unread)
      problems_.warn("a yaml file that cannot be read is passed over", why);
    const auto classes = yolo_classes(*part_.set, options_, problems_);
    gather();
    tell_of_unlisted();
    if (limit > 0 && std::ssize(images_) > limit) images_.resize(static_cast<size_t>(limit));
    AnnotatedPart result{.name = part_.name, .images = folder_, .numbers_classes = true};
    add_categories(classes, result.content);
    add_images(result);
    tell_of_shared_labels();
    tell_of_texts_elsewhere();
    read_labels(classes, result);
    tell_of_own_names(classes, result.content, problems_);
    tell_of_strays();
    name_places(result);
    return result;
  }

 private:
  struct Image {
    std::string file;  ///< below folder_
    std::string label;
    const fs::path* root = nullptr;  ///< of label
    bool has_label = false;

    fs::path label_file() const { return *root / label; }
  };

  /// Of images in folders in whose place lists are read, where none of these names them.
  void tell_of_unlisted() {
    if (part_.replaced.empty()) return;
    std::unordered_set<std::string> listed;
    for (const auto& list : part_.lists) {
      try {
        Problems ignored;
        for (const auto& image : read_image_list(list, part_.pieces.front().files, Policy::skip, ignored))
          listed.insert(image.file);
      } catch (const DataError&) {
        return;  // the part of that list says it
      }
    }
    for (const auto& piece : part_.replaced) {
      const auto count =
          std::ranges::count_if(piece.images, [&](const auto& image) { return listed.contains(image.file); });
      if (count == std::ssize(piece.images)) continue;
      problems_.warn("left out: images that no list names, where lists take the place of their folder",
                     fmt::format("{} ({} images, {} of them in {})",
                                 piece.top.empty() ? piece.files.root().string() : piece.top,
                                 piece.images.size(), count, fmt::join(part_.lists, ", ")));
    }
  }

  /// Of images a.jpg and a.png, for which there is one a.txt.
  void tell_of_shared_labels() {
    std::map<std::pair<const fs::path*, std::string_view>, const Image*> first;
    for (const auto& image : images_) {
      if (!image.has_label) continue;
      const auto [other, is_new] =
          first.emplace(std::pair(image.root, std::string_view(image.label)), &image);
      if (!is_new)
        problems_.warn("two images share a file of labels, and both have its objects",
                       fmt::format("{} and {} ({})", other->second->file, image.file, image.label));
    }
  }

  /// Of a folder of texts with the images' names, as DOTA's labelTxt, where no image has a label.
  void tell_of_texts_elsewhere() {
    const auto has_label = [](const Image& image) { return image.has_label; };
    if (images_.empty() || std::ranges::any_of(images_, has_label)) return;
    constexpr size_t kLooked = 20;
    std::set<fs::path> said;
    for (size_t i = 0; i < std::min(images_.size(), kLooked); ++i) {
      const auto text = std::string(name_of(stem_of(images_[i].file))) + ".txt";
      for (const auto& piece : part_.pieces) {
        for (const auto& folder : piece.files.folders()) {
          if (folder.has(text) && said.insert(piece.files.root() / folder.path).second)
            problems_.warn(
                "no image has labels, but texts of their names lie in a folder that is not read; it would be "
                "one called labels in the place of images, with lines of YOLO's",
                folder.file(text));
        }
      }
    }
  }

  void add_categories(const YoloClasses& classes, CocoFile& content) {
    const auto& names = classes.names;
    std::set<std::string_view> seen;
    for (size_t i = 0; i < names.size(); ++i) {
      if (names[i].empty()) continue;
      if (!seen.insert(names[i]).second)
        problems_.error("two classes have the same name",
                        fmt::format("{}: {} ({})", classes.origin, names[i], i));
      content.categories.push_back({.id = static_cast<int64_t>(i) + 1, .name = names[i]});
    }
  }

  /// The images of all pieces, named from the folder that these have in common.
  void gather() {
    struct Gathered {
      const fs::path& root;
      std::string top;
      std::vector<YoloImage> images;
    };
    std::vector<Gathered> pieces;
    for (const auto& piece : part_.pieces) {
      const bool is_list = !piece.list.empty();
      auto images =
          is_list ? read_image_list(piece.list, piece.files, options_.bad_images, problems_) : piece.images;
      auto top = is_list ? top_of_list(images) : piece.top;
      pieces.push_back({piece.files.root(), std::move(top), std::move(images)});
    }
    const auto folder_of_piece = [](const Gathered& piece) {
      return piece.top.empty() ? piece.root : piece.root / piece.top;
    };
    folder_ = folder_of_piece(pieces.front());
    if (pieces.size() == 1) {
      const size_t cut = pieces.front().top.empty() ? 0 : pieces.front().top.size() + 1;
      for (auto& image : pieces.front().images)
        images_.push_back(
            {image.file.substr(cut), std::move(image.label), &pieces.front().root, image.has_label});
      return;
    }
    for (const auto& piece : pieces) {
      const auto own = std::exchange(folder_, {});
      const auto other = folder_of_piece(piece);
      const auto end = std::ranges::mismatch(own, other).in1;
      for (auto part = own.begin(); part != end; ++part) folder_ /= *part;
    }
    std::set<fs::path> seen;
    for (auto& [root, top, images] : pieces) {
      for (auto& image : images) {
        auto file = (root / image.file).lexically_relative(folder_.empty() ? "." : folder_);
        if (seen.insert(file).second)
          images_.push_back({file.generic_string(), std::move(image.label), &root, image.has_label});
      }
    }
    if (folder_.empty()) folder_ = ".";
  }

  /// The folder that the names of listed images start from: the one that convert() made for the part, or the
  /// deepest that all lie in.
  std::string top_of_list(const std::vector<YoloImage>& images) const {
    if (images.empty()) return "";
    const auto folder_with_slash = [](const std::string& file) {
      return std::string_view(file).substr(0, file.rfind('/') + 1);
    };
    auto common = folder_with_slash(images.front().file);
    for (const auto& image : images) {
      const auto other = folder_with_slash(image.file);
      common =
          common.substr(0, static_cast<size_t>(std::ranges::mismatch(common, other).in1 - common.begin()));
      common = common.substr(0, common.rfind('/') + 1);
    }
    const auto own = fmt::format("images/{}/", part_.name);
    if (common.starts_with(own)) common = common.substr(0, own.size());
    return std::string(common.substr(0, common.empty() ? 0 : common.size() - 1));
  }

  /// Of those whose headers can be read; the others are bad images.
  void add_images(AnnotatedPart& result) {
    std::vector<CocoImage> all;
    for (const auto& image : images_) all.push_back({.id = 0, .file_name = image.file, .size = {}});
    auto headers = read_headers(all, folder_, options_.max_megapixels);
    std::unordered_map<std::string, int64_t> stems;
    for (const auto& image : images_) ++stems[std::string(stem_of(image.file))];
    std::vector<Image> good;
    for (size_t i = 0; i < all.size(); ++i) {
      if (const auto* error = std::get_if<DataError>(&headers[i])) {
        problems_.bad(options_.bad_images, "bad_images", "an image that is missing or cannot be read",
                      error->what());
        continue;
      }
      const std::string stem(stem_of(all[i].file_name));
      all[i].name = stems.at(stem) == 1 ? stem : all[i].file_name;
      all[i].id = std::ssize(result.content.images) + 1;
      all[i].size = std::get<ImageInfo>(headers[i]).size;
      result.content.images.push_back(std::move(all[i]));
      result.headers.push_back(std::move(headers[i]));
      good.push_back(std::move(images_[i]));
    }
    images_ = std::move(good);
  }

  void read_labels(const YoloClasses& classes, AnnotatedPart& result) {
    const auto& set = *part_.set;
    const auto& kind = options_.yolo_lines.empty() ? set.lines : options_.yolo_lines;
    YoloLines lines({.kind = kind,
                     .keypoint_shape = set.keypoint_shape,
                     .names = classes.names,
                     .names_origin = classes.origin,
                     .bad_boxes = options_.bad_boxes,
                     .bad_values = options_.bad_values,
                     .with_details = with_details_},
                    result.content, problems_);
    std::vector<char> bad(images_.size(), false);
    const auto is_bad_here = [&](size_t place, const std::string& where) {
      problems_.bad(options_.bad_images, "bad_images", "labels that cannot be read", where);
      bad[place] = true;
    };
    for (size_t i = 0; i < images_.size(); ++i) {
      const auto& image = images_[i];
      std::error_code unknown;
      if (image.has_label) {
        try {
          constexpr size_t kLargest = 64'000'000;
          lines.read(read_lines(image.label_file(), kLargest), i, image.label);
        } catch (const DataError& error) {
          is_bad_here(i, error.what());
        }
      } else if (fs::exists(fs::symlink_status(image.label_file(), unknown))) {
        is_bad_here(i, image.label + ": is no file");  // a folder, a pipe, a link that leads nowhere
      } else {
        problems_.warn("images without a file of labels, taken as images of no object", image.file);
      }
    }
    lines.finish();
    size_t place = 0;  // those left out have no annotations
    const auto is_bad = [&](const auto&) { return bad[place++] != 0; };
    std::erase_if(images_, is_bad);
    place = 0;
    std::erase_if(result.content.images, is_bad);
    place = 0;
    std::erase_if(result.headers, is_bad);
  }

  void tell_of_strays() {
    constexpr size_t kMostLooked = 10'000, kHead = 4096;
    for (const auto& piece : part_.pieces) {
      const auto tell = [&](const std::string& file) { problems_.warn("labels without an image", file); };
      for (const auto& file : piece.strays) tell(file);
      for (size_t i = 0; i < std::min(piece.loose.size(), kMostLooked); ++i) {
        if (looks_like_labels(read_head(piece.files.root() / piece.loose[i], kHead))) tell(piece.loose[i]);
      }
    }
  }

  void name_places(AnnotatedPart& result) const {
    auto labels = std::make_shared<std::unordered_map<std::string, std::string>>();
    for (const auto& image : images_) labels->emplace(image.file, image.label);
    result.place = [labels](const CocoImage& image, const CocoAnnotation& annotation) {
      const auto label = labels->find(image.file_name);
      return fmt::format("{} line {}", label == labels->end() ? image.file_name : label->second,
                         annotation.position);
    };
  }

  const YoloPart& part_;
  const DataOptions& options_;
  const bool with_details_;
  Problems& problems_;
  fs::path folder_;  // of the images
  std::vector<Image> images_;
};

std::vector<DatasetPart> parts_of_yolo(const Place& place, const LocateOptions& options) {
  std::vector<DatasetPart> result;
  for (auto& part : yolo_parts(place)) {
    options.refuse_images(place.path());
    DatasetPart here{.name = part.name, .options = {}, .split = {.split = part.name}};
    here.options.root = place.path();
    here.split.own = std::make_shared<const YoloPart>(std::move(part));
    result.push_back(std::move(here));
  }
  return result;
}

AnnotatedPart read_yolo(const DatasetPart& part, bool with_details, Problems& problems) {
  const auto& own = *std::any_cast<const std::shared_ptr<const YoloPart>&>(part.split.own);
  return YoloReader(own, part.options, with_details, problems).read(part.split.limit);
}

}  // namespace

Format yolo_format() {
  return {.parts = parts_of_yolo, .read = read_yolo, .near = near_yolo, .write = write_yolo};
}

}  // namespace rcnn::data
