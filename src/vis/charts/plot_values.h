#pragma once

#include <span>
#include <vector>

#include <rcnn/vis/charts/plot.h>

namespace rcnn::vis {

/// Whether a plot has a place for the point.
bool is_shown(double x, double y);

/// What the axes of a plot have to hold.
struct PlotValues {
  std::vector<double> x, y;
};

/// Of all points that are shown. Throws as plot() does for curves and for a logarithmic axis.
PlotValues shown_values(std::span<const Curve> curves, std::span<const Mark> marks, bool log_x);

}  // namespace rcnn::vis
