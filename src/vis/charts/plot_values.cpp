#include "vis/charts/plot_values.h"

#include <cmath>

#include <c10/util/Exception.h>

namespace rcnn::vis {
namespace {

constexpr double kLargest = 1e300;

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

}  // namespace rcnn::vis
