#include <algorithm>
#include <cmath>

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <opencv2/imgproc.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/vis/contact_sheet.h>

#include "vis/canvas.h"

namespace rcnn::vis {
namespace {

constexpr const char* kName = "ContactSheet";
constexpr int kSheetMargin = 12;
constexpr int kLine = 22;  // of text
constexpr double kFontScale = 0.5;
constexpr int kDash = 5, kGap = 4;
const cv::Scalar kSheetPaper(240, 240, 240), kSheetInk(30, 30, 30), kSheetFaint(110, 110, 110),
    kNotice(200, 0, 0);

/// A broken line inside the box.
void draw_broken_frame(cv::Mat& canvas, const cv::Rect& box, int line, const cv::Scalar& colour) {
  const auto dash = [&](int x, int y, int width, int height) {
    cv::rectangle(canvas, cv::Rect(x, y, width, height) & box, colour, cv::FILLED);
  };
  for (int x = box.x; x < box.x + box.width; x += kDash + kGap) {
    dash(x, box.y, kDash, line);
    dash(x, box.y + box.height - line, kDash, line);
  }
  for (int y = box.y; y < box.y + box.height; y += kDash + kGap) {
    dash(box.x, y, line, kDash);
    dash(box.x + box.width - line, y, line, kDash);
  }
}

void draw_box(cv::Mat& canvas, const cv::Rect& box, int line, const cv::Scalar& colour, bool ignore) {
  ignore ? draw_broken_frame(canvas, box, line, colour) : draw_frame(canvas, box, line, colour);
}

/// Moves a label to where no other is: on top of its box, under the top edge or below the box.
bool find_room(Label& label, const cv::Mat& canvas, const cv::Rect& box, const std::vector<Label>& others) {
  const cv::Rect page(0, 0, canvas.cols, canvas.rows);
  for (const int y : {label.strip.y, box.y, box.y + box.height}) {
    label.strip.y = y;
    const bool inside = (label.strip & page) == label.strip;
    if (inside && std::none_of(others.begin(), others.end(),
                               [&](const Label& other) { return (other.strip & label.strip).area() > 0; })) {
      return true;
    }
  }
  return false;
}

void draw_boxes(cv::Mat& canvas, std::vector<SheetBox> boxes, const std::vector<Category>& categories) {
  const Style style(canvas);
  // Large ones first: small ones lie on top of them, and their labels come where room is left.
  std::stable_sort(boxes.begin(), boxes.end(), [](const SheetBox& a, const SheetBox& b) {
    return a.box.width() * a.box.height() > b.box.width() * b.box.height();
  });
  std::vector<Label> labels;
  std::vector<cv::Scalar> colours;
  for (const auto& [box, label, ignore] : boxes) {
    const cv::Rect frame = pixels_of(box, canvas);
    const cv::Scalar colour = class_colour(label);
    draw_box(canvas, frame, std::max(2, style.line), colour, ignore);
    auto placed = place_label(canvas, in_ascii(categories[label - 1].name), frame, style);
    if (!placed || !find_room(*placed, canvas, frame, labels)) continue;
    labels.push_back(std::move(*placed));
    colours.push_back(colour);
  }
  for (size_t i = 0; i < labels.size(); ++i) draw_label(canvas, labels[i], colours[i]);
}

/// What fits of a name, its middle left out.
Text fitted(const std::string& name, int width) {
  const std::string whole = in_ascii(name);
  Text text(whole, kFontScale);
  for (size_t kept = whole.size(); text.size.width > width && kept > 2; --kept) {
    const size_t head = kept / 2, tail = kept - head;
    text = Text(whole.substr(0, head) + "..." + whole.substr(whole.size() - tail), kFontScale);
  }
  return text;
}

std::string facts_of(ImageSize size, std::span<const SheetBox> boxes) {
  const auto ignored = std::count_if(boxes.begin(), boxes.end(), [](const SheetBox& b) { return b.ignore; });
  std::string facts = fmt::format("{} x {}", size.width, size.height);
  if (boxes.empty()) return facts + ", no box";
  facts += fmt::format(", {} {}", boxes.size(), boxes.size() == 1 ? "box" : "boxes");
  return ignored > 0 ? facts + fmt::format(", {} ignored", ignored) : facts;
}

/// A sample of a class's frame and a text to it.
struct LegendEntry {
  Text text;
  cv::Scalar colour;
  bool ignore = false;
  int width() const { return kSample + 8 + text.size.width + 24; }
  static constexpr int kSample = 26, kHeight = 14;
};

/// Fills lines of the page's width; `draw` gets each entry with its place. Returns the height of all.
template <class Draw>
int lay_out(const std::vector<LegendEntry>& entries, int page_width, Draw draw) {
  int x = kSheetMargin, y = 0;
  for (const auto& entry : entries) {
    if (x > kSheetMargin && x + entry.width() > page_width - kSheetMargin) {
      x = kSheetMargin;
      y += kLine;
    }
    draw(entry, cv::Point(x, y));
    x += entry.width();
  }
  return y + kLine;
}

}  // namespace

ContactSheet::ContactSheet(std::vector<Category> categories, const SheetOptions& options)
    : categories_(std::move(categories)), options_(options), counts_(categories_.size()) {
  TORCH_CHECK(options_.columns > 0 && options_.thumbnail.height > 0 && options_.thumbnail.width > 0, kName,
              ": ", options_.columns, " columns of ", options_.thumbnail.height, " x ",
              options_.thumbnail.width);
}

void ContactSheet::add(const at::Tensor& image, std::span<const SheetBox> boxes, const std::string& name) {
  for (const auto& box : boxes) check_box(box.box, box.label, categories_.size(), kName);
  const at::Tensor pixels = image.contiguous();
  const cv::Mat from = canvas_of(pixels, kName);
  TORCH_CHECK(!from.empty(), kName, ": ", name, " has no pixels");

  const auto& room = options_.thumbnail;
  const double scale =
      std::min(static_cast<double>(room.height) / from.rows, static_cast<double>(room.width) / from.cols);
  const auto side = [&](int length) { return std::max<int64_t>(1, std::lround(length * scale)); };
  Tile tile{.picture = at::empty({side(from.rows), side(from.cols), 3}, at::kByte),
            .name = name,
            .facts = facts_of({from.rows, from.cols}, boxes),
            .empty = boxes.empty()};
  cv::Mat canvas = canvas_of(tile.picture, kName);
  cv::resize(from, canvas, canvas.size(), 0, 0, scale < 1 ? cv::INTER_AREA : cv::INTER_LINEAR);

  const auto scale_x = static_cast<float>(canvas.cols) / static_cast<float>(from.cols);
  const auto scale_y = static_cast<float>(canvas.rows) / static_cast<float>(from.rows);
  std::vector<SheetBox> scaled(boxes.begin(), boxes.end());
  for (auto& [box, label, ignore] : scaled) {
    box = {box.x1 * scale_x, box.y1 * scale_y, box.x2 * scale_x, box.y2 * scale_y};
    ++counts_[label - 1];
    any_ignored_ |= ignore;
  }
  draw_boxes(canvas, std::move(scaled), categories_);
  tiles_.push_back(std::move(tile));
}

at::Tensor ContactSheet::page() const {
  TORCH_CHECK(!tiles_.empty(), kName, ": a page needs an image");
  const int columns = static_cast<int>(std::min(options_.columns, size()));
  const int rows = static_cast<int>((size() + columns - 1) / columns);
  const int tile_width = static_cast<int>(options_.thumbnail.width) + kSheetMargin;
  const int tile_height = static_cast<int>(options_.thumbnail.height) + 2 * kLine + kSheetMargin;
  const int width = columns * tile_width + kSheetMargin;

  std::vector<LegendEntry> legend;
  for (size_t i = 0; i < categories_.size(); ++i) {
    if (counts_[i] == 0) continue;
    legend.push_back({Text(fmt::format("{} ({})", in_ascii(categories_[i].name), counts_[i]), kFontScale),
                      class_colour(static_cast<int64_t>(i) + 1)});
  }
  if (any_ignored_) {
    legend.push_back(
        {Text("ignored in training and scoring (difficult, crowd)", kFontScale), kSheetFaint, true});
  }
  const int legend_height = lay_out(legend, width, [](const LegendEntry&, cv::Point) {});
  const int top = kSheetMargin + rows * tile_height;
  at::Tensor result = at::empty({top + legend_height + kSheetMargin, width, 3}, at::kByte);
  cv::Mat page = canvas_of(result, kName);
  page.setTo(kSheetPaper);

  for (int i = 0; i < static_cast<int>(tiles_.size()); ++i) {
    const Tile& tile = tiles_[i];
    const cv::Mat picture = canvas_of(tile.picture, kName);
    const cv::Point corner(kSheetMargin + i % columns * tile_width, kSheetMargin + i / columns * tile_height);
    // Pictures stand on one line, over their names.
    const int picture_y = corner.y + static_cast<int>(options_.thumbnail.height) - picture.rows;
    picture.copyTo(page(cv::Rect(corner.x, picture_y, picture.cols, picture.rows)));
    const int text_y = corner.y + static_cast<int>(options_.thumbnail.height) + 6;
    draw_text(page, fitted(tile.name, tile_width - kSheetMargin), {corner.x, text_y}, kSheetInk);
    draw_text(page, Text(tile.facts, kFontScale), {corner.x, text_y + kLine},
              tile.empty ? kNotice : kSheetFaint);
  }
  lay_out(legend, width, [&](const LegendEntry& entry, cv::Point at) {
    const cv::Rect sample(at.x, top + at.y, LegendEntry::kSample, LegendEntry::kHeight);
    draw_box(page, sample, entry.ignore ? 2 : LegendEntry::kHeight, entry.colour, entry.ignore);
    draw_text(page, entry.text, {at.x + LegendEntry::kSample + 8, top + at.y + 1}, kSheetInk);
  });
  return result;
}

}  // namespace rcnn::vis
