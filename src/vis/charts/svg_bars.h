#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <rcnn/vis/charts/plot.h>

namespace rcnn::vis {

/// Counts in bins of equal width.
struct BarSeries {
  std::string name;  ///< "right", "wrong"
  std::vector<int64_t> counts;
};

/// Bars from `low` to `high`, those of the series on top of each other, as SVG in a <figure>. The first is
/// solid, the second hatched; there are no more. Empty bins have no bar.
std::string svg_bars(std::span<const BarSeries> series, double low, double high, const PlotOptions& options);

}  // namespace rcnn::vis
