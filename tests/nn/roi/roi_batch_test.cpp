#include <rcnn/nn/roi/roi_batch.h>

#include "tests/support/message_of.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

at::Tensor numbers(const std::vector<int64_t>& values) {
  return torch::tensor(values, at::kLong);
}

at::Tensor square(float x, float side = 10) {
  return torch::tensor({{x, 0.f, x + side, side}});
}

const at::Tensor kEmpty = torch::zeros({0, 4});

/// Three images: two objects with a proposal at the second and two beside both, background alone, nothing.
RoiBatch three_images() {
  const Target objects{at::cat({square(0), square(100)}), numbers({3, 2}), kEmpty};
  const Target nothing{kEmpty, numbers({}), kEmpty};
  return sample_rois({at::cat({square(50), square(101), square(70)}), square(20), kEmpty},
                     {objects, nothing, nothing}, {.positive_iou = 0.5, .negative_iou = 0.5},
                     {.count = 16, .positive_fraction = 1});
}

TEST(RoiBatch, HoldsObjectsThenBackgroundThenPadding) {
  const auto batch = three_images();
  EXPECT_TRUE(identical(
      batch.labels, torch::tensor({{2, 3, 2, 0, 0}, {0, -1, -1, -1, -1}, {-1, -1, -1, -1, -1}}, at::kLong)));
  EXPECT_TRUE(
      identical(batch.truth,
                torch::tensor({{1, 0, 1, -1, -1}, {-1, -1, -1, -1, -1}, {-1, -1, -1, -1, -1}}, at::kLong)));
  EXPECT_TRUE(
      identical(batch.proposal,
                torch::tensor({{1, -1, -1, 0, 2}, {0, -1, -1, -1, -1}, {-1, -1, -1, -1, -1}}, at::kLong)));
  EXPECT_EQ(batch.counts, (std::vector<int64_t>{5, 1, 0}));
  EXPECT_EQ(batch.positives, (std::vector<int64_t>{3, 0, 0}));
  EXPECT_TRUE(identical(batch.mask(), batch.labels >= 0));
  EXPECT_TRUE(
      identical(batch.boxes[0], at::cat({square(101), square(0), square(100), square(50), square(70)})));
  EXPECT_TRUE(
      identical(batch.truth_boxes[0], at::cat({square(100), square(0), square(100), torch::zeros({2, 4})})));
  EXPECT_TRUE(identical(batch.boxes[1], at::cat({square(20), torch::zeros({4, 4})})));
}

TEST(RoiBatch, LeavesThePaddingOut) {
  const auto batch = three_images();
  const auto boxes = batch.unpadded(batch.boxes);
  ASSERT_EQ(boxes.size(), 3u);
  EXPECT_EQ(boxes[0].size(0), 5);
  EXPECT_TRUE(identical(boxes[1], square(20)));
  EXPECT_EQ(boxes[2].sizes(), (std::vector<int64_t>{0, 4}));
}

TEST(RoiBatch, OfNothingAtAllHasNoRows) {
  const Target nothing{kEmpty, numbers({}), kEmpty};
  const auto batch = sample_rois({kEmpty, kEmpty}, {nothing, nothing}, {}, {});
  EXPECT_EQ(batch.boxes.sizes(), (std::vector<int64_t>{2, 0, 4}));
  EXPECT_EQ(batch.labels.sizes(), (std::vector<int64_t>{2, 0}));
  EXPECT_EQ(batch.counts, (std::vector<int64_t>{0, 0}));
}

TEST(RoiBatch, SelectsRowsAndPutsThemInOrderAgain) {
  // Padding may be selected, and is padding again; -1 is none.
  const auto rows = torch::tensor({{4, 2, -1, 0}, {1, 0, -1, -1}, {0, 0, -1, 3}}, at::kLong);
  const auto part = three_images().select(rows);
  EXPECT_TRUE(identical(part.labels, torch::tensor({{2, 2, 0}, {0, -1, -1}, {-1, -1, -1}}, at::kLong)));
  EXPECT_TRUE(identical(part.boxes[0], at::cat({square(100), square(101), square(70)})));
  EXPECT_TRUE(identical(part.boxes[1], at::cat({square(20), torch::zeros({2, 4})})));
  EXPECT_TRUE(identical(part.truth[0], numbers({1, 1, -1})));
  EXPECT_TRUE(identical(part.proposal, torch::tensor({{-1, 1, 2}, {0, -1, -1}, {-1, -1, -1}}, at::kLong)));
  EXPECT_TRUE(identical(part.truth_boxes[0], at::cat({square(100), square(100), torch::zeros({1, 4})})));
  EXPECT_EQ(part.counts, (std::vector<int64_t>{3, 1, 0}));
  EXPECT_EQ(part.positives, (std::vector<int64_t>{2, 0, 0}));
}

TEST(RoiBatch, SelectingAllChangesNothing) {
  const auto batch = three_images(), all = batch.select(at::arange(5).expand({3, -1}));
  EXPECT_TRUE(identical(all.boxes, batch.boxes));
  EXPECT_TRUE(identical(all.labels, batch.labels));
  EXPECT_TRUE(identical(all.truth, batch.truth));
  EXPECT_TRUE(identical(all.truth_boxes, batch.truth_boxes));
  EXPECT_TRUE(identical(all.proposal, batch.proposal));
  EXPECT_EQ(all.counts, batch.counts);
  EXPECT_EQ(all.positives, batch.positives);
  EXPECT_EQ(batch.select(torch::zeros({3, 0}, at::kLong)).counts, (std::vector<int64_t>{0, 0, 0}));
}

TEST(RoiBatch, SelectingNothingLeavesNoRows) {
  for (const auto& rows : {torch::full({3, 2}, -1, at::kLong), torch::zeros({3, 0}, at::kLong)}) {
    const auto part = three_images().select(rows);
    EXPECT_EQ(part.boxes.sizes(), (std::vector<int64_t>{3, 0, 4}));
    EXPECT_EQ(part.counts, (std::vector<int64_t>{0, 0, 0}));
    EXPECT_EQ(part.select(rows).labels.sizes(), (std::vector<int64_t>{3, 0}));  // of no rows, too
  }
}

TEST(RoiBatch, RowsThatAreNotThereAreRefused) {
  for (const int64_t row : {5, -2}) {
    EXPECT_NE(error_of([&] {
                three_images().select(torch::full({3, 1}, row, at::kLong));
              }).find("select: rows: expected each below 5, or -1"),
              std::string::npos);
  }
}

TEST(RoiBatch, RowsOfAnotherShapeAreRefused) {
  EXPECT_NE(error_of([] { three_images().select(numbers({0})); }).find("select: rows: expected int64 [3, R]"),
            std::string::npos);
}

}  // namespace
}  // namespace rcnn::nn
