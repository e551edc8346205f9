#include "data/images/remarks.h"

#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rcnn::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <class Action>
std::string logged(Action action) {
  testing::internal::CaptureStderr();
  action();
  return testing::internal::GetCapturedStderr();
}

TEST(ImageRemarksTest, EachKindIsLoggedOnceAProcess) {
  EXPECT_THAT(logged([] { remark("a.jpg", "odd in a way"); }), HasSubstr("warning: a.jpg: odd in a way"));
  EXPECT_EQ(logged([] { remark("b.jpg", "odd in a way"); }), "");
  EXPECT_EQ(logged([] { std::thread([] { remark("c.jpg", "odd in a way"); }).join(); }), "");
  EXPECT_THAT(logged([] { remark("b.jpg", "odd in another way"); }), HasSubstr("b.jpg: odd in another way"));
  mark_reported("odd in a third way");
  EXPECT_EQ(logged([] { remark("b.jpg", "odd in a third way"); }), "");
}

TEST(ImageRemarksTest, WhoCollectsGetsAllOfTheThread) {
  const auto text = logged([] {
    ImageRemarks outer;
    remark("a.jpg", "collected");
    {
      ImageRemarks inner;
      remark("a.jpg", "collected");
      remark("a.jpg", "and more");
      EXPECT_THAT(inner.take(), ElementsAre("collected", "and more"));
    }
    std::thread([] { remark("d.jpg", "odd in a thread"); }).join();
    EXPECT_THAT(outer.take(), ElementsAre("collected"));
  });
  EXPECT_THAT(text, HasSubstr("d.jpg: odd in a thread"));
  EXPECT_THAT(logged([] { remark("e.jpg", "collected"); }), HasSubstr("e.jpg: collected"))
      << "not said before";
}

}  // namespace
}  // namespace rcnn::data
