#pragma once

#include <span>
#include <string>
#include <vector>

#include <rcnn/detection.h>
#include <rcnn/export.h>

namespace rcnn::vis {

/// A line through points in the order they are given.
struct Curve {
  std::string name = {};               ///< for the legend; none: it has no place there
  std::vector<double> x = {}, y = {};  ///< as many of each
  bool faint = false;                  ///< thin and pale: what other curves lie on
};

/// A point that is pointed out.
struct Mark {
  double x = 0, y = 0;
  std::string label = {};
};

/// What stands around a plot, and its size in pixels.
struct PlotOptions {
  std::string title = {}, x_label = {}, y_label = {};
  bool log_x = false;
  ImageSize size{.height = 600, .width = 900};
};

/// Draws curves, and marks on top of them, over axes that hold all of them: an SVG picture of options.size, a
/// file of its own for browsers and editors alike. A point whose x or y is not finite, or beyond 1e300, is
/// left out, and the line interrupted there; a point alone between such is a dot. Without any point the axes
/// go from 0 to 1 (1 to 10 with log_x). Texts may hold any bytes: markup is escaped, what is no UTF-8 becomes
/// replacement characters.
///
/// Throws c10::Error for a curve with more x than y or the reverse, an x of 0 or below with log_x, and a size
/// below 200 x 300.
RCNN_EXPORT std::string plot(std::span<const Curve> curves, const PlotOptions& options = {},
                             std::span<const Mark> marks = {});

}  // namespace rcnn::vis
