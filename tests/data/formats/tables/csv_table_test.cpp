#include "data/formats/tables/csv_table.h"

#include <cmath>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/error.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

struct Read {
  std::vector<CsvRow> rows = {};
  std::vector<int64_t> lines = {};
};

Read read(CsvTable table) {
  Read read;
  CsvFields fields;
  while (table.next(fields)) {
    read.rows.emplace_back(fields.begin(), fields.end());
    read.lines.push_back(table.line());
  }
  return read;
}

Read read(const std::string& text) {
  return read(CsvTable("t.csv", text));
}

std::string refusal(const std::string& text) {
  return message_of<DataError>([&] { read(text); });
}

// RFC 4180, section 2, and what Python's csv module writes.
TEST(CsvTable, QuotesHoldDelimitersLinesAndQuotes) {
  EXPECT_THAT(read("a,\"b, \"\"c\"\"\",\"d\r\ne\"\r\nf,,\" g \"\r\n").rows,
              ElementsAre(ElementsAre("a", "b, \"c\"", "d\r\ne"), ElementsAre("f", "", " g ")));
  EXPECT_THAT(read("a\"b,c\" d\n").rows, ElementsAre(ElementsAre("a\"b", "c\" d"))) << "within a field";
  EXPECT_THAT(read("\"a\"b,\"\",\"c\" ,  \"d\"\n").rows, ElementsAre(ElementsAre("ab", "", "c", "d")));
}

TEST(CsvTable, LinesEndInAnyWay) {
  const auto expected = ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "d"));
  for (const char* text :
       {"a,b\nc,d\n", "a,b\r\nc,d\r\n", "a,b\rc,d\r", "a,b\nc,d", "\xef\xbb\xbf a ,\tb\n\n , \nc, d"})
    EXPECT_THAT(read(text).rows, expected) << text;
  EXPECT_THAT(read("a,b\n\n\"c\nd\",e\nf,g\n").lines, ElementsAre(1, 3, 5)) << "where rows begin";
  EXPECT_TRUE(read("").rows.empty());
  EXPECT_TRUE(read("\n\r\n,,\n").rows.empty());
}

TEST(CsvTable, TheFirstLineTellsTheDelimiter) {
  EXPECT_THAT(read("a;b,c;d\n1,5;2;3\n").rows,
              ElementsAre(ElementsAre("a", "b,c", "d"), ElementsAre("1,5", "2", "3")));
  EXPECT_THAT(read("a\tb\n1\t\n").rows, ElementsAre(ElementsAre("a", "b"), ElementsAre("1", "")));
  EXPECT_THAT(read("a,\"b;c;d;e\"\n").rows, ElementsAre(ElementsAre("a", "b;c;d;e")))
      << "not what is in quotes";
}

TEST(CsvTable, NumbersHaveAPointOrTheCommaOfTheirTable) {
  const CsvTable commas("t.csv", "a,b\n"), semicolons("t.csv", "a;b\n");
  EXPECT_EQ(commas.number_of("-1.5e2"), -150);
  EXPECT_EQ(semicolons.number_of("12,5"), 12.5);
  EXPECT_EQ(semicolons.number_of("12.5"), 12.5);
  for (const char* text : {"", "nan", "inf", "1e999", "12px", "1,5", "1 5"})
    EXPECT_TRUE(std::isnan(commas.number_of(text))) << text;
  EXPECT_TRUE(std::isnan(semicolons.number_of("1,5,0")));
}

TEST(CsvTable, WhatCannotBeReadIsNamedWithItsLine) {
  EXPECT_THAT(refusal("a,b\nc,\"d\ne,f\n"),
              AllOf(HasSubstr("t.csv line 2"), HasSubstr("a quote is not closed")));
  EXPECT_THAT(refusal("a\n\"" + std::string(1'100'000, 'x')),
              AllOf(HasSubstr("line 2"), HasSubstr("million bytes")));
  EXPECT_THAT(refusal("a,b\nK\xfc"
                      "he,1\n"),
              AllOf(HasSubstr("line 2"), HasSubstr("0xfc"), HasSubstr("UTF-8")));
  EXPECT_THAT(refusal(std::string("\xff\xfe"
                                  "a\0,\0",
                                  6)),
              HasSubstr("UTF-16"));
  EXPECT_THAT(message_of<DataError>([] { CsvTable("/no/such.csv"); }),
              HasSubstr("/no/such.csv: cannot be read"));
}

TEST(CsvTable, FilesAreReadInBlocksWhereverTheyEnd) {
  const TempFolder folder;
  std::string text;
  for (int i = 0; i < 80'000; ++i)
    text += "\"name, \"\"" + std::to_string(i) + "\"\"\",K\xc3\xbche," + std::to_string(i) + "\r\n";
  ASSERT_GT(text.size(), 2u << 20) << "several blocks";
  const auto whole = read(CsvTable(folder.write("t.csv", text)));
  ASSERT_EQ(whole.rows.size(), 80'000u);
  for (size_t i = 0; i < whole.rows.size(); ++i) {
    ASSERT_THAT(whole.rows[i],
                ElementsAre("name, \"" + std::to_string(i) + "\"", "K\xc3\xbche", std::to_string(i)));
    ASSERT_EQ(whole.lines[i], static_cast<int64_t>(i) + 1);
  }
}

TEST(CsvTable, AHeadIsReadWithoutTheRowThatIsCutOff) {
  EXPECT_THAT(first_rows("a,b\nc,d\ne", 10, false),
              ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "d")));
  EXPECT_THAT(first_rows("a,b\nc,d\ne", 10, true), testing::SizeIs(3));
  EXPECT_THAT(first_rows("a,b\nc,\"d\ne", 10, false), ElementsAre(ElementsAre("a", "b")));
  EXPECT_THAT(first_rows("a\nb\nc\nd\n", 2, true), ElementsAre(ElementsAre("a"), ElementsAre("b")));
  EXPECT_TRUE(first_rows("\xff\xfe", 2, true).empty());
}

TEST(CsvTable, FieldsAsJsonKeepTheirType) {
  EXPECT_EQ(json_of_field("4.50"), "4.50");
  EXPECT_EQ(json_of_field("true"), "true");
  EXPECT_EQ(json_of_field("007"), "\"007\"");
  EXPECT_EQ(json_of_field("K\xc3\xbche \"x\""), "\"K\xc3\xbche \\\"x\\\"\"");
  EXPECT_EQ(json_of_field(""), "\"\"");
}

}  // namespace
}  // namespace rcnn::data
