#include <gtest/gtest.h>

#include <rcnn/data/dataset.h>

namespace rcnn::data {
namespace {

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

}  // namespace
}  // namespace rcnn::data
