#include <cstdlib>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/data/images/image.h>

#include "tests/support/temp_folder.h"
#include "tests/tools/rcnn.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class DataCheckCommand : public testing::Test {
 protected:
  DataCheckCommand() { data::write_image(folder_.path() / "a.jpg", at::full({10, 20, 3}, 128, at::kByte)); }
  std::string coco(const std::string& box, const std::string& rest = "") {
    return folder_.write("gt.json",
                         R"({"images": [{"id": 1, "file_name": "a.jpg", "height": 10, "width": 20}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "bbox": )" +
                             box + "}" + rest + R"(], "categories": [{"id": 7, "name": "cat"}]})");
  }
  static Finished check(std::vector<std::string> words, const fs::path& data = {}) {
    words.insert(words.begin(), {"data", "check"});
    return run_rcnn(words, data);
  }
  TempFolder folder_;
};

TEST_F(DataCheckCommand, GoodDataIsCounted) {
  const auto finished = check({coco("[1, 2, 4, 4]")});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.out,
              AllOf(HasSubstr("gt: 1 images, 0 of them without an object"),
                    HasSubstr("warnings:\n  a class of fewer than five objects: cat (1)\n"),
                    testing::ContainsRegex("cat +1 +1 +0\n"), testing::ContainsRegex("4 - 8 +1 #+\n")));
  EXPECT_EQ(finished.err, "");
}

TEST_F(DataCheckCommand, WarningsLeaveItUsableAndErrorsDoNot) {
  const auto warned =
      check({coco("[1, 2, 0, 4]", R"(, {"id": 2, "image_id": 1, "category_id": 7, "bbox": [0, 0, 9, 9]})")});
  EXPECT_EQ(warned.exit_code, 0) << warned.err;
  EXPECT_THAT(warned.out,
              AllOf(HasSubstr("warnings:\n  dropped: a box without width or height: annotation 1"),
                    Not(HasSubstr("errors"))));
  const auto wrong =
      check({coco("[1, 2, 4, 4]", R"(, {"id": 2, "image_id": 9, "category_id": 7, "bbox": [0, 0, 9, 9]})")});
  EXPECT_EQ(wrong.exit_code, 3);
  EXPECT_THAT(wrong.out,
              HasSubstr("errors, which would stop a training:\n  an annotation of an image that is not in "
                        "\"images\": annotation 2 (image 9)"));
}

TEST_F(DataCheckCommand, JsonHasEveryPlace) {
  const auto finished =
      check({"--json",
             coco("[1, 2, 4, 4]", R"(, {"id": 2, "image_id": 9, "category_id": 7, "bbox": [0, 0, 9, 9]})"),
             (folder_.path() / "none").string()});
  EXPECT_EQ(finished.exit_code, 3);
  const auto json = nlohmann::json::parse(finished.out);
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["usable"], false);
  const auto& part = json[0]["parts"][0];
  EXPECT_EQ(part["errors"][0]["count"], 1);
  EXPECT_EQ(part["errors"][0]["where"][0], "annotation 2 (image 9)");
  EXPECT_EQ(part["classes"][0],
            nlohmann::json::parse(R"({"name": "cat", "images": 1, "boxes": 1, "ignored": 0})"));
  EXPECT_EQ(part["box_sizes"][1], nlohmann::json::parse(R"({"from": 4.0, "to": 8.0, "count": 1})"));
  EXPECT_TRUE(part["box_sizes"].back()["to"].is_null());
  EXPECT_THAT(json[1]["errors"][0]["where"][0].get<std::string>(),
              HasSubstr("there is no such file or folder"));
}

TEST_F(DataCheckCommand, WhatIsLeftOfAnInstancesFileIsChecked) {
  const auto finished = check({folder_.write("gt.json", R"({"categories": [{"id": 7, "name": "cat"}]})")});
  EXPECT_EQ(finished.exit_code, 3);
  EXPECT_THAT(finished.out, HasSubstr("a list is missing: annotations, images"));
}

