#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include <rcnn/vis/charts/plot.h>

#include "vis/charts/svg_axes.h"

namespace rcnn::vis {

/// Whether a plot has a place for the point.
bool is_shown(double x, double y);

/// What the axes of a plot have to hold.
struct PlotValues {
  std::vector<double> x, y;
};

/// Of all points that are shown. Throws as plot() does for curves and for a logarithmic axis.
PlotValues shown_values(std::span<const Curve> curves, std::span<const Mark> marks, bool log_x);

/// As wide as a column of a page.
inline constexpr ImageSize kChart{.height = 300, .width = 480};

/// As many looks as curves can have; curve i has that of i % kCurveLooks, class "c1" .. "c8".
inline constexpr size_t kCurveLooks = 8;
std::string look_of(size_t curve);

/// The curves of plot() as SVG in a <figure> of a page, over axes that hold `held`, too. Several curves have
/// a legend, whose entries can hide them. Throws as plot() does; a title is needed, and options.size is in
/// units of which 480 are as wide as a column.
std::string svg_plot(std::span<const Curve> curves, const PlotOptions& options, const PlotValues& held = {});

/// The curve's lines and points alone: a <g> of <polyline>s and, for points alone, <circle>s.
std::string svg_curve(const Curve& curve, size_t index,
                      const std::function<SvgPoint(double x, double y)>& place);

/// Curves on axes, and what they are in words.
struct SvgCurves {
  std::string drawing, description;
};
SvgCurves svg_curves(std::span<const Curve> curves, const SvgAxes& axes);

}  // namespace rcnn::vis
