#include <string>

#include <gtest/gtest.h>

#include <rcnn/printable.h>

namespace rcnn {
namespace {

using namespace std::string_literals;

TEST(Printable, TextStaysAsItIs) {
  for (const char* text : {"", "cat", "Kühe 猫 😀", "C:\\images\\a.jpg", "~ \"quoted\" {}"}) {
    EXPECT_EQ(printable(text), text);
    EXPECT_EQ(printable_lines(text), text);
  }
}

TEST(Printable, WhatATerminalWouldObeyIsEscaped) {
  EXPECT_EQ(printable("a\x1b[2Jb"), "a\\x1b[2Jb");
  EXPECT_EQ(printable("\a\b\x7f\0"s), "\\x07\\x08\\x7f\\x00");
  EXPECT_EQ(printable("one\nerror: two\r\t"), "one\\nerror: two\\r\\t");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            "\\x9b2J");                                       // C1's CSI in UTF-8
  EXPECT_EQ(printable("a\u202egnp.exe"), "a\\u202egnp.exe");  // right to left
  EXPECT_EQ(printable("\u2028\u2066\u2069\u200f"), "\\u2028\\u2066\\u2069\\u200f");
}

TEST(Printable, BytesThatAreNotUtf8AreEscaped) {
  EXPECT_EQ(printable("K\xfch"), "K\\xfch");
  EXPECT_EQ(printable("\x9b[2J"), "\\x9b[2J");              // C1's CSI as a byte
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(printable("\xe7\x8c"), "\\xe7\\x8c");           // cut within a character
  EXPECT_EQ(printable("\xc0\x9b"), "\\xc0\\x9b");           // no shortest form
}

TEST(Printable, LinesKeepTheirNewlinesAlone) {
  EXPECT_EQ(printable_lines("a\nb\x1b\n"), "a\nb\\x1b\n");
}

}  // namespace
}  // namespace rcnn
