#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/categories.h>
#include <rcnn/error.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class CategoriesFile : public testing::Test {
 protected:
  std::vector<Category> read(const std::string& text) {
    return read_categories(folder_.write("classes.txt", text));
  }
  std::string error(const std::string& text) {
    return message_of<DataError>([&] { read(text); });
  }
  TempFolder folder_;
};

TEST_F(CategoriesFile, NamesAreNumberedInTheirOrder) {
  EXPECT_EQ(read("person\n  traffic light \r\n\nbus"),
            (std::vector<Category>{{1, "person"}, {2, "traffic light"}, {3, "bus"}}));
}

TEST_F(CategoriesFile, IdsMayStandInFront) {
  EXPECT_EQ(read("1 person\n13\tstop sign\n0 x\n"),
            (std::vector<Category>{{1, "person"}, {13, "stop sign"}, {0, "x"}}));
  EXPECT_EQ(read("3d printer\n7"), (std::vector<Category>{{1, "3d printer"}, {2, "7"}}));
}

TEST_F(CategoriesFile, ErrorsNameTheLine) {
  EXPECT_THAT(error("1 person\n\nbus\n"), AllOf(HasSubstr("classes.txt: line 3"), HasSubstr("'bus'")));
  EXPECT_THAT(error("1 person\n1 bus\n"), AllOf(HasSubstr("line 2"), HasSubstr("id 1")));
  EXPECT_THAT(error(" \n"), HasSubstr("names no class"));
  EXPECT_THAT(message_of<DataError>([&] { read_categories(folder_.path() / "none.txt"); }),
              AllOf(HasSubstr("none.txt"), HasSubstr("cannot be read")));
  EXPECT_THAT(message_of<DataError>([&] { read_categories(folder_.path()); }), HasSubstr("cannot be read"));
}

TEST(LabelsOf, TakesNamesAndIdsInAnyOrder) {
  const std::vector<Category> categories = {{7, "person"}, {13, "stop sign"}, {20, "13"}, {2, "bus"}};
  EXPECT_EQ(labels_of({"bus", "person", "bus"}, categories), (std::vector<int64_t>{1, 4}));
  EXPECT_EQ(labels_of({"7", "stop sign"}, categories), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(labels_of({"13"}, categories), (std::vector<int64_t>{3}));  // a name comes first
  EXPECT_TRUE(labels_of({}, categories).empty());
  EXPECT_THAT(message_of<ConfigError>([&] {
                labels_of({"bus", "persn"}, categories);
              }),
              AllOf(HasSubstr("no class 'persn'"), HasSubstr("did you mean person?")));
  EXPECT_THAT(message_of<ConfigError>([&] { labels_of({"zebra"}, categories); }),
              HasSubstr("known: person, stop sign, 13, bus"));
  EXPECT_THROW(labels_of({""}, categories), ConfigError);
  EXPECT_THROW(labels_of({"x"}, {}), ConfigError);
}

TEST_F(CategoriesFile, AFileOfGigabytesIsRefusedUnread) {
  const auto file = folder_.write("zeros.txt", "");
  std::filesystem::resize_file(file, 3'000'000'000);
  EXPECT_THAT(message_of<DataError>([&] { read_categories(file); }), HasSubstr("more than 16 MB"));
}

}  // namespace
}  // namespace rcnn::data
