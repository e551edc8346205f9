#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <rcnn/eval/coco/best_overlap.h>

#include "tests/eval/objects.h"

namespace rcnn::eval {
namespace {

TEST(BestOverlap, IsTheMeanOfTheBestIouOfEachObject) {
  // Two dogs, of which one is covered by half and one not at all, a cat that the second proposal covers, and
  // a crowd.
  const std::vector<CocoTruth> truths = {truth(3, kBox), truth(3, {500, 500, 9, 9}), truth(90, kFar),
                                         truth(90, kBox, /*crowd=*/true)};
  const std::vector<CocoDetection> proposals = {detection(1, kFar, 0.5), detection(1, {0, 0, 50, 25}, 0.9)};
  const auto overlap = best_overlap(truths, proposals, kDogCat, {.limits = {1, 2, 100}});
  EXPECT_EQ(overlap.truths, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(overlap.abo, (std::vector<double>{0.25, 0.25, 0.25, 0, 1, 1}));
  EXPECT_EQ(overlap.mean(0), 0.125);
  EXPECT_EQ(overlap.mean(1), 0.625);
  EXPECT_EQ(overlap.mean(2), 0.625);
}

TEST(BestOverlap, CategoriesWithoutObjectsDoNotCount) {
  const std::vector<CocoDetection> proposals = {detection(1, kBox, 0.5)};
  const auto overlap = best_overlap(std::vector{truth(90, kBox)}, proposals, kDogCat);
  EXPECT_EQ(overlap.abo_at(0, 0), -1);
  EXPECT_EQ(overlap.abo_at(1, 0), 1);
  EXPECT_EQ(overlap.mean(0), 1);
  EXPECT_EQ(best_overlap({}, proposals, kDogCat).mean(0), -1);
  EXPECT_EQ(best_overlap(std::vector{truth(90, kBox)}, {}, kDogCat).mean(4), 0);
}

/// By the definition, in whole pixels: the shares of two boxes' pixels.
double pixels_iou(const std::array<double, 4>& a, const std::array<double, 4>& b) {
  int both = 0, any = 0;
  for (int y = 0; y < 60; ++y) {
    for (int x = 0; x < 60; ++x) {
      const auto in = [&](const auto& box) {
        return x >= box[0] && x < box[0] + box[2] && y >= box[1] && y < box[1] + box[3];
      };
      both += in(a) && in(b);
      any += in(a) || in(b);
    }
  }
  return static_cast<double>(both) / any;
}

TEST(BestOverlap, IsThatOfCountedPixels) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto below = [&](int end) { return static_cast<int>(random() % static_cast<unsigned>(end)); };
  const auto box = [&]() -> std::array<double, 4> {
    return {double(below(30)), double(below(30)), 1.0 + below(30), 1.0 + below(30)};
  };
  std::vector<CocoTruth> truths;
  std::vector<CocoDetection> proposals;
  for (int i = 0; i < 12; ++i) {
    truths.push_back(truth(kDogCat[static_cast<size_t>(below(2))], box()));
    truths.back().image_id = below(3);
  }
  for (int i = 0; i < 40; ++i) {
    proposals.push_back(detection(below(5), box(), below(4) * 0.25));  // many equal
    proposals.back().image_id = below(3);
  }
  const std::vector<int64_t> limits = {1, 4, 30};
  const auto overlap = best_overlap(truths, proposals, kDogCat, {.limits = limits});
  for (size_t k = 0; k < 2; ++k) {
    for (size_t m = 0; m < limits.size(); ++m) {
      double sum = 0;
      int count = 0;
      for (const auto& object : truths) {
        if (object.category_id != kDogCat[k]) continue;
        ++count;
        double best = 0;
        for (size_t p = 0; p < proposals.size(); ++p) {
          if (proposals[p].image_id != object.image_id) continue;
          int64_t better = 0;  // proposals that go before this one
          for (size_t q = 0; q < proposals.size(); ++q) {
            better += proposals[q].image_id == object.image_id &&
                      (proposals[q].score > proposals[p].score ||
                       (proposals[q].score == proposals[p].score && q < p));
          }
          if (better < limits[m]) best = std::max(best, pixels_iou(object.box, proposals[p].box));
        }
        sum += best;
      }
      const double expected = count > 0 ? sum / count : -1;
      EXPECT_NEAR(overlap.abo_at(static_cast<int64_t>(k), static_cast<int64_t>(m)), expected, 1e-12);
    }
  }
}

TEST(BestOverlap, TheTableHasALineForEachCategory) {
  const BestOverlapOptions options{.limits = {1, 100}};
  const std::vector<Category> categories = {{3, "dog"}, {90, "cat"}};
  const auto overlap =
      best_overlap(std::vector{truth(3, kBox)},
                   std::vector{detection(1, {0, 0, 50, 25}, 0.9), detection(1, kBox, 0.8)}, kDogCat, options);
  EXPECT_EQ(to_text(overlap, categories, options),
            "Average best overlap\n"
            "proposals       1     100\n"
            "mean        0.500   1.000\n"
            "dog         0.500   1.000\n"
            "cat             -       -\n");
  EXPECT_THROW(to_text(overlap, categories), std::invalid_argument);
}

TEST(BestOverlap, RefusesWhatIsNoNumberAndOptionsOutOfOrder) {
  const std::vector<CocoTruth> truths = {truth(3, kBox)};
  EXPECT_THROW(best_overlap(truths, std::vector{detection(1, kBox, std::nan(""))}, kDogCat),
               std::invalid_argument);
  EXPECT_THROW(best_overlap(truths, {}, kDogCat, {.limits = {100, 10}}), std::invalid_argument);
  EXPECT_THROW(best_overlap(truths, {}, kDogCat, {.limits = {}}), std::invalid_argument);
  EXPECT_THROW(best_overlap(truths, {}, kDogCat, {.limits = {0}}), std::invalid_argument);
  EXPECT_THROW(best_overlap(truths, {}, std::vector<int64_t>{90, 3}), std::invalid_argument);
}

}  // namespace
}  // namespace rcnn::eval
