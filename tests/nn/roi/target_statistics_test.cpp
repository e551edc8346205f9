#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/nn/roi/target_statistics.h>

namespace rcnn::nn {
namespace {

using testing::ElementsAre;

const boxes::MatcherOptions kHalf{.positive_iou = 0.5, .negative_iou = 0.5};
const boxes::BoxCoder kUsual(boxes::BoxCoderOptions{.weights = {10, 10, 5, 5}});

/// One image with an object of each of the labels 1 and 2, 100 x 100 pixels, and proposals.
TrainingSet one_image(const at::Tensor& proposals, double flip) {
  return {.size = 1,
          .boxes = [proposals](int64_t) -> TrainingSet::Boxes {
            return {.proposals = proposals,
                    .target = {torch::tensor({{0.f, 0.f, 100.f, 100.f}, {200.f, 0.f, 300.f, 100.f}}),
                               torch::tensor({1, 2}, torch::kLong), torch::zeros({0, 4})}};
          },
          .flip = flip};
}

TEST(TargetStatistics, AreMeanAndDeviationOfAllPositives) {
  // Of label 1: itself (all 0), one 20 to the right (dx = -0.2), one 10 to the left (dx = 0.1), and one that
  // overlaps too little; of label 2 itself alone.
  const auto proposals =
      torch::tensor({{20.f, 0.f, 120.f, 100.f}, {-10.f, 0.f, 90.f, 100.f}, {70.f, 0.f, 170.f, 100.f}});
  const auto found = target_statistics(one_image(proposals, 0), 2, kHalf, boxes::BoxCoder());
  EXPECT_THAT(found.counts, ElementsAre(0, 3, 1));
  EXPECT_NEAR(found.mean[1][0].item<double>(), -0.1 / 3, 1e-6);
  EXPECT_NEAR(found.std[1][0].item<double>(), std::sqrt(0.05 / 3 - 0.01 / 9), 1e-6);
  // What never differs stays as it is, and so does what there is one of.
  EXPECT_THAT(found.too_few, ElementsAre(1, 2));
  for (const int64_t label : {0, 2}) {
    EXPECT_TRUE(at::equal(found.mean[label], torch::zeros({4})));
    EXPECT_TRUE(at::equal(found.std[label], torch::ones({4})));
  }
  EXPECT_EQ(found.mean[1][2].item<double>(), 0);
  EXPECT_EQ(found.std[1][2].item<double>(), 1);
}

TEST(TargetStatistics, AreInTheCodersUnits) {
  const auto proposals = torch::tensor({{20.f, 5.f, 120.f, 95.f}, {-10.f, 0.f, 90.f, 110.f}});
  const auto plain = target_statistics(one_image(proposals, 0), 2, kHalf, boxes::BoxCoder());
  const auto coded = target_statistics(one_image(proposals, 0), 2, kHalf, kUsual);
  const auto weights = torch::tensor({10.f, 10.f, 5.f, 5.f});
  EXPECT_TRUE(at::allclose(coded.mean[1], plain.mean[1] * weights));
  for (const int64_t side : {0, 1, 3}) {
    EXPECT_NEAR(coded.std[1][side].item<double>(), (plain.std[1] * weights)[side].item<double>(), 1e-5);
  }
}

TEST(TargetStatistics, OfFlippedImagesAreThoseOfBothTogether) {
  const auto proposals = torch::tensor({{20.f, 5.f, 120.f, 95.f}, {-10.f, 0.f, 90.f, 110.f}});
  // The same image and its mirror image, 300 pixels wide, side by side.
  const auto mirrored = [](const at::Tensor& boxes) {
    return at::stack(
        {300 - boxes.select(1, 2), boxes.select(1, 1), 300 - boxes.select(1, 0), boxes.select(1, 3)}, 1);
  };
  const TrainingSet both{.size = 2,
                         .boxes =
                             [&](int64_t image) {
                               auto boxes = one_image(proposals, 0).boxes(0);
                               if (image == 1) {
                                 boxes.proposals = mirrored(boxes.proposals);
                                 boxes.target.boxes = mirrored(boxes.target.boxes);
                               }
                               return boxes;
                             },
                         .flip = 0};
  const auto want = target_statistics(both, 2, kHalf, kUsual);
  const auto found = target_statistics(one_image(proposals, 0.5), 2, kHalf, kUsual);
  EXPECT_TRUE(at::allclose(found.mean[1], want.mean[1], 1e-5, 1e-5));
  EXPECT_TRUE(at::allclose(found.std[1], want.std[1], 1e-5, 1e-5));
  EXPECT_NEAR(found.mean[1][0].item<double>(), 0, 1e-5);
}

TEST(TargetStatistics, FoldedOutputsAreTheDecodedOnes) {
  torch::manual_seed(3);
  const auto weight = torch::randn({8, 6}), bias = torch::randn({8}), x = torch::randn({5, 6});
  const auto mean = torch::randn({2, 4}), std = torch::rand({2, 4}) + 0.1;
  const auto folded = with_folded_targets({{"p.bbox_pred.weight", weight},
                                           {"p.bbox_pred.bias", bias},
                                           {"p.target_mean", mean},
                                           {"p.target_std", std},
                                           {"q", bias}},
                                          "p");
  EXPECT_EQ(folded.size(), 3u);
  const auto decoded = at::linear(x, weight, bias) * std.flatten() + mean.flatten();
  const auto plain = at::linear(x, folded.at("p.bbox_pred.weight"), folded.at("p.bbox_pred.bias"));
  EXPECT_TRUE(at::allclose(plain, decoded, 1e-6, 2e-6)) << (plain - decoded).abs().max();
  const auto again = with_folded_targets(folded, "p");
  EXPECT_TRUE(at::equal(again.at("p.bbox_pred.bias"), folded.at("p.bbox_pred.bias")));
}

}  // namespace
}  // namespace rcnn::nn
