#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/eval/comparable.h>

namespace rcnn::eval {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Comparable, OnlyWithTheFieldsOptions) {
  EXPECT_THAT(incomparable(CocoMapOptions()), IsEmpty());
  EXPECT_THAT(incomparable(CocoMapOptions{.iou_thresholds = {0.5}}), ElementsAre(HasSubstr("are 0.5, not")));
  EXPECT_THAT(incomparable(CocoMapOptions{.areas = {{"all", 0, 1e9}}}), ElementsAre(HasSubstr("area")));
  EXPECT_THAT(incomparable(CocoMapOptions{.max_detections = {1, 10, 300}}),
              ElementsAre(HasSubstr("best 1, 10, 300 results")));
  EXPECT_THAT(incomparable(VocMapOptions()), IsEmpty());
  EXPECT_THAT(incomparable(VocMapOptions{.rule = VocRule::points11}), IsEmpty());
  EXPECT_THAT(incomparable(VocMapOptions{.iou_threshold = 0.7}), ElementsAre(HasSubstr("0.7, not 0.5")));
}

}  // namespace
}  // namespace rcnn::eval
