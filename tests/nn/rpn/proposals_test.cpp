#include <limits>

#include <rcnn/nn/rpn/proposals.h>

#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

constexpr ImageSize kProposalsSize{.height = 50, .width = 100};

/// What an RPN would say that leaves its anchors where they are.
RpnPrediction prediction(const std::vector<at::Tensor>& anchors, const std::vector<at::Tensor>& objectness) {
  RpnPrediction result;
  for (size_t level = 0; level < anchors.size(); ++level) {
    result.objectness.push_back(objectness[level]);
    result.deltas.push_back(torch::zeros({objectness[level].size(0), anchors[level].size(0), 4}));
  }
  return result;
}

at::Tensor box(float x, float y, float width, float height) {
  return torch::tensor({{x, y, x + width, y + height}});
}

std::vector<at::Tensor> propose_one_image(const std::vector<at::Tensor>& anchors,
                                          const std::vector<at::Tensor>& objectness,
                                          const ProposalOptions& options) {
  return propose(prediction(anchors, objectness), anchors, {kProposalsSize}, boxes::BoxCoder(), options)
      .boxes;
}

TEST(Proposals, AreDecodedAndClippedBestFirst) {
  const std::vector<at::Tensor> anchors = {
      at::cat({box(0, 0, 20, 20), box(80, 30, 40, 40), box(40, 0, 20, 20)})};
  auto said = prediction(anchors, {torch::tensor({{1.f, 3.f, 2.f}})});
  said.deltas[0][0][2][1] = 0.5;  // down by half its height
  const auto [boxes, scores, numbers] = propose(said, anchors, {kProposalsSize}, boxes::BoxCoder(), {});
  ASSERT_EQ(boxes.size(), 1u);
  EXPECT_TRUE(identical(boxes[0], at::cat({box(80, 30, 20, 20), box(40, 10, 20, 20), box(0, 0, 20, 20)})));
  ASSERT_EQ(scores.size(), 1u);
  EXPECT_TRUE(identical(scores[0], torch::tensor({3.f, 2.f, 1.f}).sigmoid()));
  EXPECT_TRUE(numbers.empty());
}

TEST(Proposals, SayOfWhichAnchorsTheyWereMade) {
  const std::vector<at::Tensor> anchors = {
      at::cat({box(0, 0, 20, 20), box(1, 0, 20, 20), box(40, 0, 20, 20)}),
      at::cat({box(0, 20, 20, 20), box(60, 0, 20, 20)})};
  const auto said = prediction(
      anchors, {torch::tensor({{4.f, 3.f, 1.f}, {1.f, 2.f, 9.f}}), torch::tensor({{2.f, 8.f}, {0.f, 0.5f}})});
  const auto proposals =
      propose(said, anchors, {kProposalsSize, kProposalsSize}, boxes::BoxCoder(), {}, {}, true);
  ASSERT_EQ(proposals.anchors.size(), 2u);
  EXPECT_TRUE(identical(proposals.anchors[0], torch::tensor({4, 0, 3, 2}, at::kLong)));
  EXPECT_TRUE(identical(proposals.anchors[1], torch::tensor({2, 1, 4, 3}, at::kLong)));
  for (size_t image = 0; image < 2; ++image) {
    EXPECT_TRUE(
        identical(proposals.boxes[image], at::cat(anchors).index_select(0, proposals.anchors[image])));
  }
}

TEST(Proposals, SuppressWithinALevelOnly) {
  const auto near = at::cat({box(0, 0, 20, 20), box(1, 0, 20, 20)});
  const auto proposals =
      propose_one_image({near, near}, {torch::tensor({{4.f, 3.f}}), torch::tensor({{1.f, 2.f}})}, {});
  EXPECT_TRUE(identical(proposals[0], near));
}

TEST(Proposals, AreLimitedBeforeNmsByLevelAndAfterItByImage) {
  const auto row = at::cat({box(0, 0, 9, 9), box(10, 0, 9, 9), box(20, 0, 9, 9)});
  const std::vector<at::Tensor> anchors = {row, row + 30};
  const std::vector<at::Tensor> objectness = {torch::tensor({{9.f, 8.f, 7.f}}),
                                              torch::tensor({{6.f, 5.f, 4.f}})};
  EXPECT_TRUE(identical(propose_one_image(anchors, objectness, {.pre_nms = 2})[0],
                        at::cat({row.slice(0, 0, 2), row.slice(0, 0, 2) + 30})));
  EXPECT_TRUE(identical(propose_one_image(anchors, objectness, {.post_nms = 4})[0],
                        at::cat({row, row.slice(0, 0, 1) + 30})));
}

// Objectness counts as a probability, which float32 rounds to 1 above 17; within a level the logits decide.
TEST(Proposals, CertainOnesOfAFinerLevelComeFirst) {
  const auto row = at::cat({box(0, 0, 9, 9), box(10, 0, 9, 9)});
  const auto proposals =
      propose_one_image({row, row + 30}, {torch::tensor({{40.f, 50.f}}), torch::tensor({{60.f, 1.f}})}, {});
  EXPECT_TRUE(identical(proposals[0], at::cat({row.flip(0), row + 30})));
}

TEST(Proposals, TheThresholdDecidesWhatNmsKeeps) {
  const auto anchors = at::cat({box(0, 0, 10, 10), box(0, 0, 10, 6)});  // IoU 0.6
  const auto objectness = torch::tensor({{2.f, 1.f}});
  EXPECT_EQ(propose_one_image({anchors}, {objectness}, {.nms_threshold = 0.59})[0].size(0), 1);
  EXPECT_EQ(propose_one_image({anchors}, {objectness}, {.nms_threshold = 0.61})[0].size(0), 2);
}

