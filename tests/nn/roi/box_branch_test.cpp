#include <rcnn/config/config.h>
#include <rcnn/nn/registry.h>
#include <rcnn/nn/roi/box_branch.h>

#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

constexpr GridSpec kGrid{.channels = 2, .size = 2};

BoxBranch box_branch(const BoxBranchOptions& options) {
  torch::manual_seed(1);
  return BoxBranch(box_heads().make(config::Config::parse(R"({"hidden": 6})", "test").root(), {kGrid}), 3,
                   options);
}

/// RoIs of three images: of objects and of background, of background alone, and none.
RoiBatch roi_batch() {
  torch::manual_seed(2);
  const auto corner = at::rand({12, 2}) * 50, side = at::rand({12, 2}) * 20 + 5;
  const auto boxes = at::cat({corner, corner + side}, 1), none = torch::zeros({0, 4});
  const auto near = boxes.narrow(0, 0, 3) + 1;
  const auto label = torch::tensor({1, 3, 2}, at::kLong), no_label = label.narrow(0, 0, 0);
  return sample_rois({boxes.narrow(0, 0, 7), boxes.narrow(0, 7, 5), none},
                     {{near, label, none}, {none, no_label, none}, {none, no_label, none}},
                     {.positive_iou = 0.5, .negative_iou = 0.5}, {.count = 64, .positive_fraction = 0.5});
}

TEST(BoxBranch, TheLossesOfEachRoiAddUpToTheLosses) {
  for (const bool agnostic : {false, true}) {
    for (const double beta : {0.0, 0.1}) {
      auto branch = box_branch({.class_agnostic = agnostic, .beta = beta});
      const auto rois = roi_batch();
      ASSERT_GT(rois.positives[0], 3);
      const auto count = rois.counts[0] + rois.counts[1];
      const auto prediction = branch->forward({at::randn({count, 2, 2, 2})});
      const auto losses = branch->losses(prediction, rois);
      const auto each = branch->loss_of_each(prediction, rois);
      EXPECT_EQ(each.sizes(), rois.labels.sizes());
      const auto sum = losses[0].value + losses[1].value;
      EXPECT_TRUE(close(each.sum() / static_cast<double>(count), sum, 1e-6));
      EXPECT_EQ(each.masked_fill(rois.mask(), 0).count_nonzero().item<int64_t>(), 0);
      // The same gradients, too.
      const auto of_sum = torch::autograd::grad({sum}, branch->parameters(), {}, /*retain_graph=*/true);
      const auto of_each =
          torch::autograd::grad({each.sum() / static_cast<double>(count)}, branch->parameters());
      for (size_t i = 0; i < of_sum.size(); ++i) EXPECT_TRUE(close(of_each[i], of_sum[i], 1e-6)) << i;
    }
  }
}

TEST(BoxBranch, TheLossOfARoiIsItsLossAlone) {
  auto branch = box_branch({});
  const auto rois = roi_batch();
  const auto grids = at::randn({rois.counts[0] + rois.counts[1], 2, 2, 2});
  const auto each = branch->loss_of_each(branch->forward({grids}), rois);
  for (int64_t i = 0; i < rois.counts[0]; ++i) {
    auto row = torch::full({3, 1}, -1, at::kLong);
    row[0][0] = i;
    const auto alone = rois.select(row);
    const auto losses = branch->losses(branch->forward({grids.narrow(0, i, 1)}), alone);
    EXPECT_TRUE(close(losses[0].value + losses[1].value, each[0][i], 1e-5)) << i;
  }
}

TEST(BoxBranch, TheLossesOfSelectedRoisFitTheirMask) {
  auto branch = box_branch({});
  const auto rois = roi_batch();
  auto rows = torch::full({3, 4}, -1, at::kLong);
  rows[0][3] = 0;
  rows[1][1] = 0;
  const auto part = rois.select(rows);
  const auto each = branch->loss_of_each(branch->forward({at::randn({2, 2, 2, 2})}), part);
  EXPECT_EQ(each.sizes(), part.labels.sizes());
  EXPECT_EQ(each.masked_select(part.mask()).numel(), 2);
}

TEST(BoxBranch, DecodesToProbabilitiesAndBoxes) {
  auto branch = box_branch({});
  const auto boxes = torch::tensor({{0.f, 0.f, 10.f, 20.f}, {5.f, 5.f, 6.f, 9.f}});
  const auto decoded = branch->decode({torch::zeros({2, 4}), torch::zeros({2, 4, 4})}, boxes);
  EXPECT_TRUE(close(decoded.probabilities, torch::full({2, 4}, 0.25f)));
  EXPECT_TRUE(close(decoded.boxes, boxes.unsqueeze(1).expand({2, 4, 4}), 1e-5));
}

}  // namespace
}  // namespace rcnn::nn
