#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/coco_file.h>
#include <rcnn/error.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kFile = R"({
  "info": {"year": 2017, "nested": [1, {"a": null}]},
  "images": [{"id": 9007199254740993, "file_name": "a.jpg", "height": 10, "width": 20, "coco_url": "x"},
             {"file_name": "b \u00e9.jpg", "id": 2}],
  "annotations": [
    {"segmentation": [[1.5, 2, 3, 4]], "area": 7.5, "iscrowd": 0, "image_id": 2, "bbox": [1, 2.5, 3, 4], "category_id": 90, "id": 5},
    {"segmentation": {"counts": [1, 2], "size": [10, 20]}, "iscrowd": 1, "image_id": 2, "bbox": [0, 0, 2, 3], "category_id": 1, "id": 6}],
  "categories": [{"supercategory": "s", "id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}]
})";

class CocoFiles : public testing::Test {
 protected:
  CocoFile read(const std::string& text) const { return read_coco_file(folder_.write("gt.json", text)); }
  std::string error(const std::string& text) const {
    return message_of<DataError>([&] { read(text); });
  }
  /// The file with one thing changed.
  std::string error_with(const std::string& from, const std::string& to) const {
    std::string text = kFile;
    const auto found = text.find(from);
    EXPECT_NE(found, std::string::npos) << from;
    return error(text.replace(found, from.size(), to));
  }
  const TempFolder folder_;
};

TEST_F(CocoFiles, EveryEntryArrives) {
  const auto file = read(kFile);
  ASSERT_EQ(file.images.size(), 2u);
  EXPECT_EQ(file.images[0].id, 9007199254740993);  // a double would not hold it
  EXPECT_EQ(file.images[0].size, (ImageSize{10, 20}));
  EXPECT_EQ(file.images[1].file_name, "b é.jpg");
  EXPECT_EQ(file.images[1].size, ImageSize{});
  ASSERT_EQ(file.annotations.size(), 2u);
  EXPECT_EQ(file.annotations[0].box, (std::array{1.0, 2.5, 3.0, 4.0}));
  EXPECT_EQ(file.annotations[0].area, 7.5);
  EXPECT_FALSE(file.annotations[0].crowd);
  EXPECT_TRUE(file.annotations[1].crowd);
  EXPECT_EQ(file.annotations[1].area, 6);
  EXPECT_EQ(file.categories, (std::vector<Category>{{90, "toothbrush"}, {1, "person"}}));
}

TEST_F(CocoFiles, WrongEntriesAreNamed) {
  EXPECT_THAT(error_with("\"image_id\": 2, \"bbox\": [0", "\"image_id\": \"2\", \"bbox\": [0"),
              AllOf(HasSubstr("gt.json: annotations[1]: image_id must be an integer")));
  EXPECT_THAT(error_with("[1, 2.5, 3, 4]", "[1, 2.5, 3]"), HasSubstr("annotations[0]: bbox has 3 numbers"));
  EXPECT_THAT(error_with("[1, 2.5, 3, 4]", "[1, 2.5, 3, 4, 5]"), HasSubstr("annotations[0]: bbox has more"));
  EXPECT_THAT(error_with("[1, 2.5, 3, 4]", "null"), HasSubstr("annotations[0]: bbox must be"));
  EXPECT_THAT(error_with("\"id\": 6", "\"id\": 5"),
              HasSubstr("annotations[1]: the id 5 is there a second time"));
  EXPECT_THAT(error_with(", \"id\": 2}", "}"), HasSubstr("images[1]: has no id"));
  EXPECT_THAT(error_with("9007199254740993", "9223372036854775808"), HasSubstr("images[0]: id must be"));
  EXPECT_THAT(error_with("9007199254740993", "1.5"), HasSubstr("images[0]: id must be"));
  EXPECT_THAT(error_with("\"name\": \"person\"", "\"nam\": \"person\""),
              HasSubstr("categories[1]: has no name"));
  EXPECT_THAT(error_with("\"categories\": [", "\"classes\": ["), HasSubstr("has no categories"));
}

TEST_F(CocoFiles, WhatIsNoSuchFileIsSaid) {
  const std::string text = kFile;
  for (size_t length = 0; length + 1 < text.size(); length += 7) {
    EXPECT_THAT(error(text.substr(0, length)), HasSubstr("gt.json")) << length;
  }
  EXPECT_THAT(error("[]"), HasSubstr("is no instances file"));
  EXPECT_THAT(error(text + "{}"), HasSubstr("follows the end"));
  EXPECT_THAT(message_of<DataError>([&] { read_coco_file(folder_.path()); }), HasSubstr("is a folder"));
  EXPECT_THAT(message_of<DataError>([&] { read_coco_file(folder_.path() / "none.json"); }),
              HasSubstr("none.json"));
}

TEST_F(CocoFiles, ResultsAreRead) {
  const auto read = [&](const std::string& text) {
    return read_coco_results(folder_.write("dt.json", text));
  };
  const auto results = read(
      R"([{"image_id": 3, "category_id": 18, "bbox": [1, 2, 3.5, 4], "score": 0.25, "file_name": "x"}])");
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].image_id, 3);
  EXPECT_EQ(results[0].category_id, 18);
  EXPECT_EQ(results[0].box, (std::array{1.0, 2.0, 3.5, 4.0}));
  EXPECT_EQ(results[0].score, 0.25);
  EXPECT_TRUE(read("[]").empty());
  const auto error = [&](const std::string& text) { return message_of<DataError>([&] { read(text); }); };
  EXPECT_THAT(error(R"([{"image_id": 3, "category_id": 18, "bbox": [1, 2, 3.5, 4]}])"),
              HasSubstr("[0]: has no score"));
  EXPECT_THAT(error("{}"), HasSubstr("is no list of results"));
  EXPECT_THAT(error("[{]"), HasSubstr("dt.json"));
}

}  // namespace
}  // namespace rcnn::data
