#include <algorithm>
#include <fstream>
#include <limits>
#include <numeric>
#include <random>
#include <span>

#include <c10/util/Exception.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/eval/voc_map.h>

namespace rcnn::eval {
namespace {

constexpr Box kLeft{0, 0, 10, 10}, kRight{100, 0, 110, 10}, kNowhere{50, 50, 60, 60};

GroundTruth voc_truth(const Box& box, int64_t label = 1) {
  return {box, label, false};
}
GroundTruth difficult(const Box& box, int64_t label = 1) {
  return {box, label, true};
}
Detection found(const Box& box, float score, int64_t label = 1) {
  return {box, score, label};
}

VocClassResult score_one(const std::vector<ImageResult>& images, const VocMapOptions& options = {}) {
  return voc_map(images, 1, options).classes.at(0);
}

Box box_from(const nlohmann::json& row) {
  return {row[0], row[1], row[2], row[3]};
}

std::vector<ImageResult> images_from(const nlohmann::json& rows) {
  std::vector<ImageResult> images;
  for (const auto& row : rows) {
    ImageResult image;
    for (const auto& t : row["truths"]) image.truths.push_back({box_from(t), t[4], t[5] == 1});
    for (const auto& d : row["detections"]) image.detections.push_back({box_from(d), d[4], d[5]});
    images.push_back(std::move(image));
  }
  return images;
}

void expect_scores(const nlohmann::json& expected, const VocMap& result) {
  double sum = 0;
  int64_t scored = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto& ap = result.classes[i].average_precision;
    ASSERT_EQ(ap.has_value(), !expected[i].is_null()) << "class " << i + 1;
    if (!ap) continue;
    EXPECT_NEAR(*ap, expected[i].get<double>(), 1e-12) << "class " << i + 1;
    sum += *ap;
    ++scored;
  }
  EXPECT_NEAR(result.mean_average_precision, scored > 0 ? sum / double(scored) : 0, 1e-12);
}

TEST(VocMap, EqualsTheDevkitOnRandomScenes) {
  const auto fixture = nlohmann::json::parse(std::ifstream(RCNN_FIXTURES "/voc_map.json"));
  ASSERT_FALSE(fixture.at("cases").empty());
  for (const auto& scene : fixture["cases"]) {
    const auto images = images_from(scene["images"]);
    const int64_t num_classes = int64_t(scene["area"].size());
    const double threshold = scene["iou_threshold"];
    expect_scores(scene["area"],
                  voc_map(images, num_classes, {.rule = VocRule::area, .iou_threshold = threshold}));
    expect_scores(scene["points11"],
                  voc_map(images, num_classes, {.rule = VocRule::points11, .iou_threshold = threshold}));
  }
}

TEST(VocMap, ASecondDetectionOfAnObjectIsFalse) {
  const auto result = score_one({{.truths = {voc_truth(kLeft), voc_truth(kRight)},
                                  .detections = {found(kLeft, .7F), found(kLeft, .9F), found(kRight, .8F)}}});
  EXPECT_EQ(result.precision, (std::vector<double>{1, 1, 2. / 3}));
  EXPECT_EQ(result.recall, (std::vector<double>{.5, 1, 1}));
  EXPECT_DOUBLE_EQ(*result.average_precision, 1);
}

TEST(VocMap, ADetectionTakesItsBestTruthOnlyEvenWhenThatIsTaken) {
  // The second detection overlaps both, the taken one more: it does not fall back to the free one.
  const Box free{4, 0, 14, 10};
  const auto result = score_one({{.truths = {voc_truth(kLeft), voc_truth(free)},
                                  .detections = {found(kLeft, .9F), found({1, 0, 11, 10}, .8F)}}});
  EXPECT_EQ(result.precision, (std::vector<double>{1, .5}));
  EXPECT_EQ(result.recall, (std::vector<double>{.5, .5}));
}

TEST(VocMap, DifficultObjectsNeitherCountNorPunish) {
  const std::vector<ImageResult> images{
      {.truths = {difficult(kLeft), voc_truth(kRight)},
       .detections = {found(kLeft, .9F), found(kLeft, .8F), found(kRight, .7F)}}};
  const auto result = score_one(images);
  EXPECT_EQ(result.truths, 1);
  EXPECT_EQ(result.detections, 3);
  EXPECT_EQ(result.precision, (std::vector<double>{0, 0, 1}));
  EXPECT_DOUBLE_EQ(*result.average_precision, 1);
}

TEST(VocMap, ADifficultObjectDrawsADetectionAwayFromALesserOrdinaryOne) {
  const auto result = score_one(
      {{.truths = {voc_truth({2, 0, 12, 10}), difficult(kLeft)}, .detections = {found(kLeft, .9F)}}});
  EXPECT_EQ(result.recall, std::vector<double>{0});
  EXPECT_DOUBLE_EQ(*result.average_precision, 0);
}

TEST(VocMap, TheFirstOfEqualTruthsIsTaken) {
  const std::vector<Detection> detections{found(kLeft, .9F)};
  EXPECT_EQ(score_one({{{voc_truth(kLeft), difficult(kLeft)}, detections}}).recall, std::vector<double>{1});
  EXPECT_EQ(score_one({{{difficult(kLeft), voc_truth(kLeft)}, detections}}).recall, std::vector<double>{0});
}

TEST(VocMap, TheThresholdItselfIsAMatch) {
  // 10 x 10 against its 5 x 10 half: IoU 1/2.
  const std::vector<ImageResult> half{
      {.truths = {voc_truth(kLeft)}, .detections = {found({0, 0, 5, 10}, .9F)}}};
  EXPECT_DOUBLE_EQ(*score_one(half).average_precision, 1);
  EXPECT_DOUBLE_EQ(*score_one(half, {.iou_threshold = .501}).average_precision, 0);
}

TEST(VocMap, ExclusiveCornersMeetWithoutOverlap) {
  const std::vector<ImageResult> beside{
      {.truths = {voc_truth(kLeft)}, .detections = {found({10, 0, 20, 10}, .9F)}}};
  EXPECT_DOUBLE_EQ(*score_one(beside, {.iou_threshold = 0}).average_precision, 0);
}

TEST(VocMap, TheElevenLevelsAreComparedExactly) {
  // 3 of 10 found, then a false one before the 4th: in doubles 3 / 10 < 3 * 0.1.
  ImageResult image;
  for (int i = 0; i < 10; ++i) image.truths.push_back(voc_truth({20.F * i, 0, 20.F * i + 10, 10}));
  for (int i = 0; i < 3; ++i) image.detections.push_back(found(image.truths[i].box, .9F));
  EXPECT_DOUBLE_EQ(*score_one({image}, {.rule = VocRule::points11}).average_precision, 4. / 11);
  image.detections.push_back(found(kNowhere, .8F));
  image.detections.push_back(found(image.truths[3].box, .7F));
  EXPECT_DOUBLE_EQ(*score_one({image}, {.rule = VocRule::points11}).average_precision, (4 + .8) / 11);
}

TEST(VocMap, EqualScoresGoByImageAndPosition) {
  const ImageResult right{.truths = {voc_truth(kLeft)}, .detections = {found(kLeft, .5F)}};
  const ImageResult wrong{.truths = {voc_truth(kLeft)}, .detections = {found(kNowhere, .5F)}};
  EXPECT_EQ(score_one({right, wrong}).precision, (std::vector<double>{1, .5}));
  EXPECT_EQ(score_one({wrong, right}).precision, (std::vector<double>{0, .5}));
  const ImageResult both{.truths = {voc_truth(kLeft)},
                         .detections = {found(kNowhere, .5F), found(kLeft, .5F)}};
  EXPECT_EQ(score_one({both}).precision, (std::vector<double>{0, .5}));
}

TEST(VocMap, DistinctScoresMakeTheOrderOfImagesIrrelevant) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::vector<float> scores(200);
  std::iota(scores.begin(), scores.end(), 1.F);
  std::ranges::shuffle(scores, random);
  std::vector<ImageResult> images(20);
  for (size_t i = 0; i < scores.size(); ++i) {
    const float x = float(random() % 40), y = float(random() % 40);
    ImageResult& image = images[i % images.size()];
    image.detections.push_back(found({x, y, x + 20, y + 20}, scores[i]));
    if (i % 3 == 0) image.truths.push_back(voc_truth({y, x, y + 18, x + 22}));
  }
  const VocClassResult before = score_one(images);
  std::ranges::shuffle(images, random);
  const VocClassResult after = score_one(images);
  EXPECT_EQ(before.precision, after.precision);
  EXPECT_EQ(before.recall, after.recall);
  EXPECT_EQ(before.average_precision, after.average_precision);
}

