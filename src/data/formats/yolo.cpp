#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

#include <spdlog/fmt/ranges.h>

#include <rcnn/data/formats/yolo.h>
#include <rcnn/data/images/find_images.h>
#include <rcnn/data/images/image.h>

#include "data/formats/coco_box.h"
#include "data/paths.h"
#include "text.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

struct Part {
  fs::path images, labels;
};

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> folders;
  std::error_code ignored;  // a folder that is not there holds none
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.is_directory(ignored)) folders.push_back(entry.path());
  }
  return folders;
}

std::map<std::string, Part> find_parts(const fs::path& root) {
  std::map<std::string, Part> parts;
  for (const auto& labels : folders_in(root / "labels")) {
    const auto images = root / "images" / labels.filename();
    if (fs::is_directory(images)) parts[labels.filename()] = {images, labels};
  }
  for (const auto& folder : folders_in(root)) {
    if (fs::is_directory(folder / "images") && fs::is_directory(folder / "labels"))
      parts[folder.filename()] = {folder / "images", folder / "labels"};
  }
  if (parts.empty() && fs::is_directory(root / "images") && fs::is_directory(root / "labels"))
    parts["all"] = {root / "images", root / "labels"};
  return parts;
}

/// The numbers of a line; nothing when one of its words is none.
std::vector<double> numbers_of(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r\v\f";
  std::vector<double> numbers;
  for (size_t begin = line.find_first_not_of(kSpace); begin != std::string_view::npos;) {
    const size_t end = std::min(line.find_first_of(kSpace, begin), line.size());
    auto word = line.substr(begin, end - begin);
    if (word.starts_with('+') && !word.starts_with("+-")) word.remove_prefix(1);
    const auto value = number<double>(word);
    if (!value || !std::isfinite(*value)) return {};
    numbers.push_back(*value);
    begin = line.find_first_not_of(kSpace, end);
  }
  return numbers;
}

/// Fills in box, area and outline from a line's shares of the image's sides; false when they are none.
bool read_shape(std::span<const double> shares, ImageSize size, CocoAnnotation& annotation,
                CocoDetails& details) {
  const auto width = static_cast<double>(size.width), height = static_cast<double>(size.height);
  double left, top, right, bottom;
  if (std::any_of(shares.begin(), shares.end(), [](double share) { return share < 0 || share > 1; }))
    return false;
  if (shares.size() == 4) {
    left = (shares[0] - shares[2] / 2) * width, right = (shares[0] + shares[2] / 2) * width;
    top = (shares[1] - shares[3] / 2) * height, bottom = (shares[1] + shares[3] / 2) * height;
  } else if (shares.size() >= 6 && shares.size() % 2 == 0) {
    std::vector<double> corners;
    left = width, top = height, right = bottom = 0;
    for (size_t i = 0; i < shares.size(); i += 2) {
      const double x = micropixel(shares[i] * width), y = micropixel(shares[i + 1] * height);
      corners.insert(corners.end(), {x, y});
      left = std::min(left, x), right = std::max(right, x);
      top = std::min(top, y), bottom = std::max(bottom, y);
    }
    details.segmentation = fmt::format("[[{}]]", fmt::join(corners, ", "));
  } else {
    return false;
  }
  set_box(annotation, left, top, right - left, bottom - top);
  return true;
}

class YoloReader {
 public:
  YoloReader(const std::vector<Category>& classes, Problems& problems) : problems_(problems) {
    for (const auto& category : classes) categories_.push_back({std::ssize(categories_) + 1, category.name});
  }

  AnnotatedPart read(const std::string& name, const Part& part) {
    AnnotatedPart result{.name = name, .content = {}, .images = part.images};
    result.content.categories = categories_;
    for (const auto& [file, name] : find_images({part.images})) {
      try {
        const CocoImage image{.id = ++images_, .file_name = name, .size = image_size(file, kMostMegapixels)};
        read_lines(part.labels / file.stem().concat(".txt"), image, result.content);
        result.content.images.push_back(image);
      } catch (const DataError& error) {
        problems_.error("an image that cannot be read", error.what());
      }
    }
    return result;
  }

 private:
  void read_lines(const fs::path& file, const CocoImage& image, CocoFile& content) {
    int64_t number = 0;
    constexpr size_t kLargest = 64'000'000;
    if (!is_there(file)) return;  // an image without objects may have none
    for_each_line(read_text(file, kLargest), [&](std::string_view line) {
      ++number;
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
      const auto where = fmt::format("{} line {}", file.filename().string(), number);
      const auto numbers = numbers_of(line);
      CocoAnnotation annotation{.id = std::ssize(content.annotations) + 1, .image_id = image.id};
      CocoDetails details;
      if (numbers.empty() || !read_shape(std::span(numbers).subspan(1), image.size, annotation, details)) {
        problems_.error("no line of a class and four, or six and more, numbers from 0 to 1", where);
      } else if (numbers[0] < 0 || numbers[0] >= static_cast<double>(categories_.size()) ||
                 numbers[0] != std::floor(numbers[0])) {
        problems_.error(fmt::format("a class that is none of the {} listed", categories_.size()),
                        fmt::format("{} ({})", where, numbers[0]));
      } else {
        annotation.category_id = static_cast<int64_t>(numbers[0]) + 1;
        content.annotations.push_back(annotation);
        content.details.push_back(std::move(details));
      }
    });
  }

  Problems& problems_;
  std::vector<Category> categories_;
  int64_t images_ = 0;
};

}  // namespace

bool is_yolo(const fs::path& root) {
  return !find_parts(root).empty();
}

std::vector<AnnotatedPart> read_yolo(const fs::path& root, const std::vector<Category>& classes,
                                     Problems& problems) {
  YoloReader reader(classes, problems);
  std::vector<AnnotatedPart> parts;
  for (const auto& [name, part] : find_parts(root)) parts.push_back(reader.read(name, part));
  if (parts.empty()) throw DataError(fmt::format("{}: has no images with labels beside them", root.string()));
  return parts;
}

}  // namespace rcnn::data
