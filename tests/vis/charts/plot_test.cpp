#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pugixml.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/vis/charts/plot.h>

#include "tests/vis/charts/svg.h"
#include "vis/charts/axis.h"

namespace rcnn::vis {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = INFINITY;

std::string plot_of(std::vector<double> x, std::vector<double> y, const PlotOptions& options = {}) {
  const Curve curve{.x = std::move(x), .y = std::move(y)};
  return plot({&curve, 1}, options);
}

struct Frame {
  double left, top, right, bottom;
};
Frame frame_of(const std::string& svg) {
  const auto frame = numbers(all(svg, "data-frame=\"([^\"]+)\"").at(0));
  return {frame[0], frame[1], frame[0] + frame[2], frame[1] + frame[3]};
}

struct Point {
  double x, y;
};
/// Of all lines, in their order.
std::vector<Point> points_of(const std::string& svg) {
  std::vector<Point> points;
  for (const auto& line : all(svg, "points=\"([^\"]+)\"")) {
    const auto values = numbers(line);
    for (size_t i = 0; i < values.size(); i += 2) points.push_back({values[i], values[i + 1]});
  }
  return points;
}

TEST(Plot, IsAnSvgFileOfItsSize) {
  const auto svg = plot_of({0, 1}, {0, 1}, {.title = "A title", .size = {300, 500}});
  pugi::xml_document document;
  ASSERT_TRUE(document.load_string(svg.c_str())) << svg;
  const auto root = document.document_element();
  EXPECT_STREQ(root.name(), "svg");
  EXPECT_STREQ(root.attribute("xmlns").value(), "http://www.w3.org/2000/svg");
  EXPECT_EQ(root.attribute("height").as_int(), 300);
  EXPECT_EQ(root.attribute("width").as_int(), 500);
  EXPECT_STREQ(root.attribute("viewBox").value(), "0 0 500 300");
  EXPECT_THAT(svg, HasSubstr(">A title</text>"));
  // Viewers other than browsers know no variables.
  EXPECT_THAT(svg, Not(HasSubstr("var(")));
}

TEST(Plot, CurvesLieWhereTheirValuesAre) {
  const auto svg = plot_of({0, 10, 20}, {1, 3, 1});
  const auto frame = frame_of(svg);
  const double width = frame.right - frame.left, height = frame.bottom - frame.top;
  const auto points = points_of(svg);
  ASSERT_EQ(points.size(), 3u);
  constexpr double kMargin = 0.03 / 1.06;
  for (size_t i = 0; i < 3; ++i) {
    const double across = static_cast<double>(i) / 2, up = i == 1 ? 1 : 0;
    EXPECT_NEAR(points[i].x, frame.left + width * (kMargin + across / 1.06), 0.1);
    EXPECT_NEAR(points[i].y, frame.bottom - height * (kMargin + up / 1.06), 0.1);
  }
}

TEST(Plot, ALogarithmicAxisMakesPowersAStraightLine) {
  std::vector<double> x, y;
  for (int power = -6; power <= 0; ++power) {
    x.push_back(std::pow(10, power));
    y.push_back(power);
  }
  const auto svg = plot_of(x, y, {.log_x = true});
  const auto points = points_of(svg);
  ASSERT_EQ(points.size(), 7u);
  for (size_t i = 1; i < 6; ++i) {
    const double share = static_cast<double>(i) / 6;
    EXPECT_NEAR(points[i].x, points[0].x + share * (points[6].x - points[0].x), 0.1);
    EXPECT_NEAR(points[i].y, points[0].y + share * (points[6].y - points[0].y), 0.1);
  }
  EXPECT_EQ(all(svg, "<text class=\"x\"[^>]*>([^<]+)<").size(), 7u) << "a decade a tick";
  EXPECT_FALSE(all(svg, "<line (class=\"fine\")").empty()) << "small ones between";
}

TEST(Plot, WithoutPointsThereAreAxes) {
  const auto empty = plot({});
  EXPECT_GT(frame_of(empty).right, frame_of(empty).left + 500);
  EXPECT_GT(all(empty, "<line (x1)").size(), 5u);
  EXPECT_TRUE(points_of(empty).empty());
  for (const auto& none : {plot_of({}, {}), plot_of({kNan, 1, kInf}, {1, kNan, 1})}) {
    EXPECT_TRUE(points_of(none).empty());
    EXPECT_THAT(none, HasSubstr(all(empty, "(<g class=\"axes\">.*)").at(0))) << "the same axes";
    EXPECT_THAT(none, Not(HasSubstr("nan")));
  }
  EXPECT_GT(frame_of(plot({}, {.log_x = true})).bottom, 400);
}

TEST(Plot, OnePointIsADotInTheMiddle) {
  for (const bool log_x : {false, true}) {
    const auto svg = plot_of({3}, {-7}, {.log_x = log_x});
    const auto frame = frame_of(svg);
    EXPECT_TRUE(points_of(svg).empty());
    EXPECT_THAT(numbers(all(svg, "<circle cx=\"([^\"]+)\"").at(0)),
                ElementsAre(DoubleNear((frame.left + frame.right) / 2, 0.1)));
    EXPECT_THAT(numbers(all(svg, "cy=\"([^\"]+)\"").at(0)),
                ElementsAre(DoubleNear((frame.top + frame.bottom) / 2, 0.1)));
  }
}

TEST(Plot, EqualValuesAreALevelLine) {
  for (const double value : {0.0, 5.0, -1e-12, 1e200, -3e299}) {
    const auto svg = plot_of({0, 1}, {value, value});
    const auto frame = frame_of(svg);
    const auto points = points_of(svg);
    ASSERT_EQ(points.size(), 2u) << value;
    for (const auto& point : points) EXPECT_NEAR(point.y, (frame.top + frame.bottom) / 2, 0.1) << value;
  }
}

TEST(Plot, PointsThatAreNotFiniteInterruptTheLine) {
  const auto lines = [](const std::string& svg) { return all(svg, "points=\"([^\"]+)\""); };
  const auto whole = plot_of({0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5});
  EXPECT_EQ(lines(whole).size(), 1u);
  for (const double bad : {kNan, kInf, -kInf, 1e301}) {
    const auto broken = plot_of({0, 1, 2, 2.5, 3, 4, 5}, {0, 1, 2, bad, 3, 4, 5});
    ASSERT_EQ(lines(broken).size(), 2u);
    EXPECT_EQ(lines(broken)[0] + " " + lines(broken)[1], lines(whole)[0]);
    EXPECT_EQ(plot_of({0, 1, 2, bad, 3, 4, 5}, {0, 1, 2, 2.5, 3, 4, 5}), broken);
  }
}

TEST(Plot, MarksAndTheirLabelsStayInTheFrame) {
  const Curve curve{.x = {0, 1}, .y = {0, 1}};
  const auto plain = plot({&curve, 1});
  const auto frame = frame_of(plain);
  for (const double at : {0.0, 0.5, 1.0}) {
    const std::string words = "this is a mark";
    const auto svg = plot({&curve, 1}, {}, std::vector<Mark>{{at, 1 - at, words}});
    const auto marked = all(svg, "(<g class=\"mark\">.*)").at(0);
    const auto ring_x = numbers(all(marked, "cx=\"([^\"]+)\"").at(0))[0];
    EXPECT_NEAR(ring_x, points_of(plain)[0].x + at * (points_of(plain)[1].x - points_of(plain)[0].x), 0.1);
    const auto x = numbers(all(marked, " x=\"([^\"]+)\"").at(0))[0],
               y = numbers(all(marked, " y=\"([^\"]+)\"").at(0))[0];
    const double width = 8 * static_cast<double>(words.size());
    const bool to_the_left = !all(marked, "class=\"(left)\"").empty();
    EXPECT_EQ(to_the_left, at == 1.0);
    EXPECT_GE(to_the_left ? x - width : x, frame.left);
    EXPECT_LE(to_the_left ? x : x + width, frame.right);
    EXPECT_GE(y - 12, frame.top);
    EXPECT_LE(y, frame.bottom);
    EXPECT_THAT(svg, HasSubstr(fmt::format("{}: {:.4g} at {:.6g}. </desc>", words, 1 - at, at)));
  }
  const std::vector<Mark> nowhere = {{kNan, 0, "no place"}};
  EXPECT_EQ(plot({&curve, 1}, {}, nowhere), plain);
}

TEST(Plot, TextsTakeRoomOfTheirOwn) {
  const Curve unnamed{.x = {0, 1}, .y = {0, 1}};
  const Curve named{.name = "loss", .x = {0, 1}, .y = {0, 1}};
  const auto plain = frame_of(plot({&unnamed, 1}));
  EXPECT_GT(frame_of(plot({&named, 1})).top, plain.top);
  EXPECT_THAT(plot({&named, 1}), HasSubstr(">loss</text>"));
  EXPECT_GT(frame_of(plot({&unnamed, 1}, {.title = "A title"})).top, plain.top);
  EXPECT_LT(frame_of(plot({&unnamed, 1}, {.x_label = "rate"})).bottom, plain.bottom);
  EXPECT_GT(frame_of(plot({&unnamed, 1}, {.y_label = "AP"})).left, plain.left);
}

TEST(Plot, IsWellFormedWhateverTheNames) {
  const Curve curve{.name = "a<b\xff&\"", .x = {1, 2}, .y = {0, 1}};
  const auto svg = plot({&curve, 1}, {.title = "</svg>", .x_label = "<x>", .y_label = "'y'", .log_x = true},
                        std::vector<Mark>{{1, 0, "<mark>"}});
  pugi::xml_document document;
  EXPECT_TRUE(document.load_string(svg.c_str())) << svg;
  EXPECT_THAT(svg, HasSubstr("a&lt;b\xef\xbf\xbd&amp;&quot;"));
}

TEST(Plot, WhatCannotBeDrawnIsRefused) {
  EXPECT_THROW(plot_of({0, 1}, {0}), c10::Error);
  EXPECT_THROW(plot_of({0, 1}, {0, 1}, {.log_x = true}), c10::Error);
  EXPECT_THROW(plot_of({-1}, {0}, {.log_x = true}), c10::Error);
  EXPECT_THROW(plot({}, {.size = {199, 300}}), c10::Error);
}

std::vector<std::string> labels(const Axis& axis, int count) {
  std::vector<std::string> labels;
  for (const auto& tick : axis.ticks(count)) {
    EXPECT_GE(tick.place, 0);
    EXPECT_LE(tick.place, 1);
    if (!tick.label.empty()) labels.push_back(tick.label);
  }
  return labels;
}

TEST(Axis, TicksAreRoundValues) {
  using testing::ElementsAre;
  EXPECT_THAT(labels(Axis({0, 1}, false), 6), ElementsAre("0", "0.2", "0.4", "0.6", "0.8", "1"));
  EXPECT_THAT(labels(Axis({-0.3, 0.3}, false), 6), ElementsAre("-0.2", "0", "0.2"));
  EXPECT_THAT(labels(Axis({1234567, 1234569}, false), 4), ElementsAre("1234567", "1234568", "1234569"));
  EXPECT_THAT(labels(Axis({1e-6, 1}, true), 8),
              ElementsAre("1e-06", "1e-05", "0.0001", "0.001", "0.01", "0.1", "1"));
  EXPECT_THAT(labels(Axis({1e-12, 1}, true), 4), ElementsAre("1e-12", "1e-08", "0.0001", "1"));
  EXPECT_THAT(labels(Axis({1, 20}, true), 8), ElementsAre("1", "2", "5", "10", "20"));
  EXPECT_THAT(labels(Axis({2.1, 4.5}, true), 8), ElementsAre("3", "4"));
}

TEST(Axis, ValuesOfAnySizeEndInFewTicks) {
  for (const double value : {1e-300, 1e-12, 1.0, 1e12, 1e299}) {
    EXPECT_LE(labels(Axis({value, value}, false), 6).size(), 12) << value;
    EXPECT_LE(labels(Axis({-value, value}, false), 6).size(), 12) << value;
    EXPECT_LE(labels(Axis({value, value * (1 + 1e-15)}, false), 6).size(), 12) << value;
  }
  EXPECT_LE(labels(Axis({1e-300, 1e300}, true), 8).size(), 12);
}

}  // namespace
}  // namespace rcnn::vis
