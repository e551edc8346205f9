#include <filesystem>
#include <vector>

#include <gtest/gtest.h>

#include <rcnn/eval/coco/proposal_recall.h>

#include "tests/eval/coco_sets.h"
#include "tests/eval/objects.h"

namespace rcnn::eval {
namespace {

constexpr std::array<double, 4> kLow = {0, 0, 50, 31};      // IoU with kBox: 0.62
constexpr std::array<double, 4> kSmall = {200, 0, 10, 10};  // of small area

TEST(ProposalRecall, CountsWhatIsCoveredByAnyProposal) {
  // Categories do not matter; the crowd need not be found, and is no object of its size either.
  const std::vector<CocoTruth> truths = {truth(3, kBox), truth(7, kSmall),
                                         truth(3, {300, 300, 200, 200}, /*crowd=*/true)};
  const std::vector<CocoDetection> proposals = {detection(1, kLow, 0.9), detection(1, {100, 100, 9, 9}, 0.8),
                                                detection(1, kSmall, 0.7)};
  const auto recall = proposal_recall(truths, proposals, {.limits = {1, 3, 300}});
  EXPECT_EQ(recall.most, 3);
  EXPECT_EQ(recall.truths, (std::vector<int64_t>{2, 1, 1, 0}));
  EXPECT_EQ(recall.recall_at(2, 0, 0), 0.5);  // IoU 0.6
  EXPECT_EQ(recall.recall_at(3, 0, 0), 0);    // IoU 0.65
  EXPECT_EQ(recall.recall_at(2, 0, 1), 1);
  EXPECT_EQ(recall.recall_at(9, 0, 1), 0.5);
  EXPECT_DOUBLE_EQ(recall.average(0, 0), 0.15);
  EXPECT_DOUBLE_EQ(recall.average(0, 1), 0.65);
  EXPECT_DOUBLE_EQ(recall.average(0, 2), 0.65);
  EXPECT_DOUBLE_EQ(recall.average(1, 1), 1);
  EXPECT_DOUBLE_EQ(recall.average(2, 1), 0.3);
  EXPECT_EQ(recall.average(3, 1), -1);
}

TEST(ProposalRecall, NothingFoundIsZeroAndNothingThereIsMinusOne) {
  EXPECT_EQ(proposal_recall(std::vector{truth(1, kBox)}, {}).average(0, 3), 0);
  const auto none = proposal_recall({}, std::vector{detection(1, kBox, 0.9)});
  EXPECT_EQ(none.average(0, 0), -1);
  EXPECT_EQ(none.recall_at(0, 0, 0), -1);
}

TEST(ProposalRecall, TheTableSaysWhereThereAreFewerProposalsThanALimit) {
  const ProposalRecallOptions options{.iou_thresholds = {0.5, 0.75}, .limits = {1, 100}};
  const auto recall = proposal_recall(std::vector{truth(1, kBox)},
                                      std::vector{detection(1, kLow, 0.9), detection(1, kBox, 0.8)}, options);
  EXPECT_EQ(to_text(recall, options),
            "Average recall, IoU 0.50 to 0.75\n"
            "proposals     all   small  medium   large\n"
            "        1   0.500       -   0.500       -\n"
            "      100   1.000       -   1.000       -  (at most 2 an image)\n"
            "\n"
            "Recall at an IoU\n"
            "proposals    0.50    0.75\n"
            "        1   1.000   0.000\n"
            "      100   1.000   1.000  (at most 2 an image)\n");
  EXPECT_THROW(to_text(recall), std::invalid_argument);
}

/// Compares the sets of a file and returns their number.
int64_t expect_pycocotools(const std::filesystem::path& file) {
  const CocoSets sets(file);
  int64_t number = 0;
  for (; sets.has(number, "proposal_recall"); ++number) {
    const auto recall = proposal_recall(sets.truths(number), sets.detections(number));
    const auto expected = sets.get(number, "proposal_recall");
    EXPECT_EQ(expected.numel(), std::ssize(recall.recall)) << "set " << number;
    const auto* values = expected.data_ptr<double>();
    EXPECT_EQ(recall.recall, std::vector<double>(values, values + expected.numel())) << "set " << number;
    if (testing::Test::HasFailure()) break;
  }
  return number;
}

TEST(ProposalRecall, IsPycocotoolsWithoutCategories) {
  EXPECT_EQ(expect_pycocotools(RCNN_FIXTURES "/coco_map.safetensors"), 12);
}

void expect_pycocotools_on_many(const std::filesystem::path& file, int64_t count) {
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "pycocotools has not made " << file;
  EXPECT_EQ(expect_pycocotools(file), count);
}

TEST(ProposalRecall, IsPycocotoolsWithoutCategoriesOnManySets) {
  expect_pycocotools_on_many(RCNN_COCO_SETS, 100);
}

TEST(ProposalRecall, IsPycocotoolsWithoutCategoriesOnManySetsNightly) {
  expect_pycocotools_on_many(RCNN_COCO_SETS_NIGHTLY, 200);
}

}  // namespace
}  // namespace rcnn::eval
