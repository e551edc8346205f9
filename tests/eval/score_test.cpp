#include <cmath>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/eval/coco/coco_summary.h>
#include <rcnn/eval/score.h>

#include "tests/eval/objects.h"

namespace rcnn::eval {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// A dog found, and a cat found as a dog; nothing on image 2.
CocoInput dog_and_cat() {
  return coco_input(
      {.images = {{1, "a.jpg", {}}, {2, "b.jpg", {}}},
       .categories = {{3, "dog"}, {90, "cat"}},
       .truths = {truth(3, kBox), truth(90, kFar)}},
      {.detections = {detection(3, kBox, 0.9), detection(3, kFar, 0.8)}, .images = {}, .categories = {}});
}

std::vector<std::string> names_of(const Numbers& numbers) {
  std::vector<std::string> names;
  for (const auto& [name, value] : numbers) names.push_back(name);
  return names;
}

TEST(Score, CocosHasNamedNumbersOfAllAndOfEachClass) {
  const auto score = coco_score(dog_and_cat());
  EXPECT_EQ(score.metric, Score::Metric::coco);
  EXPECT_THAT(names_of(score.numbers), ElementsAre("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10",
                                                   "AR100", "ARs", "ARm", "ARl"));
  EXPECT_EQ(score.value, score.numbers[0].second);
  EXPECT_NEAR(score.value, 0.5, 1e-12);
  ASSERT_EQ(score.classes.size(), 2u);
  EXPECT_EQ(score.classes[0].name, "dog");
  EXPECT_NEAR(score.classes[0].ap, 1, 1e-12);
  EXPECT_EQ(score.classes[1].ap, 0);
  EXPECT_EQ(names_of(score.classes[1].numbers), names_of(score.numbers));
  EXPECT_EQ(score.negatives->images, 1);
  EXPECT_TRUE(score.incomparable.empty());
  EXPECT_FALSE(score.errors);
  EXPECT_FALSE(score.proposals);
  EXPECT_THAT(score.table, EndsWith(" Comparable with published scores: yes\n"));
}

TEST(Score, TheLimitIsInTheNameOfItsNumber) {
  const auto score = coco_score(dog_and_cat(), {.max_detections = 300});
  EXPECT_EQ(score.numbers[8].first, "AR300");
  EXPECT_EQ(score.classes[0].numbers[8].first, "AR300");
  EXPECT_THAT(score.incomparable, ElementsAre(HasSubstr("1, 10, 300")));
  EXPECT_THAT(score.table, HasSubstr(" Comparable with published scores: no: "));
}

TEST(Score, IsFlatByDottedNames) {
  const auto coco = coco_score(dog_and_cat()).flat();
  EXPECT_EQ(coco.size(), 12u + 2 * 12u + 1);
  EXPECT_EQ(coco[0].first, "AP");
  EXPECT_EQ(coco[12].first, "per_class.dog.AP");
  EXPECT_EQ(coco[25].first, "per_class.cat.AP50");
  EXPECT_EQ(coco.back(), (std::pair<std::string, double>("negative_images.images", 1)));

  const std::vector<ImageResult> images{
      {.truths = {{{0, 0, 10, 10}, 1}}, .detections = {{{0, 0, 10, 10}, 0.9F, 1}}}};
  const auto voc = voc_score(images, {{1, "dog"}, {2, "cat"}}).flat();
  EXPECT_THAT(names_of(voc), ElementsAre("mAP", "per_class.dog", "per_class.cat"));
  EXPECT_EQ(voc[1].second, 1);
  EXPECT_TRUE(std::isnan(voc[2].second)) << "no cat is there";
}

TEST(Score, VocsTellsWhyItCannotBeCompared) {
  const auto score = voc_score({ImageResult{}}, {{1, "dog"}}, {.iou_threshold = 0.6}, {"of 3 images alone"});
  EXPECT_EQ(score.metric, Score::Metric::voc);
  EXPECT_EQ(score.value, 0);
  EXPECT_THAT(score.incomparable, ElementsAre(HasSubstr("0.6"), "of 3 images alone"));
  EXPECT_THAT(score.table, EndsWith("not 0.5; of 3 images alone\n"));
}

TEST(Score, TablesByClassAndOfErrorsComeWhenAskedFor) {
  const auto plain = coco_score(dog_and_cat());
  const auto full = coco_score(dog_and_cat(), {.per_class = true, .errors = true});
  EXPECT_THAT(full.table, StartsWith(plain.table));
  EXPECT_THAT(full.table,
              HasSubstr("\nclass  objects     AP   AP50   AP75\ndog          1  1.000  1.000  1.000\n"));
  EXPECT_THAT(full.table, HasSubstr("\nWith a score from 0.3 and an IoU from 0.5:\n"));
  ASSERT_TRUE(full.errors);
  EXPECT_EQ(full.errors->kinds.errors[1].count, 1) << "classification";
  EXPECT_EQ(full.errors->confusion.at(1, 0), 1);
  EXPECT_THAT(full.errors->classes, ElementsAre("dog", "cat"));
}

TEST(Score, OfProposalsIsTheirRecall) {
  const auto score = proposal_score(dog_and_cat());
  EXPECT_EQ(score.metric, Score::Metric::proposals);
  EXPECT_EQ(score.value, 1);
  ASSERT_TRUE(score.proposals);
  EXPECT_EQ(score.proposals->recall.most, 2);
  EXPECT_THAT(score.proposals->classes, ElementsAre("dog", "cat"));
  EXPECT_EQ(score.numbers.size(), 11);
  EXPECT_EQ(score.numbers.front(), std::pair(std::string("AR2000"), 1.0));
  EXPECT_EQ(score.numbers[9], std::pair(std::string("recall10"), 1.0));
  EXPECT_EQ(score.numbers.back(), std::pair(std::string("MABO"), 1.0));
  EXPECT_THAT(score.table, HasSubstr("\nAverage best overlap\n"));
  EXPECT_THAT(score.table, StartsWith("Average recall"));
}

TEST(Score, NothingIsZero) {
  const auto nothing =
      coco_input({.images = {{1, "a.jpg", {}}}, .categories = {{3, "dog"}}, .truths = {}}, {});
  const auto score = coco_score(nothing);
  EXPECT_EQ(score.value, 0);
  EXPECT_EQ(score.numbers[0].second, -1);
  EXPECT_EQ(score.warnings, nothing.warnings);
  EXPECT_THAT(score.warnings, Not(testing::IsEmpty()));
}

}  // namespace
}  // namespace rcnn::eval
