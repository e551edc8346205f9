#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/vis/charts/plot.h>

#include "vis/charts/axis.h"

namespace rcnn::vis {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = INFINITY;

/// Where a picture has the first curve's blue: [N, 2] of (row, column).
at::Tensor blue_pixels(const at::Tensor& picture) {
  const auto colour = at::tensor({31, 119, 180}, at::kInt);
  return ((picture.to(at::kInt) - colour).abs().amax(2) < 40).nonzero();
}

int64_t count_blue(const at::Tensor& picture) {
  return blue_pixels(picture).size(0);
}

/// Of the frame around the curves: the long dark lines.
struct Frame {
  int64_t left, right, top, bottom;
};
Frame frame_of(const at::Tensor& picture) {
  const auto dark = (picture.amax(2) < 150).to(at::kInt);
  const auto rows = (dark.sum(1) > picture.size(1) / 2).nonzero();
  const auto columns = (dark.sum(0) > picture.size(0) / 2).nonzero();
  return {columns.min().item<int64_t>(), columns.max().item<int64_t>(), rows.min().item<int64_t>(),
          rows.max().item<int64_t>()};
}

at::Tensor plot_of(std::vector<double> x, std::vector<double> y, const PlotOptions& options = {}) {
  const Curve curve{.x = std::move(x), .y = std::move(y)};
  return plot({&curve, 1}, options);
}

TEST(Plot, IsAPictureOfItsSizeOnWhite) {
  const auto picture = plot_of({0, 1}, {0, 1}, {.size = {300, 500}});
  EXPECT_EQ(picture.sizes(), (std::vector<int64_t>{300, 500, 3}));
  EXPECT_EQ(picture.scalar_type(), at::kByte);
  EXPECT_TRUE((picture[0] == 255).all().item<bool>());
  EXPECT_GT((picture == 255).all(2).to(at::kDouble).mean().item<double>(), 0.8);
}

TEST(Plot, CurvesLieWhereTheirValuesAre) {
  const auto picture = plot_of({0, 10, 20}, {1, 3, 1});
  const auto frame = frame_of(picture);
  const auto pixels = blue_pixels(picture);
  const double width = static_cast<double>(frame.right - frame.left), margin = 0.03 / 1.06 * width;
  EXPECT_NEAR(pixels.select(1, 1).min().item<double>(), static_cast<double>(frame.left) + margin, 2);
  EXPECT_NEAR(pixels.select(1, 1).max().item<double>(), static_cast<double>(frame.right) - margin, 2);
  const double height = static_cast<double>(frame.bottom - frame.top);
  EXPECT_NEAR(pixels.select(1, 0).min().item<double>(), static_cast<double>(frame.top) + 0.03 / 1.06 * height,
              3);
  EXPECT_NEAR(pixels.select(1, 0).max().item<double>(),
              static_cast<double>(frame.bottom) - 0.03 / 1.06 * height, 3);
  // Half way up at a quarter of the way, and at its highest in the middle.
  const auto row_at = [&](double share) {
    const auto column =
        static_cast<int64_t>(std::lround(static_cast<double>(frame.left) + width * (0.03 + share) / 1.06));
    return pixels.index({pixels.select(1, 1) == column}).select(1, 0).to(at::kDouble).mean().item<double>();
  };
  EXPECT_NEAR(row_at(0.25), static_cast<double>(frame.top + frame.bottom) / 2, 2);
  EXPECT_NEAR(row_at(0.5), static_cast<double>(frame.top) + 0.03 / 1.06 * height, 3);
}

TEST(Plot, ALogarithmicAxisMakesPowersAStraightLine) {
  std::vector<double> x, y;
  for (int power = -6; power <= 0; ++power) {
    x.push_back(std::pow(10, power));
    y.push_back(power);
  }
  const auto bent = plot_of(x, y, {.log_x = true}), straight = plot_of({1e-6, 1}, {-6, 0}, {.log_x = true});
  // Seven points are at sixteenths of a pixel each, which the line's edges show.
  EXPECT_LT((bent.to(at::kInt) - straight).abs().max().item<int>(), 100);
  EXPECT_NEAR(static_cast<double>(count_blue(bent)), static_cast<double>(count_blue(straight)), 20);
}

TEST(Plot, WithoutPointsThereAreAxes) {
  const auto empty = plot({});
  EXPECT_GT(frame_of(empty).right, frame_of(empty).left + 500);
  EXPECT_EQ(count_blue(empty), 0);
  EXPECT_TRUE(at::equal(plot_of({}, {}), empty));
  EXPECT_TRUE(at::equal(plot_of({kNan, 1, kInf}, {1, kNan, 1}), empty));
  EXPECT_GT(frame_of(plot({}, {.log_x = true})).bottom, 400);
}

TEST(Plot, OnePointIsADotInTheMiddle) {
  for (const bool log_x : {false, true}) {
    const auto picture = plot_of({3}, {-7}, {.log_x = log_x});
    const auto frame = frame_of(picture);
    const auto middle = blue_pixels(picture).to(at::kDouble).mean(0);
    EXPECT_GT(count_blue(picture), 20);
    EXPECT_NEAR(middle[0].item<double>(), static_cast<double>(frame.top + frame.bottom) / 2, 1);
    EXPECT_NEAR(middle[1].item<double>(), static_cast<double>(frame.left + frame.right) / 2, 1);
  }
}

TEST(Plot, EqualValuesAreALevelLine) {
  for (const double value : {0.0, 5.0, -1e-12, 1e200, -3e299}) {
    const auto picture = plot_of({0, 1}, {value, value});
    const auto rows = blue_pixels(picture).select(1, 0);
    const auto frame = frame_of(picture);
    EXPECT_NEAR(rows.to(at::kDouble).mean().item<double>(), static_cast<double>(frame.top + frame.bottom) / 2,
                1)
        << value;
    EXPECT_LE((rows.max() - rows.min()).item<int64_t>(), 3) << value;
  }
}

TEST(Plot, PointsThatAreNotFiniteInterruptTheLine) {
  const auto whole = plot_of({0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5});
  for (const double bad : {kNan, kInf, -kInf, 1e301}) {
    const auto broken = plot_of({0, 1, 2, 2.5, 3, 4, 5}, {0, 1, 2, bad, 3, 4, 5});
    EXPECT_NEAR(static_cast<double>(count_blue(broken)) / static_cast<double>(count_blue(whole)), 0.8, 0.02);
    EXPECT_TRUE(at::equal(plot_of({0, 1, 2, bad, 3, 4, 5}, {0, 1, 2, 2.5, 3, 4, 5}), broken));
  }
}

TEST(Plot, MarksAndTheirLabelsStayInTheFrame) {
  const Curve curve{.x = {0, 1}, .y = {0, 1}};
  const auto plain = plot({&curve, 1});
  const auto frame = frame_of(plain);
  const auto box = [](const at::Tensor& changed) {
    return std::vector<int64_t>{
        changed.select(1, 0).min().item<int64_t>(), changed.select(1, 0).max().item<int64_t>(),
        changed.select(1, 1).min().item<int64_t>(), changed.select(1, 1).max().item<int64_t>()};
  };
  for (const double at : {0.0, 0.5, 1.0}) {
    const std::vector<Mark> marks = {{at, 1 - at, "this is a mark"}};
    const auto changed = (plot({&curve, 1}, {}, marks) != plain).any(2).nonzero();
    EXPECT_GT(changed.size(0), 300);
    const auto where = box(changed);
    EXPECT_GE(where[0], frame.top);
    EXPECT_LE(where[1], frame.bottom);
    EXPECT_GE(where[2], frame.left - 1);
    EXPECT_LE(where[3], frame.right + 1);
  }
  const std::vector<Mark> nowhere = {{kNan, 0, "no place"}};
  EXPECT_TRUE(at::equal(plot({&curve, 1}, {}, nowhere), plain));
}

TEST(Plot, TextsTakeRoomOfTheirOwn) {
  const Curve unnamed{.x = {0, 1}, .y = {0, 1}};
  const Curve named{.name = "loss", .x = {0, 1}, .y = {0, 1}};
  const auto plain = frame_of(plot({&unnamed, 1}));
  EXPECT_GT(frame_of(plot({&named, 1})).top, plain.top);
  EXPECT_GT(frame_of(plot({&unnamed, 1}, {.title = "A title"})).top, plain.top);
  EXPECT_LT(frame_of(plot({&unnamed, 1}, {.x_label = "rate"})).bottom, plain.bottom);
  EXPECT_GT(frame_of(plot({&unnamed, 1}, {.y_label = "AP"})).left, plain.left);
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
