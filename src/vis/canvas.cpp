#include "vis/canvas.h"

#include <algorithm>
#include <cmath>

#include <c10/util/Exception.h>
#include <opencv2/imgproc.hpp>

namespace rcnn::vis {
namespace {

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
constexpr double kSmallestReadable = 0.25;  // font scale: letters 5 pixels high

/// Black or white, whichever stands out from the colour.
cv::Scalar text_colour(const cv::Scalar& background) {
  const double luminance = 0.299 * background[0] + 0.587 * background[1] + 0.114 * background[2];
  return luminance > 128 ? cv::Scalar(0, 0, 0) : cv::Scalar(255, 255, 255);
}

/// A strip moved into the canvas.
cv::Rect moved_into(cv::Rect strip, const cv::Mat& canvas) {
  strip.x = std::clamp(strip.x, 0, std::max(0, canvas.cols - strip.width));
  strip.y = std::clamp(strip.y, 0, std::max(0, canvas.rows - strip.height));
  return strip;
}

}  // namespace

cv::Mat canvas_of(const at::Tensor& image, const char* who) {
  TORCH_CHECK(image.dim() == 3 && image.size(2) == 3 && image.scalar_type() == at::kByte && image.is_cpu() &&
                  image.is_contiguous(),
              who, ": expected an image uint8 [H, W, 3] on the CPU, got ", image.scalar_type(), " ",
              image.sizes(), " on ", image.device());
  return {static_cast<int>(image.size(0)), static_cast<int>(image.size(1)), CV_8UC3,
          image.data_ptr<uint8_t>()};
}

void check_box(const Box& box, int64_t label, size_t classes, const char* who) {
  TORCH_CHECK(label >= 1 && label <= static_cast<int64_t>(classes), who, ": label ", label, ", expected 1..",
              classes);
  TORCH_CHECK(
      std::isfinite(box.x1) && std::isfinite(box.y1) && std::isfinite(box.x2) && std::isfinite(box.y2), who,
      ": a box of label ", label, " is not finite");
}

cv::Scalar class_colour(int64_t label) {
  const double hue = std::fmod(double(label) * 0.618034, 1.0);
  const auto channel = [&](double offset) {
    const double ramp = std::abs(std::fmod(hue * 6 + offset, 6.0) - 3) - 1;
    return std::round(40 + 215 * std::clamp(ramp, 0.0, 1.0));
  };
  return {channel(0), channel(4), channel(2)};
}

std::string in_ascii(const std::string& name) {
  std::string text;
  for (const unsigned char c : name) {
    const bool continues = (c & 0xC0) == 0x80;
    if (!continues) text += c >= ' ' && c <= '~' ? char(c) : '?';
  }
  return text;
}

Style::Style(const cv::Mat& canvas)
    : line(int(std::ceil(0.0015 * (canvas.cols + canvas.rows)))),
      font_scale(std::max(0.4, 0.00045 * (canvas.cols + canvas.rows))) {}

cv::Rect pixels_of(const Box& box, const cv::Mat& canvas) {
  const auto inside = [](float at, int size) {
    return int(std::lround(std::clamp<double>(at, 0, size - 1)));
  };
  const cv::Point low(inside(box.x1, canvas.cols), inside(box.y1, canvas.rows));
  const cv::Point high(inside(box.x2 - 1, canvas.cols), inside(box.y2 - 1, canvas.rows));
  return {low, cv::Size(std::max(high.x - low.x, 0) + 1, std::max(high.y - low.y, 0) + 1)};
}

void draw_frame(cv::Mat& canvas, const cv::Rect& box, int line, const cv::Scalar& colour) {
  for (int i = 0; i < line && 2 * i < std::min(box.width, box.height); ++i) {
    cv::rectangle(canvas, {box.x + i, box.y + i, box.width - 2 * i, box.height - 2 * i}, colour);
  }
}

Text::Text(std::string words, double font_scale)
    : text(std::move(words)),
      scale(font_scale),
      thickness(std::max(1, int(std::lround(1.6 * font_scale)))),
      size(cv::getTextSize(text, kFont, scale, thickness, &descent)) {}

void draw_text(cv::Mat& canvas, const Text& text, cv::Point top_left, const cv::Scalar& colour) {
  cv::putText(canvas, text.text, {top_left.x, top_left.y + text.size.height}, kFont, text.scale, colour,
              text.thickness, cv::LINE_AA);
}

std::optional<Label> place_label(const cv::Mat& canvas, const std::string& words, const cv::Rect& box,
                                 const Style& style) {
  const int pad = style.line;
  Text text(words, style.font_scale);
  const double fit = std::min(double(canvas.cols - 2 * pad) / text.size.width,
                              double(canvas.rows - 2 * pad) / text.height());
  if (fit < 1) {
    if (text.scale * fit < kSmallestReadable) return std::nullopt;
    text = Text(words, text.scale * fit);
  }
  cv::Rect strip(box.x, 0, text.size.width + 2 * pad, text.height() + 2 * pad);
  strip.y = box.y >= strip.height ? box.y - strip.height : box.y;
  return Label{std::move(text), moved_into(strip, canvas)};
}

std::optional<cv::Rect> free_place(const cv::Mat& canvas, const cv::Rect& strip, const cv::Rect& box,
                                   const std::vector<cv::Rect>& others) {
  const int right = box.x + box.width - strip.width, bottom = box.y + box.height;
  const cv::Point corners[] = {strip.tl(),
                               {right, strip.y},
                               {box.x, bottom},
                               {right, bottom},
                               {box.x, box.y},
                               {right, box.y},
                               {box.x, bottom - strip.height},
                               {right, bottom - strip.height}};
  for (const auto& corner : corners) {
    const auto place = moved_into({corner, strip.size()}, canvas);
    const auto is_covered = [&](const cv::Rect& other) { return (place & other).area() > 0; };
    if (std::ranges::none_of(others, is_covered)) return place;
  }
  return std::nullopt;
}

void draw_label(cv::Mat& canvas, const Label& label, const cv::Scalar& colour) {
  const int pad = (label.strip.height - label.text.height()) / 2;
  cv::rectangle(canvas, label.strip, colour, cv::FILLED);
  draw_text(canvas, label.text, {label.strip.x + pad, label.strip.y + pad}, text_colour(colour));
}

}  // namespace rcnn::vis