TEST_F(DataCheckCommand, AConfigIsCheckedAsATrainingWouldReadIt) {
  coco("[1, 2, 4, 4]");
  const auto config =
      folder_.write("c.json", R"({"data": {"type": "coco", "root": ")" + folder_.path().string() +
                                  R"(", "classes": ["dog"], "train": {"annotations": "gt.json",
      "images": "."}, "test": {"annotations": "gt.json", "images": "."}}})");
  const auto finished = check({config});
  EXPECT_EQ(finished.exit_code, 3);
  EXPECT_THAT(finished.out, AllOf(HasSubstr("train: "), HasSubstr("test: "),
                                  HasSubstr("asked for are dog (other_classes=ignore")));
}

TEST_F(DataCheckCommand, ProposalsOfAConfigAreCounted) {
  coco("[1, 2, 4, 4]");
  const auto config =
      folder_
          .write("c.json", R"({"data": {"type": "coco", "root": ")" + folder_.path().string() +
                               R"(", "train": {"annotations": "gt.json", "images": "."},
      "test": {"annotations": "gt.json", "images": "."}}})")
          .string();
  const auto proposals =
      folder_
          .write("p.json",
                 R"([{"image_id": 1, "bbox": [1, 2, 4, 4]}, {"image_id": 1, "bbox": [0, 0, 9, 9]}])")
          .string();
  const auto finished = check({"--split", "test", config, "data.test.proposals=" + proposals});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.out,
              HasSubstr("proposals of " + proposals +
                        ": 2.0 an image, at most 2, 0 images have none; with an IoU of 0.5 they cover 1 of 1 "
                        "objects (100.0 %)\n"));
  const auto json =
      nlohmann::json::parse(check({"--json", config, "data.test.proposals=" + proposals}).out)[0]["parts"];
  EXPECT_TRUE(json[0]["proposals"].is_null());
  EXPECT_EQ(json[1]["proposals"], nlohmann::json({{"file", proposals},
                                                  {"boxes", 2},
                                                  {"most", 2},
                                                  {"empty_images", 0},
                                                  {"objects", 1},
                                                  {"covered", 1}}));
  EXPECT_THAT(error_of(check({"data.test.limit=1"}), 2), HasSubstr("datasets"));
}

TEST_F(DataCheckCommand, SourcesOfAConfigAreCheckedTogether) {
  for (const char* folder : {"one", "two"}) {
    const std::string root = std::string(folder) + "/";
    folder_.write(root + "JPEGImages/a.jpg", file_bytes(folder_.path() / "a.jpg"));
    folder_.write(root + "Annotations/a.xml",
                  "<annotation><object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax>"
                  "<ymax>99</ymax></bndbox></object></annotation>");
    folder_.write(root + "ImageSets/Main/test.txt", "a\n");
  }
  const auto config = folder_.write("c.json", R"({"data": {"root": "one", "train": {
      "sources": ["one/ImageSets/Main/test.txt", "two/ImageSets/Main/test.txt"]}}})");
  const auto finished = check({config}, folder_.path());
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(
      finished.out,
      AllOf(HasSubstr("train: 2 images"), HasSubstr("two/test: Annotations/a.xml object 1 [0, 0, 9, 99]"),
            HasSubstr("test: 1 images"), Not(HasSubstr("outside of the data set's folder"))));
}

TEST_F(DataCheckCommand, RealDataSetsAreUsable) {
  const char* data = std::getenv("RCNN_DATA");
  if (data == nullptr) GTEST_SKIP() << "RCNN_DATA names no folder with real data";
  for (const char* name : {"bccd", "tinycoco", "voc2012_slice"}) {
    if (!fs::exists(fs::path(data) / name)) GTEST_SKIP() << "there is no " << name << " in RCNN_DATA";
    const auto finished = check({(fs::path(data) / name).string()});
    EXPECT_EQ(finished.exit_code, 0) << finished.out;
    EXPECT_THAT(finished.out, Not(HasSubstr("errors")));
  }
}

}  // namespace
}  // namespace rcnn::tools
