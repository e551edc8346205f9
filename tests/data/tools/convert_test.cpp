#include <cstdlib>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/formats/voc/voc.h>
#include <rcnn/data/images/image.h>
#include <rcnn/data/tools/convert.h>
#include <rcnn/error.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class ConvertTest : public testing::Test {
 protected:
  void picture(const std::string& name) {
    write_image(folder_.write(name, ""), at::full({10, 20, 3}, 100, at::kByte));
  }
  static std::vector<AnnotatedPart> read(const fs::path& dataset) {
    Problems problems;
    auto parts = read_parts(locate(dataset), problems);
    problems.settle(dataset.string());
    return parts;
  }
  static void write(const std::string& to, const fs::path& output, const std::vector<AnnotatedPart>& parts,
                    ImageFiles images) {
    Problems lost;
    convert(parts, to, output, images, lost);
  }
  TempFolder folder_;
};

void expect_same_files(const CocoFile& a, const CocoFile& b) {
  ASSERT_EQ(a.images.size(), b.images.size());
  for (size_t i = 0; i < a.images.size(); ++i) {
    EXPECT_EQ(a.images[i].id, b.images[i].id);
    EXPECT_EQ(a.images[i].file_name, b.images[i].file_name);
    EXPECT_EQ(a.images[i].size, b.images[i].size);
  }
  const auto by_id = [](const auto& x, const auto& y) { return x.id < y.id; };
  auto categories = a.categories;
  std::sort(categories.begin(), categories.end(), by_id);
  EXPECT_EQ(categories, b.categories);
  ASSERT_EQ(a.annotations.size(), b.annotations.size());
  std::map<int64_t, size_t> places;
  for (size_t i = 0; i < b.annotations.size(); ++i) places[b.annotations[i].id] = i;
  for (size_t i = 0; i < a.annotations.size(); ++i) {
    const auto& x = a.annotations[i];
    const auto place = places.at(x.id);
    const auto& y = b.annotations[place];
    EXPECT_EQ(x.image_id, y.image_id) << x.id;
    EXPECT_EQ(x.category_id, y.category_id) << x.id;
    EXPECT_EQ(x.box, y.box) << x.id;
    EXPECT_EQ(x.area, y.area) << x.id;
    EXPECT_EQ(x.crowd, y.crowd) << x.id;
    EXPECT_EQ(a.details[i].segmentation, b.details[place].segmentation) << x.id;
    EXPECT_EQ(a.details[i].attributes, b.details[place].attributes) << x.id;
  }
}

TEST_F(ConvertTest, CocoComesBackFromVocAsItWas) {
  picture("images/9.jpg");
  picture("images/dog é.png");
  const CocoFile file{.images = {{9007199254740993, "9.jpg", {10, 20}}, {7, "dog é.png", {10, 20}}},
                      .annotations = {{5, 7, 90, {473.07, 395.93, 38.65, 28.67}, 702.1057499999998, false},
                                      {3, 7, 4, {0.1, 0.2, 0.7, 0}, 0, true},
                                      {40000000000, 7, 90, {1, 2, 3, 4}, 12, false}},
                      .categories = {{90, "tooth brush"}, {4, "dog"}, {11, "unused"}},
                      .details = {{"[[1.5, 2.25, 3, 4, 5, 6]]", {{"pose", "\"left\""}}},
                                  {R"({"counts": [1], "size": [10, 20]})", {}},
                                  {}}};
  fs::create_directory(folder_.path() / "annotations");
  write_coco_file(folder_.path() / "annotations/instances_train.json", file);
  const auto voc = folder_.path() / "voc", back = folder_.path() / "back";
  write("voc", voc, read(folder_.path()), ImageFiles::link);
  write("coco", back, read(voc), ImageFiles::copy);
  const auto parts = read(back);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].name, "train");
  expect_same_files(file, parts[0].content);
  EXPECT_TRUE(fs::is_symlink(voc / "JPEGImages/9.jpg"));
  EXPECT_FALSE(fs::is_symlink(back / "train/9.jpg"));
  EXPECT_EQ(file_bytes(back / "train/9.jpg"), file_bytes(folder_.path() / "images/9.jpg"));
}