TEST(VocMap, ClassesWithoutCountingTruthsStayOutOfTheMean) {
  const VocMap result =
      voc_map({{.truths = {voc_truth(kLeft, 1), difficult(kLeft, 2)},
                .detections = {found(kLeft, .9F, 1), found(kLeft, .9F, 2), found(kLeft, .9F, 3)}}},
              4);
  EXPECT_DOUBLE_EQ(result.mean_average_precision, 1);
  for (size_t i = 1; i < 4; ++i) {
    EXPECT_FALSE(result.classes[i].average_precision);
    EXPECT_EQ(result.classes[i].truths, 0);
    EXPECT_TRUE(result.classes[i].precision.empty());
  }
  EXPECT_EQ(result.classes[1].detections, 1);
}

TEST(VocMap, NothingToScore) {
  EXPECT_EQ(voc_map({}, 3).mean_average_precision, 0);
  EXPECT_EQ(voc_map({}, 3).classes.size(), 3);
  EXPECT_EQ(voc_map({ImageResult{}}, 0).classes.size(), 0);
  const auto missed = score_one({{.truths = {voc_truth(kLeft)}, .detections = {}}});
  EXPECT_EQ(missed.average_precision, 0.0);
  EXPECT_TRUE(missed.precision.empty());
}

TEST(VocMap, DegenerateAndNonFiniteBoxesAreFalseAlarms) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const auto result = score_one({{.truths = {voc_truth({5, 5, 5, 5}), voc_truth(kLeft)},
                                  .detections = {found({5, 5, 5, 5}, .9F), found({10, 10, 0, 0}, .8F),
                                                 found({kNan, 0, kNan, 10}, .7F), found(kLeft, .6F)}}});
  EXPECT_EQ(result.recall, (std::vector<double>{0, 0, 0, .5}));
}

