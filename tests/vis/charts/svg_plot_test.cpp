#include "vis/charts/svg_plot.h"

#include <limits>
#include <string>
#include <vector>

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/vis/charts/svg.h"
#include "vis/charts/svg_bars.h"

namespace rcnn::vis {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();
const PlotOptions kOptions{.title = "Loss", .x_label = "iteration", .size = {.height = 300, .width = 480}};

std::string svg_of(const std::vector<Curve>& curves) {
  return svg_plot(curves, kOptions);
}

TEST(SvgPlot, PointsLieWhereTheirValuesAre) {
  const auto svg = svg_of({{.name = "sum", .x = {0, 10, 40}, .y = {3, 1, 2}}});
  const auto frame = numbers(all(svg, "data-frame=\"([^\"]+)\"")[0]);
  const auto x = numbers(all(svg, "data-x=\"([^\"]+)\"")[0]), y = numbers(all(svg, "data-y=\"([^\"]+)\"")[0]);
  const auto points = numbers(all(svg, "points=\"([^\"]+)\"")[0]);
  ASSERT_EQ(points.size(), 6u);
  const std::vector<double> expected{0, 3, 10, 1, 40, 2};
  for (size_t i = 0; i < 6; i += 2) {
    EXPECT_NEAR(x[0] + (points[i] - frame[0]) / frame[2] * (x[1] - x[0]), expected[i], 0.01);
    EXPECT_NEAR(y[0] + (1 - (points[i + 1] - frame[1]) / frame[3]) * (y[1] - y[0]), expected[i + 1], 0.001);
  }
}

TEST(SvgPlot, LinesAreInterruptedWhereThereIsNoNumber) {
  const auto svg = svg_of({{.name = "a", .x = {0, 1, 2, 3, 4}, .y = {1, 1, kNoValue, 1, 1}},
                           {.name = "b", .x = {0, 1, 2}, .y = {kNoValue, 2, INFINITY}}});
  EXPECT_EQ(all(svg, "<polyline (points)").size(), 2u);
  EXPECT_EQ(all(svg, "<circle c(x)").size(), 1u) << "a point alone";
}

TEST(SvgPlot, SaysInWordsWhatItShows) {
  const auto svg = svg_of({{.name = "a<b", .x = {20, 40, 60}, .y = {3, 0.5, 1}}});
  EXPECT_THAT(svg, HasSubstr("role=\"img\" aria-label=\"Loss\""));
  EXPECT_THAT(
      svg,
      HasSubstr("<desc>a&lt;b: 3 points, 3 at 20 to 1 at 60, lowest 0.5 at 40, highest 3 at 20. </desc>"));
  EXPECT_THAT(svg, HasSubstr("<title>a&lt;b</title>"));
  EXPECT_THAT(svg, Not(HasSubstr("a<b")));
}

TEST(SvgPlot, WithoutPointsThereAreAxes) {
  const auto svg = svg_of({{.name = "a"}});
  EXPECT_THAT(svg, HasSubstr("class=\"frame\""));
  EXPECT_THAT(svg, HasSubstr("<desc>a: no point. </desc>"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(SvgPlot, AxesHoldWhatTheyAreTold) {
  const auto svg =
      svg_plot(std::vector<Curve>{{.name = "a", .x = {0.5}, .y = {0.5}}}, kOptions, {.x = {0, 1}, .y = {}});
  const auto x = numbers(all(svg, "data-x=\"([^\"]+)\"")[0]);
  EXPECT_LT(x[0], 0);
  EXPECT_GT(x[1], 1);
}

TEST(SvgPlot, CurvesDifferInLook) {
  const auto svg = svg_of(std::vector<Curve>(9, {.name = "a", .x = {0, 1}, .y = {0, 1}}));
  EXPECT_EQ(all(svg, "<g class=\"curve (c[1-8])\""),
            (std::vector<std::string>{"c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c1"}));
}

TEST(SvgPlot, RefusesWhatPlotRefuses) {
  EXPECT_THROW(svg_of({{.name = "a", .x = {0, 1}, .y = {0}}}), c10::Error);
  EXPECT_THROW(svg_plot(std::vector<Curve>{{.x = {0}, .y = {0}}}, {.log_x = true}), c10::Error);
}

TEST(SvgBars, StandOnEachOther) {
  const auto svg = svg_bars(std::vector<BarSeries>{{"right", {0, 4}}, {"wrong", {3, 2}}}, 0, 1, kOptions);
  EXPECT_EQ(all(svg, "<title>([^<]+)<"),
            (std::vector<std::string>{"0.5 to 1: 4 right", "0 to 0.5: 3 wrong", "0.5 to 1: 2 wrong"}));
  const auto tops = all(svg, " y=\"([0-9.]+)\" width=\"[0-9.]+\" height=\"[0-9.]+\"><title>");
  const auto heights = all(svg, "height=\"([0-9.]+)\"><title>");
  EXPECT_NEAR(std::stod(tops[2]) + std::stod(heights[2]), std::stod(tops[0]), 0.2);
  EXPECT_NEAR(std::stod(heights[0]), 2 * std::stod(heights[2]), 0.2);
  EXPECT_THAT(svg, HasSubstr("<desc>4 right. 5 wrong. </desc>"));
}

}  // namespace
}  // namespace rcnn::vis
