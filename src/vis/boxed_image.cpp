#include "vis/boxed_image.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include <c10/util/Exception.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <spdlog/fmt/fmt.h>

#include "vis/canvas.h"
#include "vis/charts/svg_plot.h"
#include "vis/report/html.h"

namespace rcnn::vis {
namespace {

using Verdict = JudgedBox::Verdict;

constexpr const char* kWho = "to_html";
constexpr int kLongestSide = 640;
constexpr int kJpegQuality = 85;
constexpr double kTextHeight = 0.025;  // of a label, as a share of the longest side
constexpr double kLetterWidth = 0.58;  // of its height, on average

struct VerdictWords {
  Verdict verdict;
  std::string_view name;    ///< also the class in the page's style
  std::string_view before;  ///< a label's class name
  std::string_view meaning;
  bool shown;  ///< from the beginning
};
constexpr std::array<VerdictWords, 5> kVerdicts = {
    {{Verdict::right, "right", "", "a detection that found an object", true},
     {Verdict::wrong, "wrong", "✗ ", "a detection that found none", true},
     {Verdict::missed, "missed", "missed ", "an object that no detection found", true},
     {Verdict::found, "object", "object ", "an object that was found, as annotated", false},
     {Verdict::none, "detection", "", "a detection", true}}};

const VerdictWords& words_of(Verdict verdict) {
  return *std::find_if(kVerdicts.begin(), kVerdicts.end(),
                       [&](const VerdictWords& words) { return words.verdict == verdict; });
}

struct Rect {
  double x = 0, y = 0, width = 0, height = 0;
  bool meets(const Rect& other) const {
    return x < other.x + other.width && other.x < x + width && y < other.y + other.height &&
           other.y < y + height;
  }
};

cv::Mat reduced(const cv::Mat& image) {
  const double scale = static_cast<double>(kLongestSide) / std::max(image.cols, image.rows);
  if (scale >= 1) return image;
  const auto side = [&](int length) { return std::max(1, static_cast<int>(std::lround(length * scale))); };
  cv::Mat small;
  cv::resize(image, small, {side(image.cols), side(image.rows)}, 0, 0, cv::INTER_AREA);
  return small;
}

std::string jpeg_address(const cv::Mat& rgb) {
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  std::vector<uint8_t> bytes;
  cv::imencode(".jpg", bgr, bytes, {cv::IMWRITE_JPEG_QUALITY, kJpegQuality});
  return "data:image/jpeg;base64," + base64(bytes);
}

/// In the picture, whose lines a box at the border would otherwise leave.
Rect rect_of(const Box& box, const cv::Size& from, const cv::Size& to) {
  const auto inside = [](double at, int size, int shown) {
    return std::clamp<double>(at, 0, size) * shown / size;
  };
  const double x1 = inside(box.x1, from.width, to.width), x2 = inside(box.x2, from.width, to.width);
  const double y1 = inside(box.y1, from.height, to.height), y2 = inside(box.y2, from.height, to.height);
  return {x1, y1, std::max(x2 - x1, 1.0), std::max(y2 - y1, 1.0)};
}

size_t letters(std::string_view utf8) {
  return static_cast<size_t>(std::ranges::count_if(utf8, [](char c) { return (c & 0xC0) != 0x80; }));
}

/// "cat 0.93"
std::string text_of(const JudgedBox& box, const std::string& name) {
  return box.score ? fmt::format("{} {:.2f}", name, *box.score) : name;
}

/// Places labels where none is yet.
class Labels {
 public:
  explicit Labels(cv::Size picture)
      : picture_(picture), height_(kTextHeight * std::max(picture.width, picture.height)) {}

  /// Above the box, under its upper edge or below it; nothing where there is no room.
  std::string place(const Rect& box, const std::string& text) {
    const double pad = 0.25 * height_;
    Rect strip{.width = kLetterWidth * height_ * static_cast<double>(letters(text)) + 2 * pad,
               .height = 1.35 * height_};
    if (strip.width > picture_.width) return "";
    strip.x = std::clamp(box.x, 0.0, picture_.width - strip.width);
    for (const double y : {box.y - strip.height, box.y, box.y + box.height}) {
      strip.y = y;
      const bool inside = y >= 0 && y + strip.height <= picture_.height;
      if (!inside || std::ranges::any_of(placed_, [&](const Rect& other) { return other.meets(strip); })) {
        continue;
      }
      placed_.push_back(strip);
      return fmt::format(
          "<rect class=\"strip\" x=\"{:.4g}\" y=\"{:.4g}\" width=\"{:.4g}\" height=\"{:.4g}\"/>"
          "<text x=\"{:.4g}\" y=\"{:.4g}\" font-size=\"{:.4g}\" textLength=\"{:.4g}\" "
          "lengthAdjust=\"spacingAndGlyphs\">{}</text>",
          strip.x, strip.y, strip.width, strip.height, strip.x + pad, strip.y + height_, height_,
          strip.width - 2 * pad, escaped(text));
    }
    return "";
  }

