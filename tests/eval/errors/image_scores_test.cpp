#include <vector>

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <rcnn/eval/errors/image_scores.h>

namespace rcnn::eval {
namespace {

std::vector<int64_t> ids_of(const std::vector<ImageScore>& scores) {
  std::vector<int64_t> ids;
  for (const auto& score : scores) ids.push_back(score.image_id);
  return ids;
}

TEST(ImageScore, F1IsOfPrecisionAndRecall) {
  EXPECT_DOUBLE_EQ((ImageScore{.right = 3, .wrong = 1, .missed = 2}).f1(), 2 / (1 / 0.75 + 1 / 0.6));
  EXPECT_EQ((ImageScore{.right = 0, .wrong = 1, .missed = 2}).f1(), 0);
  EXPECT_EQ(ImageScore{}.f1(), 1) << "nothing there, nothing found";
}

TEST(ImageScores, CountWhatReachesTheScore) {
  const std::vector<CocoTruth> truths{
      {.image_id = 5, .category_id = 1, .box = {0, 0, 10, 10}},
      {.image_id = 5, .category_id = 1, .box = {50, 0, 10, 10}},
      {.image_id = 5, .category_id = 1, .box = {90, 0, 10, 10}, .crowd = true},
      {.image_id = 8, .category_id = 1, .box = {0, 0, 10, 10}}};
  const std::vector<CocoDetection> detections{
      {.image_id = 5, .category_id = 1, .box = {0, 0, 10, 10}, .score = 0.9},
      {.image_id = 5, .category_id = 1, .box = {50, 0, 10, 10}, .score = 0.2},
      {.image_id = 5, .category_id = 1, .box = {90, 0, 10, 10}, .score = 0.9},
      {.image_id = 5, .category_id = 1, .box = {0, 50, 10, 10}, .score = 0.3},
      {.image_id = 5, .category_id = 1, .box = {0, 50, 10, 10}, .score = 0.1}};
  const auto matches = coco_matches(truths, detections, std::vector<int64_t>{1});
  const auto scores = image_scores(std::vector<int64_t>{7, 5}, truths, detections, matches, 0.3);
  EXPECT_EQ(ids_of(scores), (std::vector<int64_t>{7, 5})) << "in their order, empty ones too";
  EXPECT_EQ(scores[0].errors(), 0);
  EXPECT_EQ(scores[1].right, 1);
  EXPECT_EQ(scores[1].wrong, 1);
  EXPECT_EQ(scores[1].missed, 1) << "found below the score";
  EXPECT_THROW(image_scores({}, truths, detections, {}), std::invalid_argument);
}

TEST(RankImages, WorstByF1ThenErrorsBestByF1ThenFound) {
  const std::vector<ImageScore> scores{
      {.image_id = 1, .right = 1},  {.image_id = 2, .right = 9}, {.image_id = 3},
      {.image_id = 4, .missed = 1}, {.image_id = 5, .wrong = 7}, {.image_id = 6, .right = 1, .wrong = 1},
      {.image_id = 9, .missed = 1}, {.image_id = 8, .right = 1}};
  const auto three = rank_images(scores, 3);
  EXPECT_EQ(ids_of(three.worst), (std::vector<int64_t>{5, 4, 9}));
  EXPECT_EQ(ids_of(three.best), (std::vector<int64_t>{2, 1, 8}));
  const auto all = rank_images(scores, 100);
  EXPECT_EQ(ids_of(all.worst), (std::vector<int64_t>{5, 4, 9, 6}))
      << "half, and without those free of errors";
  EXPECT_EQ(ids_of(all.best), (std::vector<int64_t>{2, 1, 8})) << "nothing was found on 3";
  EXPECT_TRUE(rank_images(scores, 0).worst.empty());
  EXPECT_TRUE(rank_images({}, 3).best.empty());
}

TEST(RankImages, NoneIsWorstAndBest) {
  const auto ranked = rank_images({{.image_id = 1, .right = 1, .wrong = 1},
                                   {.image_id = 2, .right = 2, .wrong = 1},
                                   {.image_id = 3, .right = 1, .wrong = 3}},
                                  8);
  EXPECT_EQ(ids_of(ranked.worst), (std::vector<int64_t>{3, 1}));
  EXPECT_EQ(ids_of(ranked.best), (std::vector<int64_t>{2}));
}

}  // namespace
}  // namespace rcnn::eval
