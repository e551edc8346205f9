#include "data/formats/coco/coco_outline.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <spdlog/fmt/ranges.h>

#include "data/formats/micropixel.h"

namespace rcnn::data {
namespace {

/// Grows with the points that it is given.
struct Hull {
  double left = std::numeric_limits<double>::infinity(), top = left, right = -left, bottom = -left;

  void add(double x, double y) {
    left = std::min(left, x);
    top = std::min(top, y);
    right = std::max(right, x);
    bottom = std::max(bottom, y);
  }

  std::optional<std::array<double, 4>> box() const {
    const std::array<double, 4> box = {left, top, micropixel(right - left), micropixel(bottom - top)};
    if (!std::ranges::all_of(box, [](double side) { return std::isfinite(side); })) return std::nullopt;
    return box;
  }
};

/// Takes the points [x, y, x, y, ...] of a list, and of the lists in it.
bool add_points(json::array list, Hull& hull) {
  bool is_x = true;
  double x = 0;
  for (auto entry : list) {
    if (json::array below; entry.get(below) == simdjson::SUCCESS) {
      if (!add_points(below, hull)) return false;
      continue;
    }
    double number = 0;
    if (entry.get(number) != simdjson::SUCCESS) return false;
    if (is_x) {
      x = number;
    } else {
      hull.add(x, number);
    }
    is_x = !is_x;
  }
  return is_x;
}

using RunLengths = std::vector<int64_t>;

/// Of pycocotools' compressed text: five bits a character, the sixth says that there are more of the number,
/// which from the third on is the difference to the last but one.
std::optional<RunLengths> decompress(std::string_view text) {
  constexpr int kBits = 5, kMostBits = 60;
  RunLengths counts;
  for (size_t i = 0; i < text.size();) {
    uint64_t number = 0;
    for (int shift = 0;; shift += kBits) {
      if (i == text.size() || shift > kMostBits - kBits) return std::nullopt;
      const int code = text[i++] - '0';
      if (code < 0 || code > 0x3f) return std::nullopt;
      number |= static_cast<uint64_t>(code & 0x1f) << shift;
      if ((code & 0x20) != 0) continue;
      if ((code & 0x10) != 0) number |= ~uint64_t{0} << (shift + kBits);
      break;
    }
    auto count = static_cast<int64_t>(number);
    if (counts.size() > 2) count += counts[counts.size() - 2];
    counts.push_back(count);
  }
  return counts;
}

std::optional<RunLengths> run_lengths(json::value value) {
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) return decompress(text);
  json::array list;
  if (value.get(list) != simdjson::SUCCESS) return std::nullopt;
  RunLengths counts;
  for (auto count : list) {
    if (count.get(counts.emplace_back()) != simdjson::SUCCESS) return std::nullopt;
  }
  return counts;
}

/// Of pixels in columns: every second count is of pixels of the object.
std::optional<Hull> hull_of(const RunLengths& counts, int64_t height, int64_t width) {
  constexpr int64_t kLongest = int64_t{1} << 31;
  if (height <= 0 || width <= 0 || height > kLongest || width > kLongest) return std::nullopt;
  Hull hull;
  int64_t begin = 0;
  bool of_object = false;
  for (const auto count : counts) {
    if (count < 0 || count > height * width - begin) return std::nullopt;
    if (of_object && count > 0) {
      const int64_t last = begin + count - 1;
      const bool one_column = begin / height == last / height;
      hull.add(static_cast<double>(begin / height), one_column ? static_cast<double>(begin % height) : 0);
      hull.add(static_cast<double>(last / height + 1),
               static_cast<double>(one_column ? last % height + 1 : height));
    }
    begin += count;
    of_object = !of_object;
  }
  return hull;
}

std::optional<Hull> hull_of(json::object run_length_object) {
  std::optional<RunLengths> counts;
  std::optional<RunLengths> size;
  for (auto field : run_length_object) {
    const std::string_view key = field.unescaped_key();
    if (key == "counts") counts = run_lengths(field.value().value());
    if (key == "size") size = run_lengths(field.value().value());
  }
  if (!counts || !size || size->size() != 2) return std::nullopt;
  return hull_of(*counts, size->front(), size->back());
}

}  // namespace

std::optional<std::array<double, 4>> box_of_outline(json::value segmentation) {
  if (json::array polygons; segmentation.get(polygons) == simdjson::SUCCESS) {
    Hull hull;
    return add_points(polygons, hull) ? hull.box() : std::nullopt;
  }
  json::object runs;
  if (segmentation.get(runs) != simdjson::SUCCESS) return std::nullopt;
  const auto hull = hull_of(runs);
  return hull ? hull->box() : std::nullopt;
}

std::optional<std::array<double, 4>> box_or_outline(const JsonBox& box, json::object entry_object,
                                                    const JsonEntry& entry, Problems& problems) {
  if (box.wrong) throw *box.wrong;
  if (box.count > 0) return box.sides;
  entry_object.reset().value();
  json::value outline;
  if (entry_object.find_field("segmentation").get(outline) != simdjson::SUCCESS) return std::nullopt;
  const auto sides = box_of_outline(outline);
  if (sides) {
    problems.warn("there is no bbox; that of the outline is taken",
                  entry.where(fmt::format(" ([{}])", fmt::join(*sides, ", "))));
  }
  return sides;
}

}  // namespace rcnn::data
