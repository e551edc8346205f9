#include "vis/charts/svg_plot.h"

#include <cmath>
#include <optional>
#include <vector>

#include <c10/util/Exception.h>
#include <spdlog/fmt/fmt.h>

#include "vis/report/html.h"

namespace rcnn::vis {
namespace {

constexpr double kLargest = 1e300;

/// The curve in words, for who cannot see it.
std::string description_of(const Curve& curve) {
  std::optional<size_t> first, last, lowest, highest;
  size_t points = 0;
  for (size_t i = 0; i < curve.x.size(); ++i) {
    if (!is_shown(curve.x[i], curve.y[i])) continue;
    ++points;
    if (!first) first = lowest = highest = i;
    last = i;
    if (curve.y[i] < curve.y[*lowest]) lowest = i;
    if (curve.y[i] > curve.y[*highest]) highest = i;
  }
  const auto name = curve.name.empty() ? "" : curve.name + ": ";
  if (!first) return name + "no point. ";
  return fmt::format(
      "{}{}, {:.4g} at {:.6g} to {:.4g} at {:.6g}, lowest {:.4g} at {:.6g}, highest {:.4g} at {:.6g}. ", name,
      counted(static_cast<int64_t>(points), "point"), curve.y[*first], curve.x[*first], curve.y[*last],
      curve.x[*last], curve.y[*lowest], curve.x[*lowest], curve.y[*highest], curve.x[*highest]);
}

std::string legend_of(std::span<const Curve> curves) {
  std::string legend;
  if (curves.size() < 2) return legend;
  for (size_t i = 0; i < curves.size(); ++i) {
    if (curves[i].name.empty()) continue;
    const auto look = look_of(i);
    legend += fmt::format(
        "<li><label><input type=\"checkbox\" class=\"{0}\" checked><svg class=\"sample\" viewBox=\"0 0 28 "
        "10\" "
        "aria-hidden=\"true\"><line class=\"{0}{1}\" x1=\"1\" x2=\"27\" y1=\"5\" "
        "y2=\"5\"/></svg>{2}</label></li>",
        look, curves[i].faint ? " faint" : "", escaped(curves[i].name));
  }
  return legend.empty() ? legend : "<ul class=\"legend\">" + legend + "</ul>";
}

}  // namespace

bool is_shown(double x, double y) {
  return std::abs(x) <= kLargest && std::abs(y) <= kLargest;  // false for NaN
}

PlotValues shown_values(std::span<const Curve> curves, std::span<const Mark> marks, bool log_x) {
  PlotValues values;
  const auto add = [&](double x, double y) {
    if (!is_shown(x, y)) return;
    TORCH_CHECK(!log_x || x > 0, "plot: a logarithmic axis has no place for x = ", x);
    values.x.push_back(x);
    values.y.push_back(y);
  };
  for (const auto& curve : curves) {
    TORCH_CHECK(curve.x.size() == curve.y.size(), "plot: curve ", curve.name, " has ", curve.x.size(),
                " x and ", curve.y.size(), " y");
    for (size_t i = 0; i < curve.x.size(); ++i) add(curve.x[i], curve.y[i]);
  }
  for (const auto& mark : marks) add(mark.x, mark.y);
  if (log_x && values.x.empty()) values.x = {1, 10};
  return values;
}

std::string look_of(size_t curve) {
  return fmt::format("c{}", curve % kCurveLooks + 1);
}

std::string svg_curve(const Curve& curve, size_t index,
                      const std::function<SvgPoint(double x, double y)>& place) {
  std::string svg = fmt::format("<g class=\"curve {}{}\" data-name=\"{}\">", look_of(index),
                                curve.faint ? " faint" : "", escaped(curve.name));
  if (!curve.name.empty()) svg += "<title>" + escaped(curve.name) + "</title>";
  std::vector<SvgPoint> line;
  const auto finish = [&] {
    if (line.size() == 1) {
      svg += fmt::format("<circle cx=\"{:.6g}\" cy=\"{:.5g}\" r=\"3\"/>", line[0].x, line[0].y);
    } else if (!line.empty()) {
      svg += "<polyline points=\"";
      for (const auto& point : line) svg += fmt::format("{:.6g},{:.5g} ", point.x, point.y);
      svg.back() = '"';
      svg += "/>";
    }
    line.clear();
  };
  for (size_t i = 0; i < curve.x.size(); ++i) {
    if (is_shown(curve.x[i], curve.y[i])) {
      line.push_back(place(curve.x[i], curve.y[i]));
    } else {
      finish();
    }
  }
  finish();
  return svg + "</g>\n";
}

SvgCurves svg_curves(std::span<const Curve> curves, const SvgAxes& axes) {
  SvgCurves all;
  for (size_t i = 0; i < curves.size(); ++i) {
    all.drawing += svg_curve(curves[i], i, [&](double x, double y) { return axes.place(x, y); });
    all.description += description_of(curves[i]);
  }
  return all;
}

std::string svg_plot(std::span<const Curve> curves, const PlotOptions& options, const PlotValues& held) {
  auto values = shown_values(curves, {}, options.log_x);
  values.x.insert(values.x.end(), held.x.begin(), held.x.end());
  values.y.insert(values.y.end(), held.y.begin(), held.y.end());
  const SvgAxes axes(Axis(values.x, options.log_x), Axis(values.y, false), options);
  const auto [drawing, description] = svg_curves(curves, axes);
  return axes.figure(drawing, description, legend_of(curves));
}

}  // namespace rcnn::vis
