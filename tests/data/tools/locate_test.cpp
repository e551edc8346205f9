#include <cstdlib>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/images/image.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/error.h>

#include "tests/support/message_of.h"
#include "tests/support/resident_memory.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> names(const std::vector<DatasetPart>& parts) {
  std::vector<std::string> result;
  for (const auto& part : parts) result.push_back(part.name);
  return result;
}

int64_t images_of(const DatasetPart& part) {
  return open(part.options, part.split)->size();
}

class Locate : public testing::Test {
 protected:
  void image(const std::string& name) const {
    fs::create_directories((folder_.path() / name).parent_path());
    write_image(folder_.path() / name, at::full({10, 20, 3}, 128, at::kByte));
  }
  fs::path coco(const std::string& name, const std::string& image = "a.jpg") const {
    return folder_.write(name, R"({"info": {"images": "no"}, "annotations": [
      {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "segmentation": [[1, 1, 6, 6]]}],
      "images": [{"id": 1, "license": {"file_name": "no"}, "file_name": ")" +
                                   image + R"("}], "categories": [{"id": 1, "name": "cat"}]})");
  }
  void voc(const std::string& root) const {
    image(root + "/JPEGImages/a.jpg");
    folder_.write(root + "/Annotations/a.xml",
                  "<annotation><object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax>"
                  "<ymax>9</ymax></bndbox></object></annotation>");
    for (const char* list : {"val", "train", "my_train"})
      folder_.write(root + "/ImageSets/Main/" + list + ".txt", "a\n");
    folder_.write(root + "/ImageSets/Main/cat_train.txt", "\na  1\n");
  }
  std::string error(const std::string& name, const LocateOptions& options = {}) const {
    return message_of<DataError>([&] { locate(folder_.path() / name, options); });
  }

  const TempFolder folder_;
};

TEST_F(Locate, AVocFolderHasAPartForEachList) {
  voc("voc");
  const auto parts = locate(folder_.path() / "voc");
  EXPECT_THAT(names(parts), ElementsAre("my_train", "train", "val")) << "cat_train is a list of one class";
  for (const auto& part : parts) EXPECT_EQ(images_of(part), 1) << part.name;

  EXPECT_THAT(names(locate(folder_.path() / "voc", {.splits = {"val", "train"}})),
              ElementsAre("train", "val"));
  EXPECT_THAT(error("voc", {.splits = {"train", "test"}}),
              AllOf(HasSubstr("no part test"), HasSubstr("there are: my_train, train, val")));
}

TEST_F(Locate, AVocFolderWithoutListsHasOnePart) {
  voc("voc");
  fs::remove_all(folder_.path() / "voc/ImageSets/Main");
  EXPECT_THAT(names(locate(folder_.path() / "voc")), ElementsAre("all"));
}

TEST_F(Locate, ImagesOfACocoFileAreFoundInCustomaryPlaces) {
  const std::vector<std::string> places = {"s/annotations",
                                           "s/annotations/images",
                                           "s/annotations/train2017",
                                           "s/train2017",
                                           "s/images/train2017",
                                           "s/images",
                                           "s"};
  for (const auto& place : places) {
    image(place + "/a.jpg");
    const auto parts = locate(coco("s/annotations/instances_train2017.json"));
    EXPECT_THAT(names(parts), ElementsAre("train2017"));
    EXPECT_TRUE(fs::equivalent(parts[0].split.images, folder_.path() / place)) << parts[0].split.images;
    EXPECT_EQ(images_of(parts[0]), 1);
    fs::remove_all(folder_.path() / "s");
  }
}

TEST_F(Locate, ImagesMayLieAnywhereWhenNamed) {
  image("far/elsewhere/a.jpg");
  const auto file = coco("gt.json");
  EXPECT_THAT(error("gt.json"), AllOf(HasSubstr("a.jpg"), HasSubstr("--images"), HasSubstr("/images, ")));
  const auto parts = locate(file, {.images = folder_.path() / "far/elsewhere"});
  EXPECT_THAT(names(parts), ElementsAre("gt"));
  EXPECT_EQ(images_of(parts[0]), 1);
}

TEST_F(Locate, ACocoFolderHasAPartForEachFile) {
  image("set/val2017/a.jpg");
  image("set/images/train2017/b.jpg");
  coco("set/annotations/instances_val2017.json");
  coco("set/annotations/instances_train2017.json", "b.jpg");
  coco("set/annotations/captions_val2017.json");
  const auto parts = locate(folder_.path() / "set");
  EXPECT_THAT(names(parts), ElementsAre("train2017", "val2017"));
  for (const auto& part : parts) EXPECT_EQ(images_of(part), 1) << part.name;
}

