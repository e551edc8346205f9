#pragma once

#include <functional>
#include <span>
#include <string>

#include <rcnn/vis/charts/plot.h>

#include "vis/charts/plot_values.h"
#include "vis/charts/svg_axes.h"

namespace rcnn::vis {

/// As many looks as curves can have; curve i has that of i % kCurveLooks, class "c1" .. "c8".
inline constexpr size_t kCurveLooks = 8;
std::string look_of(size_t curve);

/// The curves of plot() as SVG in a <figure>, over axes that hold `held`, too. Several curves have a legend,
/// whose entries can hide them. Throws as plot() does; a title is needed, and options.size is in units of
/// which 480 are as wide as a column.
std::string svg_plot(std::span<const Curve> curves, const PlotOptions& options, const PlotValues& held = {});

/// The curve's lines and points alone: a <g> of <polyline>s and, for points alone, <circle>s.
std::string svg_curve(const Curve& curve, size_t index,
                      const std::function<SvgPoint(double x, double y)>& place);

}  // namespace rcnn::vis
