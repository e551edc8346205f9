#pragma once

#include <string>

#include <rcnn/vis/charts/plot.h>

#include "vis/charts/axis.h"

namespace rcnn::vis {

/// Where something is in an SVG picture, in its own units, from the upper left corner.
struct SvgPoint {
  double x = 0, y = 0;
};

/// A chart in the making: an SVG picture with axes, to be drawn on.
class SvgAxes {
 public:
  SvgAxes(Axis x, Axis y, const PlotOptions& options);

  SvgPoint place(double x, double y) const;
  double bottom() const { return frame_.y + frame_.height; }

  /// The whole chart, <figure>: title, picture and legend. `drawing` is what lies over the axes,
  /// `description` says the same in words. The data-* attributes tell the page's script where values are.
  std::string figure(const std::string& drawing, const std::string& description,
                     const std::string& legend) const;

 private:
  std::string grid() const;

  const Axis x_, y_;
  const PlotOptions& options_;
  struct {
    double x = 0, y = 0, width = 0, height = 0;
  } frame_;  // in which the values lie
};

}  // namespace rcnn::vis
