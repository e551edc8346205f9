#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/dataset.h>
#include <rcnn/error.h>

#include "tests/support/message_of.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Three : public Dataset {
 public:
  int64_t size() const override { return 3; }
  const Record& record(int64_t index) const override { return records_.at(static_cast<size_t>(index)); }
  const std::vector<Category>& categories() const override { return categories_; }

 private:
  std::vector<Record> records_ = {
      {.id = "a", .image = "a.jpg", .objects = {{.box = {}, .label = 1}, {.box = {}, .label = 1}}},
      {.id = "b", .image = "b.jpg", .objects = {}},
      {.id = "c",
       .image = "c.jpg",
       .objects = {{.box = {}, .label = 1, .ignore = true}, {.box = {}, .label = 2}}}};
  std::vector<Category> categories_ = {{1, "cat"}, {2, "dining table"}, {3, "zebra"}};
};

TEST(ClassTable, CountsImagesBoxesAndIgnored) {
  EXPECT_EQ(to_table(class_counts(Three())),
            "class          images    boxes  ignored\n"
            "cat                 2        2        1\n"
            "dining table        1        1        0\n"
            "zebra               0        0        0\n"
            "all                 3        3        1\n");
}

TEST(ClassTable, NamesAreWrittenWithoutControlCharacters) {
  EXPECT_EQ(to_table({{.name = "a\x1b[2J\nb", .images = 1, .boxes = 2, .ignored = 3}}),
            "class         images    boxes  ignored\n"
            "a\\x1b[2J\\nb        1        2        3\n");
}

TEST(Dataset, ReadsTheImageOfTheRecord) {
  try {
    Three().image(1);
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("b.jpg"), std::string::npos) << error.what();
  }
}

/// One image of 6 x 4 pixels.
class One : public Dataset {
 public:
  explicit One(Record record) : record_(std::move(record)) {}
  int64_t size() const override { return 1; }
  const Record& record(int64_t) const override { return record_; }
  const std::vector<Category>& categories() const override { return categories_; }
  at::Tensor image(int64_t) const override { return at::zeros({4, 6, 3}, at::kByte); }

 private:
  Record record_;
  std::vector<Category> categories_ = {{1, "cat"}, {2, "dog"}};
};

One labelled(int64_t label, bool ignore = false) {
  return One({.id = "a7", .image = {}, .objects = {{{0, 0, 1, 1}, 1}, {{0, 0, 1, 1}, label, ignore}}});
}

TEST(CheckLabels, AreThoseOfTheCategories) {
  EXPECT_NO_THROW(check_labels(labelled(1)));
  EXPECT_NO_THROW(check_labels(labelled(2)));
  for (const bool ignore : {false, true}) {
    for (const int64_t label : {-1, 0, 3}) {
      EXPECT_THAT(message_of<DataError>([&] { check_labels(labelled(label, ignore)); }),
                  AllOf(HasSubstr("record a7"), HasSubstr("the label " + std::to_string(label)),
                        HasSubstr("2 categories")));
    }
  }
}

TEST(CheckedImage, HasTheSizeOfItsRecord) {
  EXPECT_EQ(checked_image(One({.id = "a7", .image = {}, .size = {4, 6}, .objects = {}}), 0).size(0), 4);
  EXPECT_EQ(checked_image(One({.id = "a7", .image = {}, .objects = {}}), 0).size(0), 4) << "of no size";
  EXPECT_THAT(message_of<DataError>([] {
                checked_image(One({.id = "a7", .image = "x/a.png", .size = {6, 4}, .objects = {}}), 0);
              }),
              AllOf(HasSubstr("x/a.png: has 6 x 4 pixels, and had 4 x 6")));
  EXPECT_THAT(message_of<DataError>([] {
                checked_image(One({.id = "a7", .image = {}, .size = {4, 7}, .objects = {}}), 0);
              }),
              HasSubstr("record a7"));
}

}  // namespace
}  // namespace rcnn::data
