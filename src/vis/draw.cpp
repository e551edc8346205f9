#include <algorithm>
#include <cmath>

#include <c10/util/Exception.h>
#include <opencv2/imgproc.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/vis/draw.h>

namespace rcnn::vis {
namespace {

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
constexpr double kSmallestReadable = 0.25;  // font scale: letters 5 pixels high

/// Hues a golden section apart: whatever the number of classes, neighbours differ.
cv::Scalar class_colour(int64_t label) {
  const double hue = std::fmod(double(label) * 0.618034, 1.0);
  const auto channel = [&](double offset) {
    const double ramp = std::abs(std::fmod(hue * 6 + offset, 6.0) - 3) - 1;
    return std::round(40 + 215 * std::clamp(ramp, 0.0, 1.0));
  };
  return {channel(0), channel(4), channel(2)};
}

/// Black or white, whichever stands out from the colour.
cv::Scalar text_colour(const cv::Scalar& background) {
  const double luminance = 0.299 * background[0] + 0.587 * background[1] + 0.114 * background[2];
  return luminance > 128 ? cv::Scalar(0, 0, 0) : cv::Scalar(255, 255, 255);
}

/// OpenCV's fonts are ASCII: any other character becomes '?', a UTF-8 sequence one.
std::string printable(const std::string& name) {
  std::string text;
  for (const unsigned char c : name) {
    const bool continues = (c & 0xC0) == 0x80;
    if (!continues) text += c >= ' ' && c <= '~' ? char(c) : '?';
  }
  return text;
}

/// Line width and text in proportion to the image.
struct Style {
  explicit Style(const cv::Mat& canvas)
      : line(int(std::ceil(0.0015 * (canvas.cols + canvas.rows)))),
        font_scale(std::max(0.4, 0.00055 * (canvas.cols + canvas.rows))) {}
  int line;
  double font_scale;
};

/// The pixels of a box, cut where it leaves the image but at least one, so that every edge shows.
cv::Rect pixels_of(const Box& box, const cv::Mat& canvas) {
  const auto inside = [](float at, int size) {
    return int(std::lround(std::clamp<double>(at, 0, size - 1)));
  };
  const cv::Point low(inside(box.x1, canvas.cols), inside(box.y1, canvas.rows));
  const cv::Point high(inside(box.x2 - 1, canvas.cols), inside(box.y2 - 1, canvas.rows));
  return {low, cv::Size(std::max(high.x - low.x, 0) + 1, std::max(high.y - low.y, 0) + 1)};
}

/// Lines of exactly this width inside the box; cv::rectangle's own are up to two pixels wider, and half
/// outside.
void draw_frame(cv::Mat& canvas, const cv::Rect& box, int line, const cv::Scalar& colour) {
  for (int i = 0; i < line && 2 * i < std::min(box.width, box.height); ++i) {
    cv::rectangle(canvas, {box.x + i, box.y + i, box.width - 2 * i, box.height - 2 * i}, colour);
  }
}

/// A filled strip with the text on top of the box, or under its top edge where there is no room above.
void draw_label(cv::Mat& canvas, const std::string& text, const cv::Rect& box, const Style& style,
                const cv::Scalar& colour) {
  const int pad = style.line;
  double scale = style.font_scale;
  int thickness = std::max(1, int(std::lround(1.6 * scale)));
  int descent = 0;
  cv::Size size = cv::getTextSize(text, kFont, scale, thickness, &descent);
  const double fit = std::min(double(canvas.cols - 2 * pad) / size.width,
                              double(canvas.rows - 2 * pad) / (size.height + descent));
  if (fit < 1) {
    scale *= fit;
    if (scale < kSmallestReadable) return;
    size = cv::getTextSize(text, kFont, scale, thickness, &descent);
  }
  cv::Rect strip(box.x, 0, size.width + 2 * pad, size.height + descent + 2 * pad);
  strip.y = box.y >= strip.height ? box.y - strip.height : box.y;
  strip.x = std::clamp(strip.x, 0, std::max(0, canvas.cols - strip.width));
  strip.y = std::clamp(strip.y, 0, std::max(0, canvas.rows - strip.height));
  cv::rectangle(canvas, strip, colour, cv::FILLED);
  cv::putText(canvas, text, {strip.x + pad, strip.y + pad + size.height}, kFont, scale, text_colour(colour),
              thickness, cv::LINE_AA);
}

}  // namespace

at::Tensor draw_detections(const at::Tensor& image, std::span<const Detection> detections,
                           const std::vector<Category>& categories) {
  TORCH_CHECK(image.dim() == 3 && image.size(2) == 3 && image.scalar_type() == at::kByte && image.is_cpu(),
              "draw_detections: expected an image uint8 [H, W, 3] on the CPU, got ", image.scalar_type(), " ",
              image.sizes(), " on ", image.device());
  for (const Detection& d : detections) {
    TORCH_CHECK(d.label >= 1 && d.label <= int64_t(categories.size()), "draw_detections: label ", d.label,
                ", expected 1..", categories.size());
    TORCH_CHECK(std::isfinite(d.box.x1) && std::isfinite(d.box.y1) && std::isfinite(d.box.x2) &&
                    std::isfinite(d.box.y2),
                "draw_detections: a box of label ", d.label, " is not finite");
  }
  at::Tensor result = image.clone(at::MemoryFormat::Contiguous);
  if (result.numel() == 0) return result;

  cv::Mat canvas(int(result.size(0)), int(result.size(1)), CV_8UC3, result.data_ptr<uint8_t>());
  const Style style(canvas);
  // Labels after all boxes, so that no line crosses a text; the first, the best, on top.
  for (auto d = detections.rbegin(); d != detections.rend(); ++d) {
    draw_frame(canvas, pixels_of(d->box, canvas), style.line, class_colour(d->label));
  }
  for (auto d = detections.rbegin(); d != detections.rend(); ++d) {
    const std::string text = fmt::format("{} {:.2f}", printable(categories[d->label - 1].name), d->score);
    draw_label(canvas, text, pixels_of(d->box, canvas), style, class_colour(d->label));
  }
  return result;
}

}  // namespace rcnn::vis
