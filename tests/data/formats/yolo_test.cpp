#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/formats/yolo.h>
#include <rcnn/data/images/image.h>
#include <rcnn/data/tools/convert.h>
#include <rcnn/data/tools/locate.h>

#include "tests/support/german_locale.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class YoloTest : public testing::Test {
 protected:
  void picture(const std::string& name) {
    write_image(folder_.write(name, ""), at::full({50, 100, 3}, 100, at::kByte));
  }
  std::vector<AnnotatedPart> read() { return read_yolo(folder_.path(), {{1, "cat"}, {2, "dog"}}, problems_); }
  TempFolder folder_;
  Problems problems_;
};

TEST_F(YoloTest, SharesBecomePixels) {
  picture("images/train/a.jpg");
  picture("images/train/b.png");
  picture("images/val/c.jpg");
  folder_.write("labels/train/a.txt", "1 0.5 0.5 0.2 0.4\r\n\n0 0.1 0.2 0.3 0.2 0.2 0.6\n");
  folder_.write("labels/val/c.txt", "");
  ASSERT_TRUE(is_yolo(folder_.path()));
  const auto parts = read();
  EXPECT_EQ(problems_.text(Severity::error), "");
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].name, "train");
  const auto& content = parts[0].content;
  EXPECT_EQ(content.categories, (std::vector<Category>{{1, "cat"}, {2, "dog"}}));
  ASSERT_EQ(content.images.size(), 2u);
  EXPECT_EQ(content.images[1].file_name, "b.png");
  EXPECT_EQ(content.images[1].size, (ImageSize{50, 100}));
  ASSERT_EQ(content.annotations.size(), 2u);
  EXPECT_EQ(content.annotations[0].category_id, 2);
  EXPECT_EQ(content.annotations[0].box, (std::array<double, 4>{40, 15, 20, 20}));
  EXPECT_EQ(content.annotations[1].box, (std::array<double, 4>{10, 10, 20, 20}));
  EXPECT_EQ(content.details[1].segmentation, "[[10, 10, 30, 10, 20, 30]]");
  EXPECT_EQ(parts[1].content.images[0].id, 3) << "numbered through all parts";
  EXPECT_TRUE(parts[1].content.annotations.empty());
}

TEST_F(YoloTest, OtherLayoutsAreKnown) {
  picture("valid/images/a.jpg");
  folder_.write("valid/labels/a.txt", "0 0.5 0.5 1 1\n");
  EXPECT_EQ(read().at(0).name, "valid");
  const TempFolder flat;
  write_image(flat.write("images/a.jpg", ""), at::full({5, 5, 3}, 1, at::kByte));
  EXPECT_FALSE(is_yolo(flat.path()));
  flat.write("labels/a.txt", "0 0.5 0.5 1 1\n");
  EXPECT_TRUE(is_yolo(flat.path()));
  EXPECT_EQ(read_yolo(flat.path(), {{1, "cat"}}, problems_).at(0).content.annotations.size(), 1u);
}

TEST_F(YoloTest, WrongLinesAreNamed) {
  picture("images/a.jpg");
  folder_.write(
      "labels/a.txt",
      "2 0.5 0.5 0.2 0.4\n0 0.5 0.5 0.2\n0 0.5 0.5 0.2 1.4\ncat 0.5 0.5 1 1\n0.5 0.5 0.5 1 1\n0 1 1 1 1 1\n");
  const auto parts = read();
  EXPECT_TRUE(parts[0].content.annotations.empty());
  EXPECT_THAT(
      problems_.text(Severity::error),
      AllOf(HasSubstr("none of the 2 listed: a.txt line 1 (2), a.txt line 5 (0.5)"),
            HasSubstr("numbers from 0 to 1: a.txt line 2, a.txt line 3, a.txt line 4, a.txt line 6")));
}

TEST_F(YoloTest, ADecimalCommaOfTheHostsLocaleChangesNothing) {
  picture("images/a.jpg");
  folder_.write("labels/a.txt", "1 +0.5 5e-1 0.2 0.4\n0 0.1 0.2 0.3 0.2 0.25 0.65\n");
  const auto expected = read();
  const GermanLocale german;
  if (!german) GTEST_SKIP() << GermanLocale::kNone;
  const auto parts = read();
  EXPECT_EQ(problems_.text(Severity::error), "");
  ASSERT_EQ(parts[0].content.annotations.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(parts[0].content.annotations[i].box, expected[0].content.annotations[i].box);
    EXPECT_EQ(parts[0].content.details[i].segmentation, expected[0].content.details[i].segmentation);
  }
  // What is written of it, and read again.
  for (const auto write : {write_voc, write_coco}) {
    const auto output = folder_.path() / (write == write_voc ? "voc" : "coco");
    write(output, parts, ImageFiles::copy);
    Problems problems;
    const auto again = read_parts(locate(output), problems);
    EXPECT_EQ(problems.text(Severity::error), "");
    EXPECT_EQ(again.at(0).content.annotations.at(1).box, expected[0].content.annotations[1].box);
  }
}

TEST_F(YoloTest, WordsThatAreNoNumbersAreSaid) {
  picture("images/a.jpg");
  for (const char* line :
       {"0 0,5 0.5 0.2 0.4", "0 nan 0.5 0.2 0.4", "0 0.5 0.5 0.2 inf", "0 0.5 0.5 0.2 0.4x"}) {
    problems_ = {};
    folder_.write("labels/a.txt", line);
    EXPECT_TRUE(read()[0].content.annotations.empty());
    EXPECT_THAT(problems_.text(Severity::error), HasSubstr("a.txt line 1")) << line;
  }
}

TEST_F(YoloTest, LabelsOfGigabytesAreRefusedUnread) {
  picture("images/a.jpg");
  std::filesystem::resize_file(folder_.write("labels/a.txt", ""), 3'000'000'000);
  read();
  EXPECT_THAT(problems_.text(Severity::error), HasSubstr("more than 64 MB"));
}

}  // namespace
}  // namespace rcnn::data
