#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <rcnn/eval/coco/coco_matches.h>

namespace rcnn::eval {
namespace {

constexpr int64_t kNone = CocoMatches::kNone, kIgnored = CocoMatches::kIgnored;
const std::vector<int64_t> kCategories{3, 90};

CocoMatches matches_of(const std::vector<CocoTruth>& truths, const std::vector<CocoDetection>& detections) {
  return coco_matches(truths, detections, kCategories);
}

TEST(CocoMatches, TheBetterScoreTakesTheObject) {
  const auto matches = matches_of({{.image_id = 1, .category_id = 3, .box = {0, 0, 10, 10}}},
                                  {{.image_id = 1, .category_id = 3, .box = {0, 0, 10, 10}, .score = 0.5},
                                   {.image_id = 1, .category_id = 3, .box = {0, 0, 10, 9}, .score = 0.9},
                                   {.image_id = 2, .category_id = 3, .box = {0, 0, 10, 10}, .score = 0.9}});
  EXPECT_EQ(matches.of_detections, (std::vector<int64_t>{kNone, 0, kNone}));
  EXPECT_EQ(matches.of_truths, (std::vector<int64_t>{1}));
}

TEST(CocoMatches, ClassAndIouDecide) {
  const std::vector<CocoTruth> truths{{.image_id = 1, .category_id = 3, .box = {0, 0, 10, 10}},
                                      {.image_id = 1, .category_id = 90, .box = {50, 0, 10, 10}}};
  const auto matches =
      matches_of(truths, {{.image_id = 1, .category_id = 90, .box = {0, 0, 10, 10}, .score = 0.9},
                          {.image_id = 1, .category_id = 3, .box = {0, 0, 10, 5}, .score = 0.8},
                          {.image_id = 1, .category_id = 90, .box = {50, 0, 10, 4.9}, .score = 0.7}});
  EXPECT_EQ(matches.of_detections, (std::vector<int64_t>{kNone, 0, kNone})) << "0.5 reaches 0.5";
  EXPECT_EQ(matches.of_truths, (std::vector<int64_t>{1, kNone}));
  EXPECT_EQ(coco_matches(truths, {}, kCategories, {}).of_truths, (std::vector<int64_t>{kNone, kNone}));
}

TEST(CocoMatches, CrowdsAndOtherCategoriesDoNotCount) {
  const auto matches = matches_of({{.image_id = 1, .category_id = 3, .box = {0, 0, 100, 100}, .crowd = true},
                                   {.image_id = 1, .category_id = 7, .box = {0, 0, 10, 10}}},
                                  {{.image_id = 1, .category_id = 3, .box = {0, 0, 10, 10}, .score = 0.9},
                                   {.image_id = 1, .category_id = 3, .box = {20, 0, 10, 10}, .score = 0.8},
                                   {.image_id = 1, .category_id = 3, .box = {200, 0, 10, 10}, .score = 0.8},
                                   {.image_id = 1, .category_id = 7, .box = {0, 0, 10, 10}, .score = 0.8}});
  EXPECT_EQ(matches.of_detections, (std::vector<int64_t>{kIgnored, kIgnored, kNone, kIgnored}));
  EXPECT_EQ(matches.of_truths, (std::vector<int64_t>{kIgnored, kIgnored}));
}

TEST(CocoMatches, AreThoseOfCocoMap) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto uniform = [&](double low, double high) {
    return std::uniform_real_distribution(low, high)(random);
  };
  std::vector<CocoTruth> truths;
  std::vector<CocoDetection> detections;
  for (int i = 0; i < 300; ++i) {
    const auto image = static_cast<int64_t>(uniform(1, 20)), category = kCategories[i % 2];
    const std::array<double, 4> box{uniform(0, 50), uniform(0, 50), uniform(10, 40), uniform(10, 40)};
    truths.push_back(
        {.image_id = image, .category_id = category, .box = box, .area = 500, .crowd = i % 17 == 0});
    for (int j = 0; j < 2; ++j) {
      auto near = box;
      for (auto& side : near) side += uniform(-4, 4);
      detections.push_back({.image_id = image, .category_id = category, .box = near, .score = uniform(0, 1)});
    }
  }
  const auto map = coco_map(truths, detections, kCategories, {.max_detections = {1, 10, 1000}});
  for (const auto& [threshold, place] : {std::pair(0.5, 0), {0.75, 5}}) {
    const auto matches = coco_matches(truths, detections, kCategories, {.iou_threshold = threshold});
    for (int64_t k = 0; k < 2; ++k) {
      int64_t found = 0, there = 0;
      for (size_t i = 0; i < truths.size(); ++i) {
        if (truths[i].category_id != kCategories[static_cast<size_t>(k)]) continue;
        there += matches.of_truths[i] != kIgnored;
        found += matches.of_truths[i] >= 0;
        if (matches.of_truths[i] >= 0) {
          EXPECT_EQ(matches.of_detections[static_cast<size_t>(matches.of_truths[i])],
                    static_cast<int64_t>(i));
        }
      }
      EXPECT_EQ(there, map.truths_at(k, 0));
      EXPECT_GT(found, 0);
      EXPECT_DOUBLE_EQ(static_cast<double>(found) / static_cast<double>(there),
                       map.recall_at(place, k, 0, 2));
    }
  }
}

}  // namespace
}  // namespace rcnn::eval
