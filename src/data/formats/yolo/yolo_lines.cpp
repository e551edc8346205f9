#include "data/formats/yolo/yolo_lines.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <spdlog/fmt/ranges.h>

#include "data/formats/micropixel.h"
#include "text.h"
#include "text_file.h"

namespace rcnn::data {
namespace {

constexpr std::string_view kSpaceInLines = " \t\r\v\f";

/// Boxes are written with a few decimals, or a little beyond the image.
constexpr double kBeyondImage = 0.01;

bool is_visibility(double value) {
  return value == 0 || value == 1 || value == 2;
}

/// Whether the numbers behind a box are key points inside of it, of `dimensions` numbers each; a point at 0,
/// 0 or that is not visible has no place.
bool is_like_pose(const std::vector<double>& numbers, size_t dimensions) {
  constexpr double kDecimals = 1e-4;
  if ((numbers.size() - 5) % dimensions != 0) return false;
  const double x = numbers[1], y = numbers[2];
  const double half_width = numbers[3] / 2 + kDecimals, half_height = numbers[4] / 2 + kDecimals;
  for (size_t i = 5; i < numbers.size(); i += dimensions) {
    if (dimensions == 3 && !is_visibility(numbers[i + 2])) return false;
    const bool has_place =
        (numbers[i] != 0 || numbers[i + 1] != 0) && (dimensions == 2 || numbers[i + 2] > 0);
    if (has_place && (std::abs(numbers[i] - x) > half_width || std::abs(numbers[i + 1] - y) > half_height))
      return false;
  }
  return true;
}

std::string_view shortened(std::string_view text) {
  constexpr size_t kMost = 60;
  text = trimmed(text);
  return text.substr(0, std::min(text.size(), kMost));
}

/// How many classes have names, and which numbers: "3 (0 to 2)".
std::string named_numbers(const std::vector<std::string>& names) {
  constexpr size_t kMostRuns = 4;
  std::vector<std::string> runs;
  for (size_t begin = 0; begin < names.size();) {
    size_t end = begin;
    while (end < names.size() && !names[end].empty()) ++end;
    if (end > begin)
      runs.push_back(end - begin == 1 ? fmt::format("{}", begin) : fmt::format("{} to {}", begin, end - 1));
    begin = std::max(end, begin + 1);
  }
  const auto count = std::ranges::count_if(names, [](const auto& name) { return !name.empty(); });
  if (runs.size() > kMostRuns) {
    runs.resize(kMostRuns);
    runs.emplace_back("...");
  }
  return fmt::format("{} ({})", count, fmt::join(runs, ", "));
}

}  // namespace

struct YoloLines::Line {
  std::string_view text;
  size_t image;
  const std::string& file;
  int32_t number;

  std::string where(std::string_view value) const {
    return fmt::format("{} line {} ({})", file, number, value);
  }
};

YoloLines::YoloLines(YoloLinesOptions options, CocoFile& content, Problems& problems)
    : options_(std::move(options)),
      content_(content),
      problems_(problems),
      shape_numbers_(options_.keypoint_shape ? (*options_.keypoint_shape)[0] * (*options_.keypoint_shape)[1]
                                             : 0) {}

void YoloLines::read(std::string_view text, size_t image, const std::string& file) {
  int32_t number = 0;
  for_each_line(text, [&](std::string_view line) {
    ++number;
    if (line.find_first_not_of(kSpaceInLines) == std::string_view::npos) return;
    Line here{.text = line, .image = image, .file = file, .number = number};
    read_line(here);
  });
}

void YoloLines::read_line(Line& line) {
  CocoAnnotation annotation{.id = std::ssize(content_.annotations) + 1,
                            .image_id = content_.images[line.image].id,
                            .position = line.number};
  CocoDetails details;
  if (!read_numbers(line)) return;
  const auto form = form_of(line);
  if (form == Form::none) {
    bad(line, expected(), shortened(line.text));
    return;
  }
  const bool is_read =
      form == Form::outline ? read_outline(line, annotation, details) : read_box(line, annotation, details);
  if (!is_read || !read_class(line, annotation.category_id)) return;
  content_.annotations.push_back(annotation);
  if (options_.with_details) content_.details.push_back(std::move(details));
  if (form == Form::pose) read_points(line);
}

bool YoloLines::bad(const Line& line, const std::string& what, std::string_view value) {
  problems_.bad(options_.bad_boxes, "bad_boxes", what, line.where(value));
  return false;
}

bool YoloLines::read_numbers(Line& line) {
  numbers_.clear();
  const auto text = line.text;
  for (size_t begin = text.find_first_not_of(kSpaceInLines); begin != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(kSpaceInLines, begin), text.size());
    const auto word = text.substr(begin, end - begin);
    const bool has_sign = word.starts_with('+') && !word.starts_with("+-");
    const auto value = number<double>(word.substr(has_sign ? 1 : 0));
    if (!value) {
      const bool has_comma = word.find(',') != std::string_view::npos;
      return bad(line,
                 has_comma ? "a comma in a line of labels; write 0.5 with a point, and spaces between numbers"
                           : "a word that is no number in a line of labels",
                 shortened(word));
    }
    if (!std::isfinite(*value)) return bad(line, "a number that is not finite in a line of labels", word);
    numbers_.push_back(*value);
    begin = text.find_first_not_of(kSpaceInLines, end);
  }
  return true;
}

