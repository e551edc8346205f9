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