TEST(Proposals, DropWhatIsSmallAfterClipping) {
  const auto anchors = at::cat({box(97, 0, 20, 20), box(0, 0, 20, 20), box(120, 0, 20, 20)});
  const auto objectness = torch::tensor({{3.f, 2.f, 1.f}});
  EXPECT_TRUE(identical(propose_one_image({anchors}, {objectness}, {.min_size = 4})[0], box(0, 0, 20, 20)));
  EXPECT_EQ(propose_one_image({anchors}, {objectness}, {.min_size = 3})[0].size(0), 2);
  EXPECT_TRUE(
      identical(propose_one_image({anchors}, {objectness}, {.min_size = 60})[0], torch::zeros({0, 4})));
}

// Without deltas py-faster-rcnn's decoder makes a box a pixel longer.
TEST(Proposals, InPixelsSmallOnesGoBeforeTheBestAreTaken) {
  const std::vector<at::Tensor> anchors = {
      at::cat({box(0, 0, 6.5f, 30), box(0, 0, 7, 30), box(40, 0, 19, 29)})};
  const auto said = prediction(anchors, {torch::tensor({{3.f, 2.f, 1.f}, {3.f, 2.f, 1.f}})});
  const std::vector<ImageSize> sizes = {kProposalsSize, kProposalsSize};
  // At twice and at three times the image's size, of which 4 pixels are 8 and 12.
  const std::vector<Frame> frames = {{.image = {25, 50}, .network = kProposalsSize},
                                     {.image = {17, 33}, .network = {51, 99}}};
  const boxes::BoxCoder in_pixels({.convention = boxes::Convention::pixels});
  const auto first = propose(said, anchors, sizes, in_pixels, {.pre_nms = 1, .min_size = 4}, frames);
  EXPECT_TRUE(identical(first.boxes[0], box(0, 0, 8, 31)));
  EXPECT_TRUE(identical(first.boxes[1], box(40, 0, 20, 30)));
  EXPECT_TRUE(identical(first.scores[1], torch::tensor({1.f}).sigmoid()));
  EXPECT_EQ(propose(said, anchors, sizes, in_pixels, {.min_size = 40}, frames).boxes[0].size(0), 0);
  // torchvision and detectron2 take the best first, of which nothing is left.
  EXPECT_EQ(propose(said, anchors, sizes, boxes::BoxCoder(), {.pre_nms = 1, .min_size = 8}).boxes[0].size(0),
            0);
}

TEST(Proposals, InPixelsNothingOverflows) {
  const std::vector<at::Tensor> anchors = {
      at::cat({box(0, 0, 20, 20), box(60, 0, 20, 20), box(0, 30, 9, 9)})};
  auto said = prediction(anchors, {torch::tensor({{2.f, 1.f, 3.f}})});
  said.deltas[0][0][0][2] = 1e4;                                      // an endless width
  said.deltas[0][0][1][0] = 1e30;                                     // far off to the right
  said.deltas[0][0][2][1] = std::numeric_limits<float>::quiet_NaN();  // nowhere
  const boxes::BoxCoder in_pixels({.convention = boxes::Convention::pixels});
  const auto found = propose(said, anchors, {kProposalsSize}, in_pixels, {}).boxes[0];
  EXPECT_TRUE(identical(found, at::cat({box(0, 0, 100, 21), box(99, 0, 1, 21)})));
}

TEST(Proposals, EachImageHasItsOwnScoresAndSize) {
  const std::vector<at::Tensor> anchors = {at::cat({box(0, 0, 20, 20), box(40, 0, 20, 20)})};
  const auto said = prediction(anchors, {torch::tensor({{2.f, 1.f}, {1.f, 2.f}})});
  const auto proposals = propose(said, anchors, {kProposalsSize, {.height = 50, .width = 50}},
                                 boxes::BoxCoder(), {.post_nms = 1})
                             .boxes;
  ASSERT_EQ(proposals.size(), 2u);
  EXPECT_TRUE(identical(proposals[0], box(0, 0, 20, 20)));
  EXPECT_TRUE(identical(proposals[1], box(40, 0, 10, 20)));
}

TEST(Proposals, NotANumberIsNoBox) {
  const std::vector<at::Tensor> anchors = {at::cat({box(0, 0, 20, 20), box(40, 0, 20, 20)})};
  auto said = prediction(anchors, {torch::tensor({{2.f, 1.f}})});
  said.deltas[0][0][0][3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(identical(propose(said, anchors, {kProposalsSize}, boxes::BoxCoder(), {}).boxes[0],
                        box(40, 0, 20, 20)));
}

TEST(Proposals, LevelsOfAnchorsWithoutAPredictionAreRefused) {
  const std::vector<at::Tensor> anchors = {box(0, 0, 20, 20)};
  EXPECT_EQ(error_of([&] {
              propose(prediction(anchors, {torch::ones({1, 1})}), {anchors[0], anchors[0]}, {kProposalsSize},
                      boxes::BoxCoder(), {});
            }),
            "propose: prediction: expected the 2 levels of the anchors, got 1 and 1");
}

TEST(Proposals, AreConstantsForTheBackwardPass) {
  const std::vector<at::Tensor> anchors = {box(0, 0, 20, 20)};
  auto said = prediction(anchors, {torch::ones({1, 1})});
  said.objectness[0].requires_grad_();
  said.deltas[0].requires_grad_();
  EXPECT_FALSE(propose(said, anchors, {kProposalsSize}, boxes::BoxCoder(), {}).boxes[0].requires_grad());
}

}  // namespace
}  // namespace rcnn::nn