 private:
  const cv::Size picture_;
  const double height_;
  std::vector<Rect> placed_;
};

std::string list_of(const std::vector<JudgedBox>& boxes, const std::vector<std::string>& classes) {
  if (boxes.empty()) return "";
  std::string html = fmt::format("<details><summary>{}</summary><ul>",
                                 boxes.size() == 1 ? "1 box" : fmt::format("{} boxes", boxes.size()));
  for (const auto& box : boxes) {
    html += fmt::format("<li>{}: {}, ({:.0f}, {:.0f}) to ({:.0f}, {:.0f})</li>", words_of(box.verdict).name,
                        escaped(text_of(box, classes[static_cast<size_t>(box.label - 1)])), box.box.x1,
                        box.box.y1, box.box.x2, box.box.y2);
  }
  return html + "</ul></details>";
}

}  // namespace

std::string boxed_image(const ReportImage& image, const std::vector<std::string>& classes) {
  for (const auto& box : image.boxes) check_box(box.box, box.label, classes.size(), kWho);
  const at::Tensor pixels = image.image.contiguous();
  const cv::Mat full = canvas_of(pixels, kWho);
  TORCH_CHECK(!full.empty(), kWho, ": ", image.name, " has no pixels");
  const cv::Mat picture = reduced(full);

  // Frames of later boxes lie under those of earlier ones, and labels over all frames.
  Labels labels(picture.size());
  std::string frames, texts;
  for (const auto& box : image.boxes) {
    const auto& words = words_of(box.verdict);
    const auto& name = classes[static_cast<size_t>(box.label - 1)];
    const auto rect = rect_of(box.box, full.size(), picture.size());
    const auto look = box.verdict == Verdict::none ? look_of(static_cast<size_t>(box.label - 1)) : "";
    const auto shape = fmt::format("x=\"{:.4g}\" y=\"{:.4g}\" width=\"{:.4g}\" height=\"{:.4g}\"/>", rect.x,
                                   rect.y, rect.width, rect.height);
    frames.insert(0, fmt::format("<g class=\"box {} {}\"><title>{}: {}</title><rect class=\"edge\" {}<rect "
                                 "class=\"line\" {}</g>\n",
                                 words.name, look, words.name, escaped(text_of(box, name)), shape, shape));
    if (const auto label = labels.place(rect, std::string(words.before) + text_of(box, name));
        !label.empty()) {
      texts += fmt::format("<g class=\"label {} {}\">{}</g>\n", words.name, look, label);
    }
  }
  const auto caption = escaped(image.name);
  return fmt::format(
      "<figure class=\"shot\"><div class=\"picture\"><img src=\"{}\" width=\"{}\" height=\"{}\" alt=\"{}\">\n"
      "<svg viewBox=\"0 0 {} {}\" aria-hidden=\"true\">\n{}{}</svg></div>\n"
      "<figcaption><b>{}</b> {}{}</figcaption></figure>\n",
      jpeg_address(picture), picture.cols, picture.rows, caption, picture.cols, picture.rows, frames, texts,
      caption, escaped(image.remark), list_of(image.boxes, classes));
}

std::string boxed_image_legend(const std::vector<ReportImage>& images) {
  std::string legend;
  for (const auto& [verdict, name, before, meaning, shown] : kVerdicts) {
    const bool there = std::ranges::any_of(images, [&](const ReportImage& image) {
      return std::ranges::any_of(image.boxes, [&](const JudgedBox& box) { return box.verdict == verdict; });
    });
    if (!there) continue;
    legend += fmt::format(
        "<li><label><input type=\"checkbox\" class=\"show-{0}\"{1}><svg class=\"sample\" viewBox=\"0 0 28 "
        "16\" "
        "aria-hidden=\"true\"><g class=\"box {0} c1\"><rect class=\"edge\" x=\"2\" y=\"2\" width=\"24\" "
        "height=\"12\"/><rect class=\"line\" x=\"2\" y=\"2\" width=\"24\" height=\"12\"/></g></svg>{0}: "
        "{2}</label></li>",
        name, shown ? " checked" : "", meaning);
  }
  return legend.empty() ? legend : "<ul class=\"legend verdicts\">" + legend + "</ul>";
}

}  // namespace rcnn::vis