TEST_F(Locate, AConfigHasTrainAndTest) {
  voc("voc");
  folder_.write("base.json",
                R"({"data": {"type": "voc", "root": ")" + (folder_.path() / "voc").string() +
                    R"(", "train": {"split": "train", "flip": 0.5}, "test": {"split": "val"}}})");
  const auto config = folder_.write("config.json", "// the user's own\n{\"_base_\": \"base.json\"}");
  const auto parts = locate(config);
  EXPECT_THAT(names(parts), ElementsAre("train", "test"));
  EXPECT_EQ(parts[0].split.transform.flip, 0.5);
  EXPECT_EQ(parts[1].split.split, "val");
  for (const auto& part : parts) EXPECT_EQ(images_of(part), 1) << part.name;
  EXPECT_THAT(names(locate(config, {.splits = {"test"}})), ElementsAre("test"));

  EXPECT_EQ(locate(config, {.overrides = {"data.train.flip=0.25"}})[0].split.transform.flip, 0.25);
  const auto refused = [&](const fs::path& dataset, const std::string& override) {
    return message_of<ConfigError>([&] { locate(dataset, {.overrides = {override}}); });
  };
  EXPECT_THAT(refused(config, "data.train.flp=0"), HasSubstr("did you mean"));
  EXPECT_THAT(refused(config, "train.lr=0"), HasSubstr("train.lr=0: only what a config says of its data"));
  EXPECT_THAT(refused(folder_.path() / "voc", "data.train.flip=0"),
              HasSubstr("data.train.flip=0: " + (folder_.path() / "voc").string() + " is no config"));

  const auto message = [&](const std::string& text) {
    const auto file = folder_.write("wrong.json", text);
    return message_of<ConfigError>([&] { locate(file); });
  };
  EXPECT_THAT(message(R"({"data": {"rot": "x"}})"), HasSubstr("did you mean"));
  EXPECT_THAT(message(R"({"model": {}})"), HasSubstr("names no data set"));
  EXPECT_THAT(message(R"({"data": {"root": "x"},})"), HasSubstr("parse error"));
  EXPECT_THAT(message_of<ConfigError>([&] { locate(config, {.images = "x"}); }), HasSubstr("--images"));
}

TEST_F(Locate, AnythingElseIsAnErrorThatSaysWhatIsExpected) {
  EXPECT_THAT(error("nowhere"), HasSubstr("no such file"));
  EXPECT_THAT(error(""),
              AllOf(HasSubstr("is no data set that is known; it holds no file"), HasSubstr("voc, coco")));
  folder_.write("results.json", R"([{"image_id": 1}])");
  folder_.write("other.json", R"({"a": 1})");
  for (const char* name : {"results.json", "other.json"})
    EXPECT_THAT(error(name), HasSubstr("no data set")) << name;
  image("a.jpg");
  folder_.write("cut.json", R"({"info": "im)");
  EXPECT_THAT(error("cut.json"), HasSubstr("no JSON"));
  EXPECT_THAT(error("a.jpg"), HasSubstr("no data set"));
  folder_.write("odd/annots/a.tab", "");
  folder_.write("odd/annots/b.tab", "");
  image("odd/images/a.jpg");
  EXPECT_THAT(error("odd"), HasSubstr("it holds 2 .tab in annots, 1 .jpg in images"));
}

TEST_F(Locate, AnInstancesFileThatIsWrongSaysSoWhenOpened) {
  for (const char* text : {R"({"images": []})", R"({"images": 3})", R"({"images": [{"id": 1}]})"}) {
    const auto parts = locate(folder_.write("gt.json", text));
    EXPECT_THAT(message_of<DataError>([&] { images_of(parts.at(0)); }), HasSubstr("gt.json")) << text;
  }
}

TEST(LocateRealData, TheSetsAreFound) {
  const char* data = std::getenv("RCNN_DATA");
  if (data == nullptr) GTEST_SKIP() << "RCNN_DATA names no folder with real data";
  const fs::path root = data;
  for (const char* set : {"bccd", "voc2012_slice", "tinycoco"}) {
    if (!fs::exists(root / set)) GTEST_SKIP() << "there is no " << set << " in RCNN_DATA";
  }
  EXPECT_THAT(names(locate(root / "bccd")), ElementsAre("test", "train", "trainval", "val"));
  EXPECT_THAT(names(locate(root / "voc2012_slice")), ElementsAre("train", "val"));
  const auto parts = locate(root / "tinycoco");
  EXPECT_THAT(names(parts), ElementsAre("train2017", "val2017"));
  EXPECT_EQ(images_of(parts[0]), 32);
  EXPECT_EQ(images_of(parts[1]), 6);
}

TEST_F(Locate, GigabytesOfSomethingElseAreRefusedUnread) {
  std::filesystem::resize_file(folder_.write("zeros.json", ""), 3'000'000'000);
  const double before = test::resident_bytes(), read_before = test::bytes_read();
  EXPECT_THAT(error("zeros.json"), HasSubstr("zeros.json: is no data set"));
  EXPECT_LT(test::resident_bytes() - before, 50e6);
  EXPECT_LT(test::bytes_read() - read_before, 1e6);
}

TEST_F(Locate, TheBoundOfImagesIsForEachPart) {
  voc("voc");
  for (const auto& part : locate(folder_.path() / "voc", {.max_megapixels = 7})) {
    EXPECT_EQ(part.options.max_megapixels, 7);
  }
}

}  // namespace
}  // namespace rcnn::data