TEST(VocMap, RefusesUnknownLabelsAndScoresThatAreNotNumbers) {
  EXPECT_THROW(voc_map({{.truths = {voc_truth(kLeft, 3)}, .detections = {}}}, 2), std::invalid_argument);
  EXPECT_THROW(voc_map({{.truths = {}, .detections = {found(kLeft, .5F, 0)}}}, 2), std::invalid_argument);
  EXPECT_THROW(score_one({{.truths = {}, .detections = {found(kLeft, std::nanf(""))}}}),
               std::invalid_argument);
}

TEST(VocMap, TableShowsEveryClassAndTheMean) {
  const VocMap result = voc_map({{.truths = {voc_truth(kLeft)}, .detections = {found(kLeft, .9F)}}}, 2);
  EXPECT_EQ(to_table(result, {{7, "Platelets"}, {9, "RBC"}}),
            "class       objects  detections      AP\n"
            "Platelets         1           1  1.0000\n"
            "RBC               0           0       -\n"
            "mean                             1.0000\n");
  EXPECT_THROW(to_table(result, {{7, "Platelets"}}), std::invalid_argument);
  EXPECT_NE(to_table(result, {{7, "a\x1b[2J"}, {9, "b\nc"}}).find("a\\x1b[2J         1"), std::string::npos);
}

}  // namespace
}  // namespace rcnn::eval