TEST_F(ConvertTest, VocBecomesCocoByTheWrittenRule) {
  const auto object = [](const std::string& inside) {
    return "<object><name>cat</name>" + inside +
           "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>10</xmax><ymax>2</ymax></bndbox></object>";
  };
  picture("JPEGImages/b.jpg");
  picture("JPEGImages/a.jpg");
  folder_.write("Annotations/b.xml", "<annotation>" + object("<pose>left</pose>") + "</annotation>");
  folder_.write("Annotations/a.xml", "<annotation>" + object("<difficult>1</difficult>") +
                                         object("<part><name>x</name></part>") + "</annotation>");
  folder_.write("ImageSets/Main/train.txt", "b\na\n");
  folder_.write("ImageSets/Main/val.txt", "a\n");
  Problems problems;
  const auto parts = read_parts(locate(folder_.path()), problems);
  EXPECT_EQ(problems.text(Severity::warning),
            "\n  the parts of an object are left out: train: Annotations/a.xml object 2, val: "
            "Annotations/a.xml object 2");
  ASSERT_EQ(parts.size(), 2u);
  const auto& images = parts[0].content.images;
  const auto& annotations = parts[0].content.annotations;
  const auto& details = parts[0].content.details;
  EXPECT_EQ(parts[0].content.categories, (std::vector<Category>{{1, "cat"}}));
  EXPECT_EQ(images[0].id, 2);
  EXPECT_EQ(images[1].id, 1) << "numbered in the order of the names";
  EXPECT_EQ(annotations[0].box, (std::array<double, 4>{0, 1, 10, 1})) << "both corners are inside";
  EXPECT_EQ(annotations[0].area, 10);
  EXPECT_EQ(annotations[0].id, 3);
  EXPECT_FALSE(annotations[0].crowd);
  EXPECT_EQ(details[0].attributes, (std::vector<std::pair<std::string, std::string>>{{"pose", "\"left\""}}));
  EXPECT_TRUE(annotations[1].crowd);
  EXPECT_EQ(annotations[1].id, 1);
  EXPECT_EQ(parts[1].content.images[0].id, 1);
  EXPECT_EQ(parts[1].content.annotations[1].id, 2);
}

TEST_F(ConvertTest, NumbersThatAreNamesAreKeptAsIds) {
  for (const char* id : {"000139", "7"}) {
    picture("JPEGImages/" + std::string(id) + ".jpg");
    folder_.write("Annotations/" + std::string(id) + ".xml", "<annotation></annotation>");
  }
  folder_.write("ImageSets/Main/train.txt", "7\n000139\n");
  const auto parts = read(folder_.path());
  EXPECT_EQ(parts[0].content.images[0].id, 7);
  EXPECT_EQ(parts[0].content.images[1].id, 139);
}

TEST_F(ConvertTest, WhatCannotBeConvertedIsSaidBeforeAnythingIsWritten) {
  picture("a/x.jpg");
  fs::create_directory(folder_.path() / "annotations");
  const auto json = folder_.path() / "annotations/instances_train.json";
  const auto output = folder_.path() / "voc";
  const CocoFile hostile{.images = {{1, "a/x.jpg", {}}},
                         .annotations = {},
                         .categories = {{1, "cat"}, {2, "\x01"}},
                         .details = {}};
  write_coco_file(json, hostile);
  Problems problems;
  const auto parts = read_parts(locate(json, {.images = folder_.path()}), problems);
  EXPECT_THAT(message_of<DataError>([&] { write("voc", output, parts, ImageFiles::link); }),
              HasSubstr("a class's name that XML cannot hold"));
  EXPECT_FALSE(fs::exists(output));
  EXPECT_THAT(message_of<ConfigError>([&] { write("coco", folder_.path(), parts, ImageFiles::link); }),
              HasSubstr("already in use"));

  const CocoFile wrong{.images = {{1, "../x.jpg", {}}},
                       .annotations = {{1, 2, 1, {}, 0, false}},
                       .categories = {{1, "cat"}},
                       .details = {}};
  write_coco_file(json, wrong);
  read_parts(locate(json, {.images = folder_.path() / "a"}), problems);
  EXPECT_THAT(problems.text(Severity::error),
              AllOf(HasSubstr("leads out of the folder"), HasSubstr("annotation 1 (image 2")));
}

TEST_F(ConvertTest, RealDataSetsSurviveThereAndBack) {
  const char* data = std::getenv("RCNN_DATA");
  if (data == nullptr) GTEST_SKIP() << "RCNN_DATA names no folder with real data";
  for (const char* name : {"tinycoco", "bccd", "voc2012_slice"}) {
    SCOPED_TRACE(name);
    const auto dataset = fs::path(data) / name;
    if (!fs::exists(dataset)) GTEST_SKIP() << "there is no " << name << " in RCNN_DATA";
    const auto original = read(dataset);
    const auto first = folder_.path() / name / "first", second = folder_.path() / name / "second";
    const bool coco = name == std::string("tinycoco");
    write(coco ? "voc" : "coco", first, original, ImageFiles::link);
    write(coco ? "coco" : "voc", second, read(first), ImageFiles::link);
    const auto back = read(second);
    ASSERT_EQ(back.size(), original.size());
    for (size_t i = 0; i < back.size(); ++i) {
      EXPECT_EQ(back[i].name, original[i].name);
      EXPECT_GT(original[i].content.annotations.size(), 0u);
      expect_same_files(original[i].content, back[i].content);
    }
  }
}

}  // namespace
}  // namespace rcnn::data
