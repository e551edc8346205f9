#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <rcnn/vis/evaluation.h>

namespace rcnn::vis {
namespace {

using Verdict = JudgedBox::Verdict;

/// Image 1: a cat found, a dog missed, something wrong and something below the score. Image 2: all right.
EvaluationInput pets() {
  return {.image_ids = {1, 2, 3},
          .categories = {{90, "cat"}, {3, "dog"}},
          .truths =
              std::vector<eval::CocoTruth>{
                  {.image_id = 1, .category_id = 90, .box = {0, 0, 10, 10}, .area = 100},
                  {.image_id = 1, .category_id = 3, .box = {20, 0, 10, 10}, .area = 100},
                  {.image_id = 1, .category_id = 3, .box = {60, 0, 30, 30}, .area = 900, .crowd = true},
                  {.image_id = 2, .category_id = 3, .box = {0, 0, 10, 10}, .area = 100}},
          .detections = {{.image_id = 1, .category_id = 90, .box = {0, 0, 10, 10}, .score = 0.9},
                         {.image_id = 1, .category_id = 90, .box = {40, 0, 10, 10}, .score = 0.5},
                         {.image_id = 1, .category_id = 3, .box = {20, 0, 10, 10}, .score = 0.1},
                         {.image_id = 1, .category_id = 3, .box = {60, 0, 10, 10}, .score = 0.8},
                         {.image_id = 1, .category_id = 90, .box = {50, 0, 10, 10}, .score = 0.6},
                         {.image_id = 2, .category_id = 3, .box = {0, 0, 10, 10}, .score = 0.7}}};
}

EvaluationOptions reading(std::vector<int64_t>& asked) {
  return {.thresholds = {}, .images = 2, .read = [&](int64_t id) -> std::optional<NamedImage> {
            asked.push_back(id);
            return NamedImage{"image " + std::to_string(id), at::zeros({50, 100, 3}, at::kByte)};
          }};
}

TEST(AddEvaluation, FillsWhatAnEvaluationKnows) {
  Report report{.title = "pets"};
  std::vector<int64_t> asked;
  add_evaluation(report, pets(), reading(asked));
  EXPECT_EQ(report.classes, (std::vector<std::string>{"dog", "cat"})) << "by their ids";
  EXPECT_TRUE(report.annotated);
  EXPECT_EQ(report.map->categories, 2);
  EXPECT_EQ(report.map->truths_at(0, 0), 2);
  EXPECT_EQ(report.confusion->at(0, 2), 1) << "the dog that is missed";
  EXPECT_EQ(report.errors->errors[3].count, 2) << "on background";
  EXPECT_EQ(report.histogram->right[18], 1);
  EXPECT_TRUE(report.found.empty());
  EXPECT_EQ(asked, (std::vector<int64_t>{1, 2}));
  EXPECT_TRUE(report.images.empty());
}

TEST(AddEvaluation, JudgesBoxesTheImportantOnesFirst) {
  Report report{.title = "pets"};
  std::vector<int64_t> asked;
  add_evaluation(report, pets(), reading(asked));
  ASSERT_EQ(report.worst.size(), 1u);
  EXPECT_EQ(report.worst[0].name, "image 1");
  EXPECT_EQ(report.worst[0].remark, "F1 0.40: 1 right, 2 wrong, 1 missed");
  const auto& boxes = report.worst[0].boxes;
  std::vector<std::pair<Verdict, int64_t>> verdicts;
  for (const auto& box : boxes) verdicts.emplace_back(box.verdict, box.label);
  EXPECT_EQ(verdicts, (std::vector<std::pair<Verdict, int64_t>>{{Verdict::wrong, 2},
                                                                {Verdict::wrong, 2},
                                                                {Verdict::missed, 1},
                                                                {Verdict::right, 2},
                                                                {Verdict::found, 2}}))
      << "neither the crowd nor what lies in it";
  EXPECT_EQ(boxes[0].box, (Box{50, 0, 60, 10})) << "the better score first";
  EXPECT_FLOAT_EQ(*boxes[0].score, 0.6f);
  EXPECT_FALSE(boxes[2].score);
  ASSERT_EQ(report.best.size(), 1u);
  EXPECT_EQ(report.best[0].name, "image 2");
}

TEST(AddEvaluation, WithoutTruthsNothingIsRightOrWrong) {
  auto input = pets();
  input.truths.reset();
  Report report{.title = "pets"};
  std::vector<int64_t> asked;
  add_evaluation(report, std::move(input), reading(asked));
  EXPECT_FALSE(report.annotated);
  EXPECT_FALSE(report.map);
  EXPECT_FALSE(report.confusion);
  EXPECT_FALSE(report.errors);
  EXPECT_EQ(report.found, (std::vector<int64_t>{3, 3}));
  ASSERT_EQ(report.images.size(), 2u);
  EXPECT_EQ(report.images[0].name, "image 1");
  EXPECT_EQ(report.images[0].remark, "4 detections");
  EXPECT_EQ(report.images[0].boxes.size(), 4u) << "not the one below the score";
  EXPECT_EQ(report.images[0].boxes[0].verdict, Verdict::none);
  EXPECT_TRUE(report.worst.empty());
}

TEST(AddEvaluation, AnImageThatCannotBeReadIsLeftOut) {
  Report report{.title = "pets"};
  add_evaluation(report, pets(),
                 {.thresholds = {}, .read = [](int64_t) { return std::optional<NamedImage>(); }});
  EXPECT_TRUE(report.worst.empty());
  EXPECT_TRUE(report.map);
  add_evaluation(report, pets(), {});
  EXPECT_TRUE(report.best.empty()) << "nor without a reader";
}

TEST(AddEvaluation, OfNothingIsAPage) {
  Report report{.title = "nothing"};
  add_evaluation(report,
                 {.image_ids = {},
                  .categories = {{1, "cat"}},
                  .truths = std::vector<eval::CocoTruth>(),
                  .detections = {}},
                 {});
  EXPECT_NE(to_html(report).find("</html>"), std::string::npos);
  report = {.title = "nothing at all"};
  add_evaluation(report, {}, {});
  EXPECT_NE(to_html(report).find("</html>"), std::string::npos);
}

}  // namespace
}  // namespace rcnn::vis