bool YoloLines::read_class(const Line& line, int64_t& category) {
  const double value = numbers_[0];
  const auto& names = options_.names;
  const auto text = fmt::format("{}", value);
  if (value < 0 || value != std::floor(value))
    return bad(line, "a class that is no whole number from 0", text);
  const bool is_known =
      value < static_cast<double>(names.size()) && !names[static_cast<size_t>(value)].empty();
  if (!is_known) {
    problems_.error(
        fmt::format("a class that has no name: {} has {}; name all in the order of their numbers: "
                    "data.classes (--classes FILE)",
                    options_.names_origin, named_numbers(names)),
        line.where(text));
    return false;
  }
  category = static_cast<int64_t>(value) + 1;
  return true;
}

YoloLines::Form YoloLines::form_of(const Line& line) {
  const size_t count = numbers_.size();
  const bool may_be_box = count == 5 || count == 6, may_be_outline = count >= 7 && count % 2 == 1;
  const auto& kind = options_.kind;
  if (kind == "box") return may_be_box ? Form::box : Form::none;
  if (kind == "outline") return may_be_outline ? Form::outline : Form::none;
  if (kind == "oriented") return count == 9 ? Form::outline : Form::none;
  if (shape_numbers_ > 0) {
    if (count == 5 + static_cast<size_t>(shape_numbers_)) return Form::pose;
    return may_be_box && kind.empty() ? Form::box : Form::none;
  }
  if (kind == "pose") {
    if (count <= 6 || ((count - 5) % 2 != 0 && (count - 5) % 3 != 0)) return Form::none;
    if (first_pose_ == 0) first_pose_ = count;
    return count == first_pose_ ? Form::pose : Form::none;
  }
  if (may_be_box || count < 7) return may_be_box ? Form::box : Form::none;
  const bool in_space = is_like_pose(numbers_, 3);
  const bool only_pose = in_space && (!may_be_outline || std::any_of(numbers_.begin() + 5, numbers_.end(),
                                                                     [](double n) { return n == 2; }));
  if (!may_be_outline && !only_pose) return Form::none;
  ++many_;
  if (in_space || (may_be_outline && is_like_pose(numbers_, 2))) {
    constexpr size_t kNamed = 100;
    ++like_pose_;
    if (unclear_.size() < kNamed) unclear_.push_back(line.where(shortened(line.text)));
  }
  if (only_pose) ++only_pose_;
  return only_pose ? Form::box : Form::outline;
}

std::string YoloLines::expected() const {
  if (options_.kind == "box") return "a line that is no box: a class and 4 numbers, or 5 with a confidence";
  if (options_.kind == "outline") return "a line that is no outline: a class and 6, 8, 10, ... numbers";
  if (options_.kind == "oriented") return "a line that is no oriented box: a class and 8 numbers";
  if (shape_numbers_ > 0) {
    return fmt::format("a line that is no box with key points: a class, 4 numbers, and {} as kpt_shape says",
                       shape_numbers_);
  }
  if (options_.kind == "pose") {
    return "a line that is no box with key points: a class, 4 numbers, and 2 or 3 for each point, as many in "
           "every line";
  }
  return "a line that is neither a box, a class and 4 numbers, 5 with a confidence, nor an outline, a class "
         "and 6, 8, 10, ... numbers";
}

bool YoloLines::are_shares(const Line& line, size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i) {
    const double share = numbers_[i];
    if (share >= 0 && share <= 1) continue;
    if (share < -kBeyondImage || share > 1 + kBeyondImage) {
      constexpr double kPixels = 2;
      return bad(line,
                 share >= kPixels
                     ? "a number that is no share of the image's sides, from 0 to 1, but as of pixels"
                     : "a number that is no share of the image's sides, from 0 to 1",
                 fmt::format("{}", share));
    }
    problems_.warn("a share of an image's side a little below 0 or above 1, taken as it stands",
                   line.where(fmt::format("{}", share)));
  }
  return true;
}

