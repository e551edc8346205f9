#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/error.h>

#include "tests/support/message_of.h"
#include "tests/support/resident_memory.h"
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
  EXPECT_THAT(error_with("\"image_id\": 2, \"bbox\": [0", "\"image_id\": 2.5, \"bbox\": [0"),
              AllOf(HasSubstr("gt.json: cannot be used"),
                    HasSubstr("image_id must be an integer of 64 bits: annotations[1] (2.5)")));
  EXPECT_THAT(error_with("\"image_id\": 2, \"bbox\": [0", "\"image_id\": null, \"bbox\": [0"),
              HasSubstr("image_id must be an integer of 64 bits: annotations[1] (null)"));
  EXPECT_THAT(error_with("\"category_id\": 90", "\"category_id\": true"),
              HasSubstr("category_id must be an integer of 64 bits: annotations[0] (true)"));
  EXPECT_THAT(error_with("\"iscrowd\": 1", "\"iscrowd\": 2"),
              HasSubstr("iscrowd must be 0 or 1: annotations[1] (2)"));
  EXPECT_THAT(error_with("\"iscrowd\": 1", "\"iscrowd\": \"maybe\""),
              HasSubstr("iscrowd must be 0 or 1: annotations[1] (\"maybe\")"));
  EXPECT_THAT(error_with("\"id\": 6", "\"id\": 5"),
              HasSubstr("an id is there a second time: annotations[1] (id 5)"));
  EXPECT_THAT(error_with(", \"id\": 2}", "}"), HasSubstr("has no id: images[1]"));
  EXPECT_THAT(error_with("9007199254740993", "9223372036854775808"),
              HasSubstr("id must be an integer of 64 bits: images[0] (9223372036854775808)"));
  EXPECT_THAT(error_with("9007199254740993", "1.5"),
              HasSubstr("id must be an integer of 64 bits: images[0] (1.5)"));
  EXPECT_THAT(error_with("\"name\": \"person\"", "\"nam\": \"person\""),
              HasSubstr("has no name: categories[1]"));
  EXPECT_THAT(error_with("\"categories\": [", "\"classes\": ["), HasSubstr("a list is missing: categories"));
}

TEST_F(CocoFiles, WhatIsThereTwiceIsRefused) {
  std::string twice = kFile;
  twice.insert(twice.rfind('}'), R"(, "annotations": [])");
  EXPECT_THAT(error(twice), HasSubstr("gt.json: annotations is there twice"));
  EXPECT_THAT(error_with("\"iscrowd\": 1,", "\"iscrowd\": 1, \"iscrowd\": 0,"),
              HasSubstr("iscrowd is there twice: annotations[1]"));
  EXPECT_THAT(error_with("\"id\": 6", "\"id\": 6, \"bbox\": [0, 0, 1, 1]"),
              HasSubstr("bbox is there twice: annotations[1]"));
  EXPECT_THAT(error_with("\"name\": \"person\"", "\"name\": \"person\", \"name\": \"people\""),
              HasSubstr("name is there twice: categories[1]"));
  EXPECT_THAT(message_of<DataError>([&] {
                read_coco_results(folder_.write(
                    "dt.json",
                    R"([{"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1, "score": 0}])"));
              }),
              HasSubstr("score is there twice: [0]"));
}

TEST_F(CocoFiles, WrongEntriesAreLeftOutAndTheRestIsRead) {
  std::string text = kFile;
  const auto replace = [&](const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
  };
  replace("\"iscrowd\": 0", "\"iscrowd\": [1, [2], {\"a\": [3]}, 4]");
  replace("\"b \\u00e9.jpg\"", "{\"name\": [1, 2]}");
  Problems problems;
  const auto file = read_coco_file(folder_.write("gt.json", text), problems);
  ASSERT_EQ(file.images.size(), 1u);
  ASSERT_EQ(file.annotations.size(), 1u);
  EXPECT_EQ(file.annotations[0].id, 6);
  EXPECT_EQ(file.categories.size(), 2u);
  EXPECT_EQ(problems.kinds().size(), 2u);
}

TEST_F(CocoFiles, WhatIsWrittenIsReadBack) {
  CocoFile file{
      .images = {{9007199254740993, "a \"b\"\\.jpg", {3, 4}}, {-2, "é.jpg", {}}},
      .annotations = {{1, -2, 7, {0.1, 1e-7, 33.333333333333336, 4}, 0.25, true}, {2, -2, 7, {}, 0, false}},
      .categories = {{7, "a, {b}"}},
      .details = {{"[[1.50, 2]]", {{"pose", "\"left \\\"up\\\"\""}, {"truncated", "1"}}}, {}}};
  const auto path = folder_.path() / "out.json";
  write_coco_file(path, file);
  Problems problems;
  const auto back = read_coco_file(path, problems, {.with_details = true});
  EXPECT_TRUE(problems.kinds().empty()) << problems.text(Severity::error);
  ASSERT_EQ(back.images.size(), 2u);
  EXPECT_EQ(back.images[0].file_name, file.images[0].file_name);
  EXPECT_EQ(back.images[0].id, file.images[0].id);
  EXPECT_EQ(back.images[0].size, file.images[0].size);
  EXPECT_EQ(back.images[1].size, ImageSize{});
  ASSERT_EQ(back.annotations.size(), 2u);
  EXPECT_EQ(back.annotations[0].box, file.annotations[0].box);
  EXPECT_EQ(back.annotations[0].area, 0.25);
  EXPECT_TRUE(back.annotations[0].crowd);
  EXPECT_EQ(back.categories, file.categories);
  EXPECT_EQ(back.details[0].segmentation, "[[1.50, 2]]");
  EXPECT_EQ(back.details[0].attributes, file.details[0].attributes);
  EXPECT_TRUE(back.details[1].segmentation.empty());
}

