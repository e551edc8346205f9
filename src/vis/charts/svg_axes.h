#pragma once

#include <string>

#include <rcnn/vis/charts/plot.h>

#include "vis/charts/axis.h"

namespace rcnn::vis {

/// Where something is in an SVG picture, in its own units, from the upper left corner.
struct SvgPoint {
  double x = 0, y = 0;
};

/// A rectangle of an SVG picture.
struct SvgRect {
  double x = 0, y = 0, width = 0, height = 0;
  double right() const { return x + width; }
  double bottom() const { return y + height; }
};

/// A chart in the making: an SVG picture with axes, to be drawn on. `head` is as high as what stands above
/// them.
class SvgAxes {
 public:
  SvgAxes(Axis x, Axis y, const PlotOptions& options, double head = 0);

  SvgPoint place(double x, double y) const;

  /// In which the values lie.
  const SvgRect& frame() const { return frame_; }

  /// The picture, <svg>: `drawing` lies over the axes and `ground` under them, `description` says the same in
  /// words. The data-* attributes tell a page's script where values are.
  std::string picture(const std::string& drawing, const std::string& description,
                      const std::string& attributes = "", const std::string& ground = "") const;

  /// The chart of a page, <figure>: title, picture and legend.
  std::string figure(const std::string& drawing, const std::string& description,
                     const std::string& legend) const;

 private:
  std::string grid() const;

  const Axis x_, y_;
  const PlotOptions& options_;
  SvgRect frame_;
};

}  // namespace rcnn::vis
