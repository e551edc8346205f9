#include "vis/charts/svg_bars.h"

#include <algorithm>
#include <numeric>

#include <spdlog/fmt/fmt.h>

#include "vis/charts/svg_axes.h"
#include "vis/report/html.h"

namespace rcnn::vis {
namespace {

/// Of all series, in each bin.
std::vector<double> heights(std::span<const BarSeries> series) {
  std::vector<double> sums;
  for (const auto& [name, counts] : series) {
    sums.resize(counts.size());
    for (size_t i = 0; i < counts.size(); ++i) sums[i] += static_cast<double>(counts[i]);
  }
  return sums;
}

}  // namespace

std::string svg_bars(std::span<const BarSeries> series, double low, double high, const PlotOptions& options) {
  auto y_values = heights(series);
  y_values.push_back(0);
  const SvgAxes axes(Axis({low, high}, false), Axis(y_values, false), options);
  std::string drawing, description, legend;
  std::vector<double> below(y_values.size());
  for (size_t s = 0; s < series.size(); ++s) {
    const auto& [name, counts] = series[s];
    const double width = (high - low) / static_cast<double>(counts.size());
    for (size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] == 0) continue;
      const double from = low + static_cast<double>(i) * width,
                   top = below[i] + static_cast<double>(counts[i]);
      const auto upper = axes.place(from, top), lower = axes.place(from + width, below[i]);
      drawing += fmt::format(
          "<rect class=\"bar b{}\" x=\"{:.4g}\" y=\"{:.4g}\" width=\"{:.4g}\" "
          "height=\"{:.4g}\"><title>{:.4g} "
          "to {:.4g}: {} {}</title></rect>\n",
          s + 1, upper.x + 0.5, upper.y, lower.x - upper.x - 1, lower.y - upper.y, from, from + width,
          grouped(counts[i]), escaped(name));
      below[i] = top;
    }
    const auto all = std::accumulate(counts.begin(), counts.end(), int64_t{0});
    description += fmt::format("{} {}. ", grouped(all), name);
    legend += fmt::format(
        "<li><svg class=\"sample\" viewBox=\"0 0 28 10\" aria-hidden=\"true\"><rect class=\"bar b{}\" "
        "width=\"28\" height=\"10\"/></svg>{} ({})</li>",
        s + 1, escaped(name), grouped(all));
  }
  return axes.figure(drawing, description, "<ul class=\"legend\">" + legend + "</ul>");
}

}  // namespace rcnn::vis