TEST_F(CocoFiles, BrokenJsonIsNamedWithItsLine) {
  EXPECT_THAT(error("{\n\"images\": [\n{\"id\": 1, \"file_name\": nan}]}"),
              HasSubstr("file_name must be a text: images[0]"));
  EXPECT_THAT(error("{\n\"images\": [\n{\"id\" 1}], \"annotations\": [], \"categories\": []}"),
              HasSubstr("line 3"));
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
  const auto results =
      read(R"([{"image_id": 3, "category_id": 18, "bbox": [1, 2, 3.5, 4], "score": 0.25}])").results;
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].image_id, 3);
  EXPECT_EQ(results[0].category_id, 18);
  EXPECT_EQ(results[0].box, (std::array{1.0, 2.0, 3.5, 4.0}));
  EXPECT_EQ(results[0].score, 0.25);
  EXPECT_TRUE(read("[]").results.empty());
  const auto error = [&](const std::string& text) { return message_of<DataError>([&] { read(text); }); };
  EXPECT_THAT(error(R"([{"image_id": 3, "category_id": 18, "bbox": [1, 2, 3.5, 4]}])"),
              HasSubstr("has no score: [0]"));
  EXPECT_THAT(error("{}"), HasSubstr("is no list of results"));
  EXPECT_THAT(error("[{]"), HasSubstr("dt.json"));
}

TEST_F(CocoFiles, NamesOfResultsAreKeptOnce) {
  const auto list = read_coco_results(folder_.write("dt.json", R"([
    {"image_id": 1, "category_id": 2, "bbox": [0, 0, 1, 1], "score": 1},
    {"image_id": 1, "file_name": "a \"1\".jpg", "category_id": 2, "category_name": "cat", "bbox": [0, 0, 1, 1], "score": 1},
    {"image_id": 2, "file_name": "b.jpg", "category_id": 2, "category_name": null, "bbox": [0, 0, 1, 1], "score": 1},
    {"image_id": 2, "file_name": "a \"1\".jpg", "category_id": 2, "category_name": "cat", "bbox": [0, 0, 1, 1], "score": 1},
    {"image_id": 2, "file_name": "", "category_id": 2, "bbox": [0, 0, 1, 1], "score": 1}])"));
  constexpr int32_t kNone = CocoResultNames::kNone;
  EXPECT_EQ(list.results.size(), 5u);
  EXPECT_EQ(list.images.names, (std::vector<std::string>{"a \"1\".jpg", "b.jpg"}));
  EXPECT_EQ(list.images.of_results, (std::vector<int32_t>{kNone, 0, 1, 0, kNone}));
  EXPECT_EQ(list.categories.names, (std::vector<std::string>{"cat"}));
  EXPECT_EQ(list.categories.of_results, (std::vector<int32_t>{kNone, 0, kNone, 0, kNone}));
  const auto plain = read_coco_results(
      folder_.write("dt.json", R"([{"image_id": 1, "category_id": 2, "bbox": [0, 0, 1, 1], "score": 1}])"));
  EXPECT_TRUE(plain.images.of_results.empty());
  EXPECT_TRUE(plain.categories.of_results.empty());
  EXPECT_THAT(
      message_of<DataError>([&] {
        read_coco_results(folder_.write("dt.json", R"([{"image_id": 1, "file_name": 7, "category_id": 2,
                  "bbox": [0, 0, 1, 1], "score": 1}])"));
      }),
      HasSubstr("file_name must be a text: [0]"));
}

TEST_F(CocoFiles, GigabytesOfSomethingElseAreRefusedUnread) {
  const auto file = folder_.write("zeros.json", "");
  std::filesystem::resize_file(file, 3'000'000'000);
  const double before = test::resident_bytes(), read_before = test::bytes_read();
  const std::string expected = "is no JSON: it begins with the byte 0x00";
  EXPECT_THAT(message_of<DataError>([&] { read_coco_file(file); }), HasSubstr(expected));
  EXPECT_THAT(message_of<DataError>([&] { read_coco_results(file); }), HasSubstr(expected));
  EXPECT_LT(test::resident_bytes() - before, 50e6);
  EXPECT_LT(test::bytes_read() - read_before, 1e6);
}

}  // namespace
}  // namespace rcnn::data
