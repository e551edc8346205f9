#include <cmath>
#include <thread>
#include <tuple>

#include <rcnn/boxes/anchors.h>

#include "tests/support/goldens.h"
#include "tests/support/tensors.h"

namespace rcnn::boxes {
namespace {

using namespace rcnn::test;

TEST(Anchors, AgreeWithTorchvision) {
  const auto all = golden("boxes.json");
  for (const auto& want : all.at("anchors")) {
    SCOPED_TRACE(want.at("sizes").dump());
    AnchorGenerator generator({.sizes = want.at("sizes").get<std::vector<double>>(),
                               .ratios = want.at("ratios").get<std::vector<double>>()},
                              want.at("strides").get<std::vector<int64_t>>());
    std::vector<ImageSize> maps;
    for (const auto& map : want.at("maps")) maps.push_back({map[0].get<int64_t>(), map[1].get<int64_t>()});
    EXPECT_TRUE(identical(at::cat(generator.anchors(maps, at::kCPU)), golden_tensor(want.at("anchors"))));
  }
}

TEST(Anchors, RunOverRowsThenColumnsThenRatiosThenSizes) {
  AnchorGenerator generator({.sizes = {8, 16}, .ratios = {0.25, 1}}, {10});
  EXPECT_EQ(generator.anchors_per_cell(), 4);
  const auto anchors = generator.anchors({{2, 3}}, at::kCPU)[0];
  ASSERT_EQ(anchors.size(0), 2 * 3 * 4);
  // Row 1, column 2: the centre is (20, 10).
  EXPECT_TRUE(identical(anchors.slice(0, (1 * 3 + 2) * 4), torch::tensor({{12.f, 8.f, 28.f, 12.f},
                                                                          {4.f, 6.f, 36.f, 14.f},
                                                                          {16.f, 6.f, 24.f, 14.f},
                                                                          {12.f, 2.f, 28.f, 18.f}})));
}

TEST(Anchors, HalvesRoundToEven) {
  AnchorGenerator generator({.sizes = {5, 7}, .ratios = {1}}, {16});
  EXPECT_TRUE(identical(generator.anchors({{1, 1}}, at::kCPU)[0],
                        torch::tensor({{-2.f, -2.f, 2.f, 2.f}, {-4.f, -4.f, 4.f, 4.f}})));
}

TEST(Anchors, MayKeepTheirFractions) {
  AnchorGenerator generator({.sizes = {32}, .ratios = {0.5}, .rounded = false}, {16});
  const auto half_width = 16 * std::sqrt(2.0f), half_height = 16 / std::sqrt(2.0f);
  EXPECT_TRUE(close(generator.anchors({{1, 1}}, at::kCPU)[0],
                    torch::tensor({{-half_width, -half_height, half_width, half_height}}), 1e-5));
}

// py-faster-rcnn's generate_anchors(), as first and last pixel, counted from 0. The table in its source is
// MATLAB's and counts from 1.
const auto kPublished = torch::tensor({{-84.f, -40.f, 99.f, 55.f},
                                       {-176.f, -88.f, 191.f, 103.f},
                                       {-360.f, -184.f, 375.f, 199.f},
                                       {-56.f, -56.f, 71.f, 71.f},
                                       {-120.f, -120.f, 135.f, 135.f},
                                       {-248.f, -248.f, 263.f, 263.f},
                                       {-36.f, -80.f, 51.f, 95.f},
                                       {-80.f, -168.f, 95.f, 183.f},
                                       {-168.f, -344.f, 183.f, 359.f}});

AnchorOptions in_pixels() {
  return {.spacing = AnchorOptions::Spacing::stride, .convention = Convention::pixels};
}

TEST(Anchors, InPixelsAreTheNinePublished) {
  AnchorGenerator generator(in_pixels(), {16});
  const auto anchors = generator.anchors({{1, 1}}, at::kCPU)[0];
  EXPECT_TRUE(identical(anchors - torch::tensor({0.f, 0.f, 1.f, 1.f}), kPublished));
  EXPECT_TRUE(identical(golden_tensor(golden("legacy.json").at("published_anchors")), kPublished));
  // The table: "-83 -39 100 56" and so on.
  const auto table = torch::tensor({{-83.f, -39.f, 100.f, 56.f},
                                    {-175.f, -87.f, 192.f, 104.f},
                                    {-359.f, -183.f, 376.f, 200.f},
                                    {-55.f, -55.f, 72.f, 72.f},
                                    {-119.f, -119.f, 136.f, 136.f},
                                    {-247.f, -247.f, 264.f, 264.f},
                                    {-35.f, -79.f, 52.f, 96.f},
                                    {-79.f, -167.f, 96.f, 184.f},
                                    {-167.f, -343.f, 184.f, 360.f}});
  EXPECT_TRUE(identical(kPublished + 1, table));
}

TEST(Anchors, InPixelsOfAMapOfVgg16AreCountedByRowColumnAndAnchor) {
  constexpr int64_t kRows = 38, kColumns = 63;  // of 600 x 1000 pixels
  AnchorGenerator generator(in_pixels(), {16});
  const auto anchors =
      generator.anchors({{kRows, kColumns}}, at::kCPU)[0] - torch::tensor({0.f, 0.f, 1.f, 1.f});
  ASSERT_EQ(anchors.size(0), kRows * kColumns * 9);
  for (const auto& [y, x, a] :
       {std::tuple<int64_t, int64_t, int64_t>{0, 0, 0}, {0, 62, 8}, {1, 0, 3}, {20, 31, 5}, {37, 62, 8}}) {
    const auto shift = torch::tensor({16.f * x, 16.f * y, 16.f * x, 16.f * y});
    EXPECT_TRUE(identical(anchors[(y * kColumns + x) * 9 + a], kPublished[a] + shift));
  }
}

// Squares alone: of the others mmdetection rounds the corners, py-faster-rcnn the sides before they are
// scaled.
TEST(Anchors, InPixelsSquaresAreThoseOfMmdetectionsLegacyGenerator) {
  const auto want = golden("legacy.json").at("anchors");
  auto options = in_pixels();
  options.ratios = {1};
  AnchorGenerator generator(options, {16});
  const auto anchors = generator.anchors({{2, 3}}, at::kCPU)[0] - torch::tensor({0.f, 0.f, 1.f, 1.f});
  EXPECT_TRUE(identical(anchors, golden_tensor(want)));
}

// 800 x 1088 pixels: the last map has 13 x 17 cells, and 13 * 64 is more than 800.
TEST(Anchors, OfAMapThatItsStrideDoesNotDivideAreFittedOrNot) {
  const std::vector<ImageSize> maps = {{25, 34}, {13, 17}};
  for (const auto& [spacing, height, width] : {std::tuple{AnchorOptions::Spacing::fitted, 61.f, 64.f},
                                               {AnchorOptions::Spacing::stride, 64.f, 64.f}}) {
    AnchorGenerator generator({.sizes = {8, 16}, .ratios = {1}, .spacing = spacing}, {32, 64});
    const auto anchors = generator.anchors(maps, at::kCPU);
    EXPECT_TRUE(identical(anchors[0][34], torch::tensor({-4.f, 28.f, 4.f, 36.f})));
    EXPECT_TRUE(identical(anchors[1][17 + 1], torch::tensor({width - 8, height - 8, width + 8, height + 8})));
  }
}

TEST(Anchors, APyramidHasOneSizeALevel) {
  AnchorGenerator generator({.sizes = {8, 16}, .ratios = {1}}, {4, 8});
  EXPECT_EQ(generator.anchors_per_cell(), 1);
  const auto anchors = generator.anchors({{1, 2}, {1, 1}}, at::kCPU);
  ASSERT_EQ(anchors.size(), 2u);
  EXPECT_TRUE(identical(anchors[0], torch::tensor({{-4.f, -4.f, 4.f, 4.f}, {0.f, -4.f, 8.f, 4.f}})));
  EXPECT_TRUE(identical(anchors[1], torch::tensor({{-8.f, -8.f, 8.f, 8.f}})));

  EXPECT_NE(error_of([] {
              AnchorGenerator({.sizes = {8, 16, 32}}, {4, 8});
            }).find("2 levels"),
            std::string::npos);
  EXPECT_NE(error_of([&] { generator.anchors({{1, 1}}, at::kCPU); }).find("2 maps"), std::string::npos);
}

/// The definition, anchor by anchor.
at::Tensor naive_level(const at::Tensor& cell, ImageSize map, ImageSize spacing) {
  std::vector<at::Tensor> rows;
  for (int64_t y = 0; y < map.height; ++y) {
    for (int64_t x = 0; x < map.width; ++x) {
      const auto dx = static_cast<float>(x * spacing.width), dy = static_cast<float>(y * spacing.height);
      rows.push_back(cell + torch::tensor({dx, dy, dx, dy}));
    }
  }
  return rows.empty() ? at::zeros({0, 4}) : at::cat(rows);
}

TEST(Anchors, OfAnySizesAreTheDefinition) {
  const AnchorOptions options{.sizes = {8, 24}, .ratios = {0.5, 1, 3}};
  AnchorGenerator generator(options, {4});
  const auto cell = generator.anchors({{1, 1}}, at::kCPU)[0];
  for (int64_t i = 0; i <= 12; ++i) {
    for (const ImageSize map : {ImageSize{i, 3}, ImageSize{3, i}}) {
      EXPECT_TRUE(identical(generator.anchors({map}, at::kCPU)[0], naive_level(cell, map, {4, 4}))) << i;
    }
  }
}

// Training at several scales meets hundreds of sizes: a store of them would miss most and hold gigabytes.
TEST(Anchors, AreNotKept) {
  AnchorGenerator generator({}, {16});
  const auto anchors = generator.anchors({{40, 60}}, at::kCPU),
             again = generator.anchors({{40, 60}}, at::kCPU);
  EXPECT_NE(anchors[0].data_ptr(), again[0].data_ptr());
}

TEST(Anchors, WhatIsNoSizeIsRefused) {
  const float nan = std::nanf("");
  EXPECT_EQ(error_of([] {
              AnchorGenerator({.sizes = {8, 0}}, {16});
            }),
            "anchors: sizes: expected positive numbers, got 8 0");
  EXPECT_NE(error_of([&] { AnchorGenerator({.sizes = {nan}}, {16}); }).find("sizes"), std::string::npos);
  EXPECT_NE(error_of([] { AnchorGenerator({.sizes = {}}, {16}); }).find("sizes"), std::string::npos);
  EXPECT_NE(error_of([] { AnchorGenerator({.ratios = {-1}}, {16}); }).find("ratios"), std::string::npos);
  EXPECT_NE(error_of([] { AnchorGenerator({}, {0}); }).find("strides"), std::string::npos);
  EXPECT_NE(error_of([] { AnchorGenerator({}, {}); }).find("strides"), std::string::npos);
}

TEST(Anchors, ThreadsShareAGenerator) {
  AnchorGenerator generator({}, {16});
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&generator, &wrong, t] {
      for (int64_t i = 0; i < 200; ++i) {
        const ImageSize map{1 + (i + t) % 20, 1 + t};
        wrong[t] += generator.anchors({map}, at::kCPU)[0].size(0) != map.height * map.width * 9;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

}  // namespace
}  // namespace rcnn::boxes
