#pragma once

#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <opencv2/core.hpp>

#include <rcnn/types.h>

namespace rcnn::vis {

/// The image for OpenCV to draw on; the tensor keeps the memory. Throws c10::Error, naming `who`, for
/// anything but uint8 [H, W, 3], contiguous on the CPU.
cv::Mat canvas_of(const at::Tensor& image, const char* who);

/// Throws c10::Error, naming `who`, for a label outside 1..`classes` and a box that is not finite.
void check_box(const Box& box, int64_t label, size_t classes, const char* who);

/// Hues a golden section apart: whatever the number of classes, neighbours differ.
cv::Scalar class_colour(int64_t label);

/// OpenCV's fonts are ASCII: any other character becomes '?', a UTF-8 sequence one.
std::string in_ascii(const std::string& name);

/// Line width and text in proportion to the image.
struct Style {
  explicit Style(const cv::Mat& canvas);
  int line;
  double font_scale;
};

/// The pixels of a box, cut where it leaves the image but at least one, so that every edge shows.
cv::Rect pixels_of(const Box& box, const cv::Mat& canvas);

/// Lines of exactly this width inside the box; cv::rectangle's own are up to two pixels wider, and half
/// outside.
void draw_frame(cv::Mat& canvas, const cv::Rect& box, int line, const cv::Scalar& colour);

/// One line of text as it will be drawn.
struct Text {
  Text(std::string text, double scale);
  std::string text;
  double scale;
  int thickness = 1;
  int descent = 0;  ///< below the line that the letters stand on
  cv::Size size;    ///< above it
  int height() const { return size.height + descent; }
};

void draw_text(cv::Mat& canvas, const Text& text, cv::Point top_left, const cv::Scalar& colour);

/// A filled strip with a text in it.
struct Label {
  Text text;
  cv::Rect strip;
};

/// On top of the box, or under its top edge where there is no room above; nothing where the text would be too
/// small to read.
std::optional<Label> place_label(const cv::Mat& canvas, const std::string& text, const cv::Rect& box,
                                 const Style& style);

/// Where a label of `box` covers none of the others: as place_label() put it, else along another edge of the
/// box; nothing where they are everywhere.
std::optional<cv::Rect> free_place(const cv::Mat& canvas, const cv::Rect& strip, const cv::Rect& box,
                                   const std::vector<cv::Rect>& others);

void draw_label(cv::Mat& canvas, const Label& label, const cv::Scalar& colour);

}  // namespace rcnn::vis
