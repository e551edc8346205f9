#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/problems.h>
#include <rcnn/error.h>

#include "tests/support/message_of.h"

namespace rcnn::data {
namespace {

using testing::HasSubstr;

TEST(Problems, AreGroupedByKindInTheOrderFound) {
  Problems problems;
  problems.error("no box", "a.xml");
  problems.warn("thin", "b.xml");
  for (int i = 0; i < 7; ++i) problems.error("no box", "image_" + std::to_string(i));
  ASSERT_EQ(problems.kinds().size(), 2u);
  EXPECT_EQ(problems.kinds()[0].where.size(), 8u);
  EXPECT_EQ(problems.text(Severity::error),
            "\n  no box: a.xml, image_0, image_1, image_2, image_3 and 3 more");
  EXPECT_EQ(problems.text(Severity::warning), "\n  thin: b.xml");
}

TEST(Problems, APolicySaysHowBadItIs) {
  Problems problems;
  problems.bad(Policy::skip, "bad_images", "no image", "a");
  EXPECT_FALSE(problems.has(Severity::error));
  EXPECT_EQ(problems.text(Severity::warning), "\n  dropped: no image: a");
  problems.bad(Policy::stop, "bad_images", "no image", "b");
  EXPECT_EQ(problems.text(Severity::error), "\n  no image (bad_images=skip leaves it out): b");
}

TEST(Problems, FurtherOnesAreTakenIn) {
  Problems problems, more;
  problems.warn("thin", "a");
  more.warn("thin", "b");
  more.error("no box", "c");
  problems.add(more);
  EXPECT_EQ(problems.text(Severity::warning), "\n  thin: a, b");
  problems.add(more, "two");
  EXPECT_EQ(problems.text(Severity::error), "\n  no box: c, two: c");
}

TEST(Problems, NamesStayInTheirLine) {
  Problems problems;
  problems.error("no box", "a\x1b[2J\nwarning: b.xml");
  EXPECT_EQ(problems.text(Severity::error), "\n  no box: a\\x1b[2J\\nwarning: b.xml");
}

TEST(Problems, ErrorsAreThrownAndWarningsLogged) {
  Problems problems;
  EXPECT_NO_THROW(problems.settle("set"));
  problems.warn("thin", "a");
  testing::internal::CaptureStderr();
  problems.settle("set");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("warning: set: thin: a\n"));
  problems.error("no box", "b");
  EXPECT_THAT(message_of<DataError>([&] { problems.settle("set"); }), "set: cannot be used: no box: b");
  problems.error("no image", "c");
  EXPECT_THAT(message_of<DataError>([&] { problems.settle("set"); }),
              "set: cannot be used:\n  no box: b\n  no image: c");
}

}  // namespace
}  // namespace rcnn::data
