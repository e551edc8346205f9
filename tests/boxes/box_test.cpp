#include <limits>

#include <rcnn/boxes/box.h>

#include "tests/support/tensors.h"

namespace rcnn::boxes {
namespace {

using namespace rcnn::test;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr ImageSize kSize{.height = 10, .width = 20};

TEST(Box, ClipMovesOnlyWhatLiesOutside) {
  const auto boxes =
      torch::tensor({{-3.f, -4.f, 25.f, 17.f}, {1.f, 2.f, 3.f, 4.f}, {21.f, -5.f, 40.f, -1.f}});
  const auto clipped = torch::tensor({{0.f, 0.f, 20.f, 10.f}, {1.f, 2.f, 3.f, 4.f}, {20.f, 0.f, 20.f, 0.f}});
  EXPECT_TRUE(identical(clip(boxes, kSize), clipped));
  EXPECT_TRUE(identical(clip(boxes.view({1, 3, 4}), kSize), clipped.view({1, 3, 4})));
  EXPECT_TRUE(identical(clip(torch::zeros({0, 4}), kSize), torch::zeros({0, 4})));
}

TEST(Box, ClipOfABatchTakesEachImagesSize) {
  const auto boxes =
      torch::tensor({{-3.f, -4.f, 25.f, 17.f}, {1.f, 2.f, 3.f, 4.f}, {kNan, -5.f, 40.f, -1.f}});
  const ImageSize small{.height = 3, .width = 2};
  const auto clipped = clip(at::stack({boxes, boxes}), {kSize, small});
  EXPECT_TRUE(at::equal(clipped[0].nan_to_num(-1), clip(boxes, kSize).nan_to_num(-1)));
  EXPECT_TRUE(at::equal(clipped[1].nan_to_num(-1), clip(boxes, small).nan_to_num(-1)));
  EXPECT_EQ(clip(torch::zeros({2, 0, 4}), {kSize, small}).sizes(), (std::vector<int64_t>{2, 0, 4}));
  EXPECT_NE(error_of([&] { clip(boxes.unsqueeze(0), {kSize, small}); }), "");
}

TEST(Box, ErrorsNameTheArgument) {
  const auto boxes = torch::zeros({3, 4}), five = torch::zeros({3, 5});
  EXPECT_EQ(error_of([&] { clip(five, kSize); }), "clip: boxes: expected [..., 4], got [3, 5]");
  EXPECT_EQ(error_of([&] { clip(at::Tensor(), kSize); }), "clip: boxes: expected a tensor, got none");
  EXPECT_EQ(error_of([&] { clip(boxes, std::vector{kSize}); }),
            "clip: boxes: expected [B, N, 4], got [3, 4]");
  EXPECT_EQ(error_of([&] {
              clip(boxes.unsqueeze(0), {kSize, kSize});
            }),
            "clip: sizes: expected one for each of 1 images, got 2");
  EXPECT_EQ(error_of([&] { large_enough(boxes.to(at::kLong), 1); }),
            "large_enough: boxes: expected a floating-point type, got Long");
  EXPECT_EQ(error_of([&] { inside(boxes[0][0], kSize); }), "inside: boxes: expected [..., 4], got []");
  EXPECT_EQ(error_of([&] { rescale(five, kSize, kSize); }), "rescale: boxes: expected [..., 4], got [3, 5]");
  EXPECT_EQ(error_of([&] { rescale(boxes, {.height = 5, .width = 0}, kSize); }),
            "rescale: from: expected a size with pixels, got 0 x 5");
  EXPECT_EQ(error_of([&] {
              to_rois({boxes, boxes.unsqueeze(0)});
            }),
            "to_rois: boxes: expected [N, 4], got [1, 3, 4]");
  EXPECT_EQ(error_of([&] { to_rois({}); }), "to_rois: boxes: expected those of one image or more, got none");
}

TEST(Box, ClipPassesTheGradientOfWhatItLeaves) {
  const auto boxes = torch::tensor({{-3.f, 2.f, 25.f, 4.f}}).requires_grad_();
  clip(boxes, kSize).sum().backward();
  EXPECT_TRUE(identical(boxes.grad(), torch::tensor({{0.f, 1.f, 0.f, 1.f}})));
}

TEST(Box, LargeEnoughTakesTheLimitItselfAndNoNan) {
  const auto boxes = torch::tensor({{0.f, 0.f, 4.f, 4.f},
                                    {0.f, 0.f, 3.9f, 9.f},
                                    {0.f, 0.f, 9.f, 3.9f},
                                    {5.f, 5.f, 1.f, 1.f},
                                    {0.f, 0.f, kNan, 9.f},
                                    {0.f, kNan, 9.f, 9.f},
                                    {kInf, 0.f, kInf, 9.f}});
  EXPECT_TRUE(
      identical(large_enough(boxes, 4), torch::tensor({true, false, false, false, false, false, false})));
  EXPECT_EQ(large_enough(torch::zeros({0, 4}), 4).size(0), 0);
}

TEST(Box, InsideMayTouchTheBorderButNotCrossIt) {
  const auto boxes = torch::tensor({{0.f, 0.f, 20.f, 10.f},
                                    {-0.1f, 0.f, 5.f, 5.f},
                                    {0.f, -0.1f, 5.f, 5.f},
                                    {0.f, 0.f, 20.1f, 5.f},
                                    {0.f, 0.f, 5.f, 10.1f},
                                    {kNan, 0.f, 5.f, 5.f}});
  EXPECT_TRUE(identical(inside(boxes, kSize), torch::tensor({true, false, false, false, false, false})));
}

TEST(Box, RescaleKeepsTheAxesApart) {
  const auto boxes = torch::tensor({{1.f, 2.f, 3.f, 4.f}});
  EXPECT_TRUE(
      identical(rescale(boxes, kSize, {.height = 5, .width = 60}), torch::tensor({{3.f, 1.f, 9.f, 2.f}})));
  EXPECT_TRUE(identical(rescale(torch::zeros({0, 4}), kSize, kSize), torch::zeros({0, 4})));
}

// Legacy corners: [0, W - 1] and [0, H - 1], and so a pixel at least.
TEST(Box, InPixelsClipKeepsOne) {
  const auto boxes = torch::tensor(
      {{-3.f, -4.f, 25.f, 17.f}, {1.f, 2.f, 3.f, 4.f}, {21.f, -5.f, 40.f, -1.f}, {-9.f, 12.f, -2.f, 20.f}});
  const auto clipped = torch::tensor(
      {{0.f, 0.f, 20.f, 10.f}, {1.f, 2.f, 3.f, 4.f}, {19.f, 0.f, 20.f, 1.f}, {0.f, 9.f, 1.f, 10.f}});
  EXPECT_TRUE(identical(clip(boxes, kSize, Convention::pixels), clipped));
  const ImageSize small{.height = 3, .width = 2};
  const auto batch = clip(at::stack({boxes, boxes}), {kSize, small}, Convention::pixels);
  EXPECT_TRUE(identical(batch[0], clipped));
  EXPECT_TRUE(identical(batch[1], clip(boxes, small, Convention::pixels)));
  const auto endless = torch::tensor({{-kInf, -kInf, kInf, kInf}});
  EXPECT_TRUE(identical(clip(endless, kSize, Convention::pixels), torch::tensor({{0.f, 0.f, 20.f, 10.f}})));
}

TEST(Box, InPixelsTheLastOneIsInside) {
  const auto boxes = torch::tensor({{0.f, 0.f, 20.f, 10.f},
                                    {0.f, 0.f, 20.5f, 10.5f},  // last pixels 19.5 and 9.5
                                    {0.f, 0.f, 21.f, 10.f},
                                    {0.f, 0.f, 20.f, 11.f},
                                    {-1.f, 0.f, 5.f, 5.f}});
  EXPECT_TRUE(
      identical(inside(boxes, kSize, Convention::pixels), torch::tensor({true, true, false, false, false})));
}

TEST(Box, TrimTakesFromTheFarSides) {
  const auto boxes = torch::tensor({{1.f, 2.f, 30.f, 40.f}}).requires_grad_();
  const auto trimmed = trim(boxes, 1, -2);
  EXPECT_TRUE(identical(trimmed, torch::tensor({{1.f, 2.f, 29.f, 42.f}})));
  trimmed.sum().backward();
  EXPECT_TRUE(identical(boxes.grad(), torch::ones({1, 4})));
  EXPECT_TRUE(identical(trim(torch::zeros({0, 4}), 1, 1), torch::zeros({0, 4})));
}

TEST(Box, RoisCarryTheIndexOfTheirImageAcrossEmptyOnes) {
  const auto a = torch::tensor({{1.f, 2.f, 3.f, 4.f}, {5.f, 6.f, 7.f, 8.f}}), none = torch::zeros({0, 4});
  EXPECT_TRUE(identical(
      to_rois({none, a, none, a.slice(0, 0, 1)}),
      torch::tensor({{1.f, 1.f, 2.f, 3.f, 4.f}, {1.f, 5.f, 6.f, 7.f, 8.f}, {3.f, 1.f, 2.f, 3.f, 4.f}})));
  EXPECT_TRUE(identical(to_rois({none, none}), torch::zeros({0, 5})));
}

}  // namespace
}  // namespace rcnn::boxes
