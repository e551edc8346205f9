#include "text.h"

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

namespace rcnn {
namespace {

TEST(Lower, ChangesAsciiLettersAlone) {
  EXPECT_EQ(lower("Ab@[Zz_9.JPG"), "ab@[zz_9.jpg");
  EXPECT_EQ(lower("\xc3\x84Q"), "\xc3\x84q") << "no byte of another character";
  EXPECT_EQ(lower(""), "");
}

TEST(Trimmed, TakesSpaceFromBothEnds) {
  EXPECT_EQ(trimmed(" \t a b\r\n"), "a b");
  EXPECT_EQ(trimmed("a"), "a");
  EXPECT_EQ(trimmed(" \r\n\t"), "");
  EXPECT_EQ(trimmed(""), "");
}

TEST(Number, IsTheWholeTextOrNothing) {
  EXPECT_EQ(number<int64_t>("-12"), -12);
  EXPECT_EQ(number<double>("1.5e3"), 1500);
  for (const char* text : {"", " 1", "1 ", "+1", "1x", "x", "1.5", "99999999999999999999"})
    EXPECT_FALSE(number<int64_t>(text)) << text;
}

}  // namespace
}  // namespace rcnn