bool YoloLines::read_box(const Line& line, CocoAnnotation& annotation, CocoDetails& details) {
  for (const size_t side : {3, 4}) {
    if (numbers_[side] < 0)
      return bad(line, "a box of negative width or height", fmt::format("{}", numbers_[side]));
  }
  if (!are_shares(line, 1, 5)) return false;
  const auto& size = content_.images[line.image].size;
  const auto width = static_cast<double>(size.width), height = static_cast<double>(size.height);
  const double left = (numbers_[1] - numbers_[3] / 2) * width,
               right = (numbers_[1] + numbers_[3] / 2) * width;
  const double top = (numbers_[2] - numbers_[4] / 2) * height,
               bottom = (numbers_[2] + numbers_[4] / 2) * height;
  set_box(annotation, left, top, right - left, bottom - top);
  if (numbers_.size() != 6) return true;
  const double confidence = numbers_[5];
  const auto where = line.where(fmt::format("{}", confidence));
  if (confidence < 0 || confidence > 1) {
    problems_.bad(options_.bad_values, "bad_values", "a sixth number that is no confidence, from 0 to 1",
                  where);
    return options_.bad_values == Policy::skip;
  }
  problems_.warn("a confidence behind a box, as of a program that detects; all such boxes are taken", where);
  if (options_.with_details) details.attributes.emplace_back("confidence", fmt::format("{}", confidence));
  return true;
}

bool YoloLines::read_outline(const Line& line, CocoAnnotation& annotation, CocoDetails& details) {
  if (!are_shares(line, 1, numbers_.size())) return false;
  const auto& size = content_.images[line.image].size;
  const auto width = static_cast<double>(size.width), height = static_cast<double>(size.height);
  constexpr double kFar = std::numeric_limits<double>::infinity();
  double left = kFar, top = kFar, right = -kFar, bottom = -kFar;
  for (size_t i = 1; i < numbers_.size(); i += 2) {
    double &x = numbers_[i], &y = numbers_[i + 1];
    x = micropixel(x * width), y = micropixel(y * height);
    left = std::min(left, x), right = std::max(right, x);
    top = std::min(top, y), bottom = std::max(bottom, y);
  }
  set_box(annotation, left, top, right - left, bottom - top);
  if (options_.with_details)
    details.segmentation = fmt::format("[[{}]]", fmt::join(numbers_.begin() + 1, numbers_.end(), ", "));
  return true;
}

void YoloLines::read_points(const Line& line) {
  Points points{.annotation = content_.annotations.size() - 1, .where = line.where(shortened(line.text))};
  points.shares.assign(numbers_.begin() + 5, numbers_.end());
  if (options_.keypoint_shape) {
    add_points((*options_.keypoint_shape)[1], points);
  } else if (options_.with_details) {
    points_.push_back(std::move(points));
  }
}

void YoloLines::add_points(int64_t dimensions, const Points& points) {
  const auto step = static_cast<size_t>(dimensions);
  const auto& annotation = content_.annotations[points.annotation];
  const auto& size = content_.images[static_cast<size_t>(annotation.image_id) - 1].size;
  std::vector<double> numbers;
  int64_t visible = 0;
  for (size_t i = 0; i + step <= points.shares.size(); i += step) {
    const double x = points.shares[i], y = points.shares[i + 1];
    const double visibility = step == 3 ? points.shares[i + 2] : x != 0 || y != 0 ? 2 : 0;
    if (!is_visibility(visibility) || std::abs(x - 0.5) > 0.5 + kBeyondImage ||
        std::abs(y - 0.5) > 0.5 + kBeyondImage) {
      problems_.bad(options_.bad_values, "bad_values",
                    "key points outside of the image, or with another visibility than 0, 1, 2", points.where);
      return;
    }
    numbers.insert(numbers.end(), {micropixel(x * static_cast<double>(size.width)),
                                   micropixel(y * static_cast<double>(size.height)), visibility});
    visible += visibility > 0;
  }
  if (!options_.with_details) return;
  auto& others = content_.details[points.annotation].others;
  others.emplace_back("keypoints", fmt::format("[{}]", fmt::join(numbers, ", ")));
  others.emplace_back("num_keypoints", fmt::format("{}", visible));
}

void YoloLines::finish() {
  constexpr int64_t kOfTen = 9;  // key points lie now and then outside of their box
  const bool is_unclear = only_pose_ > 0 || (many_ > 0 && like_pose_ * 10 >= many_ * kOfTen);
  if (is_unclear) {
    const auto rest = like_pose_ - std::ssize(unclear_);
    for (auto& where : unclear_) {
      problems_.error(
          "lines that may be outlines, or boxes with key points: say which by data.yolo_lines "
          "(--yolo-lines): "
          "box, outline, oriented or pose; or by kpt_shape in data.yaml",
          std::move(where));
    }
    if (rest > 0) problems_.error("further such lines", fmt::format("{}", rest));
  }
  if (points_.empty()) return;
  const auto is_flat = [](const Points& points) {
    if (points.shares.size() % 3 != 0) return true;
    for (size_t i = 2; i < points.shares.size(); i += 3) {
      if (!is_visibility(points.shares[i])) return true;
    }
    return false;
  };
  const bool flat = std::ranges::any_of(points_, is_flat) && points_.front().shares.size() % 2 == 0;
  for (const auto& points : points_) add_points(flat ? 2 : 3, points);
}

}  // namespace rcnn::data
