#include "vis/report/html.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace rcnn::vis {
namespace {

TEST(Html, MarkupIsEscaped) {
  EXPECT_EQ(escaped("<b a='x'>\"R&D\"</b>"), "&lt;b a=&#39;x&#39;&gt;&quot;R&amp;D&quot;&lt;/b&gt;");
  EXPECT_EQ(escaped("Käse 猫\n\t"), "Käse 猫\n\t");
  EXPECT_EQ(escaped(""), "");
}

TEST(Html, WhatIsNoTextIsReplaced) {
  EXPECT_EQ(escaped("a\xff"), "a\xef\xbf\xbd");
  EXPECT_EQ(escaped("\xc3"), "\xef\xbf\xbd") << "cut off";
  EXPECT_EQ(escaped(std::string_view("a\0b\x1b", 4)),
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd");
}

TEST(Html, Numbers) {
  EXPECT_EQ(fixed(0.12345), "0.123");
  EXPECT_EQ(fixed(std::nan("")), "–");
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(-123), "-123");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(grouped(-123456), "-123,456");
  EXPECT_EQ(counted(1, "image"), "1 image");
  EXPECT_EQ(counted(2000, "image"), "2,000 images");
}

TEST(Html, Base64) {
  const auto of = [](std::string_view text) {
    return base64(std::vector<uint8_t>(text.begin(), text.end()));
  };
  // RFC 4648, section 10.
  EXPECT_EQ(of(""), "");
  EXPECT_EQ(of("f"), "Zg==");
  EXPECT_EQ(of("fo"), "Zm8=");
  EXPECT_EQ(of("foo"), "Zm9v");
  EXPECT_EQ(of("foobar"), "Zm9vYmFy");
  EXPECT_EQ(of("\xff\xfe\xfd"), "//79");
}

}  // namespace
}  // namespace rcnn::vis
