#include <limits>
#include <string>
#include <vector>

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <rcnn/eval/errors/confusion.h>

#include "tests/eval/objects.h"

namespace rcnn::eval {
namespace {

constexpr std::array<double, 4> kNear = {0, 0, 50, 40};  // IoU with kBox: 0.8
const std::vector<std::string> kNames = {"dog", "cat"};

std::vector<int64_t> counts(const std::vector<CocoTruth>& truths,
                            const std::vector<CocoDetection>& detections,
                            const ConfusionOptions& options = {}) {
  return confusion(truths, detections, kDogCat, options).counts;
}

TEST(Confusion, RowsAreWhatIsThereAndColumnsWhatWasFound) {
  const auto result = confusion(
      std::vector{truth(3, kBox), truth(90, {100, 0, 50, 50}), truth(90, kFar)},
      std::vector{detection(90, kNear, 0.9), detection(90, kFar, 0.8), detection(3, {400, 0, 9, 9}, 0.7)},
      kDogCat);
  EXPECT_EQ(result.counts, (std::vector<int64_t>{0, 1, 0,     // the dog, found as a cat
                                                 0, 1, 1,     // two cats, one of them missed
                                                 1, 0, 0}));  // a dog where nothing is
  EXPECT_EQ(result.at(0, 1), 1);
  EXPECT_EQ(result.at(2, 0), 1);
  EXPECT_EQ(to_text(result, kNames),
            "Objects found: 1 as what they are, 1 as another class; missed: 1; found where nothing is: 1\n"
            "  dog -> cat  1\n");
}

TEST(Confusion, TheBetterScoreTakesTheObjectWhateverItsCategory) {
  EXPECT_EQ(counts({truth(3, kBox)}, {detection(3, kBox, 0.8), detection(90, kNear, 0.9)}),
            (std::vector<int64_t>{0, 1, 0, 0, 0, 0, 1, 0, 0}));
}

TEST(Confusion, TheHighestIouIsTakenAndAmongEqualOnesTheSameCategory) {
  EXPECT_EQ(counts({truth(3, kNear), truth(90, kBox)}, {detection(3, kBox, 0.8)}),
            (std::vector<int64_t>{0, 0, 1, 1, 0, 0, 0, 0, 0}));
  const std::vector<int64_t> one_dog = {1, 0, 0, 0, 0, 1, 0, 0, 0};
  EXPECT_EQ(counts({truth(3, kBox), truth(90, kBox)}, {detection(3, kBox, 0.8)}), one_dog);
  EXPECT_EQ(counts({truth(90, kBox), truth(3, kBox)}, {detection(3, kBox, 0.8)}), one_dog);
}

TEST(Confusion, ThresholdsAreReached) {
  const std::vector<int64_t> found = {1, 0, 0, 0, 0, 0, 0, 0, 0}, missed = {0, 0, 1, 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(counts({truth(3, kBox)}, {detection(3, kBox, 0.3)}), found);
  EXPECT_EQ(counts({truth(3, kBox)}, {detection(3, kBox, 0.29)}), missed);
  EXPECT_EQ(counts({truth(3, kBox)}, {detection(3, kNear, 0.5)}, {.iou_threshold = 0.8}), found);
  EXPECT_EQ(counts({truth(3, kBox)}, {detection(3, kNear, 0.5)}, {.iou_threshold = 0.81}),
            (std::vector<int64_t>{0, 0, 1, 0, 0, 0, 1, 0, 0}));
}

TEST(Confusion, CrowdsAreNeitherMissedNorBackgroundForTheirCategory) {
  const auto crowd = truth(3, {0, 0, 200, 200}, /*crowd=*/true);
  EXPECT_EQ(counts({crowd}, {detection(3, kBox, 0.9), detection(90, kBox, 0.9)}),
            (std::vector<int64_t>{0, 0, 0, 0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(counts({crowd, truth(3, kBox)}, {detection(3, kBox, 0.9)}),
            (std::vector<int64_t>{1, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(Confusion, ImagesDoNotMixAndOtherCategoriesAreLeftOut) {
  auto elsewhere = detection(3, kBox, 0.9);
  elsewhere.image_id = 2;
  EXPECT_EQ(counts({truth(3, kBox), truth(7, kFar)}, {elsewhere, detection(7, kFar, 0.9)}),
            (std::vector<int64_t>{0, 0, 1, 0, 0, 0, 1, 0, 0}));
}

TEST(Confusion, EmptyInputsAndWrongOnes) {
  EXPECT_EQ(counts({}, {}), std::vector<int64_t>(9));
  EXPECT_EQ(confusion({}, {}, {}).counts, std::vector<int64_t>{0});
  EXPECT_THROW(counts({}, {}, {.iou_threshold = 0}), std::invalid_argument);
  EXPECT_THROW(counts({}, {detection(3, kBox, std::numeric_limits<double>::quiet_NaN())}),
               std::invalid_argument);
  EXPECT_THROW(confusion({}, {}, std::vector<int64_t>{90, 3}), std::invalid_argument);
  EXPECT_THROW(to_text(confusion({}, {}, kDogCat), std::vector<std::string>{"dog"}), std::invalid_argument);
}

TEST(Confusion, OnlyTheMostFrequentAreListed) {
  Confusion result{.categories = 3, .counts = std::vector<int64_t>(16)};
  result.counts[1] = 4;   // a -> b
  result.counts[6] = 7;   // b -> c
  result.counts[8] = 4;   // c -> a
  result.counts[14] = 9;  // background -> c
  EXPECT_EQ(to_text(result, std::vector<std::string>{"a", "b", "c"}, /*rows=*/2),
            "Objects found: 0 as what they are, 15 as another class; missed: 0; found where nothing is: 9\n"
            "  b -> c  7\n"
            "  a -> b  4\n"
            "  and 1 rarer confusions\n");
}

}  // namespace
}  // namespace rcnn::eval
