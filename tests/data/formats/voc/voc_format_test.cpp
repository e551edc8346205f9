#include <filesystem>
#include <string>
#include <vector>

#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>
#include <spdlog/fmt/fmt.h>

#include <rcnn/data/dataset.h>
#include <rcnn/data/images/image.h>
#include <rcnn/data/tools/convert.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/error.h>

#include "tests/data/formats/base_set.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> names_of(const std::vector<DatasetPart>& parts) {
  std::vector<std::string> names;
  for (const auto& part : parts) names.push_back(part.name);
  return names;
}

std::vector<std::string> ids_of(const Dataset& dataset) {
  std::vector<std::string> ids;
  for (int64_t i = 0; i < dataset.size(); ++i) ids.push_back(dataset.record(i).id);
  return ids;
}

class VocFormat : public testing::Test {
 protected:
  /// An annotation file of VOC as tools write it, with other elements of their own.
  static std::string xml(const base_set::Entry& entry, const std::string& head = "",
                         const std::string& in_object = "") {
    const auto& [x1, y1, x2, y2] = entry.box;
    return fmt::format(
        "<annotation>{}<filename>{}.png</filename>"
        "<size><width>200</width><height>150</height><depth>3</depth></size>"
        "<object><name>{}</name>{}<difficult>0</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>"
        "<xmax>{}</xmax><ymax>{}</ymax></bndbox></object></annotation>",
        head, entry.id, entry.class_name, in_object, x1 + 1, y1 + 1, x2, y2);
  }
  /// The four files and their images in these folders.
  void base(const std::string& annotations, const std::string& images, const std::string& head = "",
            const std::string& in_object = "") const {
    for (const auto& entry : base_set::entries())
      folder_.write(fs::path(annotations) / (entry.id + ".xml"), xml(entry, head, in_object));
    fs::create_directories(root() / images);
    base_set::write_images(root() / images);
  }
  void list(const std::string& file, const std::string& ending = "") const {
    std::string lines;
    for (const auto& entry : base_set::entries()) lines += entry.id + ending + "\n";
    folder_.write(file, lines);
  }
  void picture(const std::string& name) const {
    write_image(folder_.write(name, ""), at::full({base_set::kHeight, base_set::kWidth, 3}, 90, at::kByte));
  }
  const fs::path& root() const { return folder_.path(); }

  std::shared_ptr<Dataset> open_part(const std::string& name) {
    for (const auto& part : locate(root())) {
      if (part.name != name) continue;
      problems_ = {};
      return open(part.options, part.split, problems_);
    }
    ADD_FAILURE() << "no part " << name;
    return nullptr;
  }
  void expect_base(const std::string& part) {
    SCOPED_TRACE(part);
    const auto dataset = open_part(part);
    ASSERT_TRUE(dataset);
    EXPECT_EQ(problems_.text(Severity::error) + problems_.text(Severity::warning), "");
    base_set::expect_records(*dataset);
  }
  std::string errors() const { return problems_.text(Severity::error); }
  std::string warnings() const { return problems_.text(Severity::warning); }

  const TempFolder folder_;
  Problems problems_;
};

TEST_F(VocFormat, TheDevkit) {
  base("Annotations", "JPEGImages");
  // VOC 2012 has pictures of masks beside its images, and lists for other tasks.
  fs::create_directories(root() / "SegmentationClass");
  base_set::write_images(root() / "SegmentationClass");
  for (const char* name : {"train", "test"}) list(fmt::format("ImageSets/Main/{}.txt", name));
  list("ImageSets/Main/cat_train.txt", "  1");
  list("ImageSets/Segmentation/val.txt");
  EXPECT_THAT(names_of(locate(root())), ElementsAre("test", "train"));
  expect_base("train");
  expect_base("test");
}

TEST_F(VocFormat, ListsForOtherTasksAreTakenWhereThereAreNoOthers) {
  base("Annotations", "JPEGImages");
  list("ImageSets/Segmentation/val.txt");
  EXPECT_THAT(names_of(locate(root())), ElementsAre("val"));
  expect_base("val");
}

TEST_F(VocFormat, TwoFoldersOfAnyNames) {
  for (const auto& [annotations, images] :
       std::vector<std::pair<std::string, std::string>>{{"annots", "images"},
                                                        {"Annotation", "Images"},
                                                        {"xml", "img"},
                                                        {"labels", "photos"},
                                                        {"made by me", "taken in May"},
                                                        {"set/annotations", "set/JPEGImages"}}) {
    SCOPED_TRACE(annotations);
    base(annotations, images);
    EXPECT_THAT(names_of(locate(root())), ElementsAre("all"));
    expect_base("all");
    for (const auto& entry : fs::directory_iterator(root())) fs::remove_all(entry);
  }
}

TEST_F(VocFormat, XmlBesideItsImages) {
  base("", "");
  EXPECT_THAT(names_of(locate(root())), ElementsAre("all"));
  expect_base("all");
}

TEST_F(VocFormat, FoldersForTheParts) {
  base("train", "train");                // Roboflow's
  base("valid/annots", "valid/images");  // each as above
  base("Test/Annotations", "Test/JPEGImages");
  list("Test/ImageSets/Main/default.txt");
  EXPECT_THAT(names_of(locate(root())), ElementsAre("test", "train", "valid"));
  for (const char* part : {"train", "valid", "test"}) expect_base(part);
}

TEST_F(VocFormat, FoldersForThePartsInTheFolders) {
  base("annotations/train", "images/train");
  base("annotations/val", "images/val");
  EXPECT_THAT(names_of(locate(root())), ElementsAre("train", "val"));
  expect_base("train");
  expect_base("val");
  // An image of the other part is none of this one's.
  fs::remove(root() / "images/train/img2.png");
  open_part("train");
  EXPECT_THAT(errors(), AllOf(HasSubstr("no image file"), HasSubstr("images/train/img2"),
                              HasSubstr("(bad_images=skip leaves it out)")));
}

TEST_F(VocFormat, PartsMayShareAFolderOfImages) {
  base("annots/train2017", "images");
  base("annots/val2017", "images");
  EXPECT_THAT(names_of(locate(root())), ElementsAre("train2017", "val2017"));
  expect_base("train2017");
  fs::remove(root() / "annots/val2017/img4.xml");
  EXPECT_THAT(ids_of(*open_part("val2017")), ElementsAre("img1", "img2", "img3"));
  EXPECT_EQ(errors() + warnings(), "") << "img4 is of the other part";
  fs::rename(root() / "annots/train2017", root() / "train2017");
  fs::rename(root() / "annots/val2017", root() / "val2017");
  EXPECT_THAT(names_of(locate(root())), ElementsAre("train2017", "val2017"));
  expect_base("train2017");
}

TEST_F(VocFormat, IdsMayHaveFolders) {
  const auto& all = base_set::entries();
  for (size_t i = 0; i < all.size(); ++i) {
    const auto day = i < 2 ? "day1" : "day2";
    folder_.write(fmt::format("Annotations/{}/{}.xml", day, all[i].id), xml(all[i]));
    picture(fmt::format("JPEGImages/{}/{}.png", day, all[i].id));
  }
  EXPECT_THAT(ids_of(*open_part("all")), ElementsAre("day1/img1", "day1/img2", "day2/img3", "day2/img4"));
  folder_.write("ImageSets/Main/train.txt", "day2/img3\nday1/img1\n");
  EXPECT_THAT(ids_of(*open_part("train")), ElementsAre("day2/img3", "day1/img1"));
  EXPECT_EQ(errors() + warnings(), "");
  // img1 of another day is another image.
  fs::rename(root() / "JPEGImages/day1/img1.png", root() / "JPEGImages/day2/img1.png");
  open_part("train");
  EXPECT_THAT(errors(), HasSubstr("JPEGImages/day1/img1"));
}

TEST_F(VocFormat, ListsThatAreOfOneClassEachAsVottWritesThem) {
  base("Annotations", "JPEGImages");
  for (const auto& entry : base_set::entries())  // VoTT's have the path of the file
    folder_.write("Annotations/" + entry.id + ".xml", xml(entry,
                                                          "<folder>Annotation</folder>"
                                                          "<path>C:\\data\\" +
                                                              entry.id + ".png</path>"));
  for (const char* part : {"train", "val"}) {
    folder_.write(fmt::format("ImageSets/Main/cat_{}.txt", part),
                  "img1.png -1\nimg2.png 1\nimg3.png -1\nimg4.png 1\n");
    folder_.write(fmt::format("ImageSets/Main/my_dog_{}.txt", part),
                  "img1.png 1\nimg2.png -1\nimg3.png 1\nimg4.png -1\n");
  }
  EXPECT_THAT(names_of(locate(root())), ElementsAre("train", "val"));
  expect_base("train");
  expect_base("val");
  folder_.write("ImageSets/Main/cat_train.txt", "img2.png 1\n");
  EXPECT_THAT(ids_of(*open_part("train")), ElementsAre("img2", "img1", "img3", "img4"));
}

TEST_F(VocFormat, CvatsExport) {
  base("Annotations", "JPEGImages",
       "<folder/><source><database>Unknown</database><annotation>Unknown</annotation></source>"
       "<segmented>0</segmented>",
       "<occluded>0</occluded><attributes><attribute><name>rotation</name><value>0.0</value></attribute>"
       "<attribute><name>color</name><value>red</value></attribute></attributes>");
  list("ImageSets/Main/default.txt");
  folder_.write("labelmap.txt", "# label:color_rgb:parts:actions\nbackground:::\ncat:::\ndog:::\n");
  EXPECT_THAT(names_of(locate(root())), ElementsAre("default"));
  expect_base("default");
  const auto parts = read_parts(locate(root()), problems_);
  EXPECT_THAT(parts[0].content.details[0].attributes,
              ElementsAre(std::pair("occluded", "\"0\""), std::pair("rotation", "\"0.0\""),
                          std::pair("color", "\"red\"")));
}

TEST_F(VocFormat, LabelImgsFiles) {
  base("", "",
       "<folder>set</folder><path>/home/me/set/img.png</path><source><database>Unknown</database>"
       "</source><segmented>0</segmented>",
       "<pose>Unspecified</pose><truncated>0</truncated>");
  folder_.write("img1.xml", "<annotation verified=\"yes\">" +
                                xml(base_set::entries()[0]).substr(std::string("<annotation>").size()));
  expect_base("all");
}

TEST_F(VocFormat, ListsMayHavePathsAndEndings) {
  base("Annotations", "JPEGImages");
  folder_.write(
      "ImageSets/Main/train.txt",
      "\xef\xbb\xbfimg1.png\r\n./JPEGImages/img2.png\nC:\\set\\JPEGImages\\img3.png\n/elsewhere/img4.PNG\n");
  expect_base("train");
  folder_.write("ImageSets/Main/train.txt", "img1\n../img2\n/etc/passwd\nimg1\nsub/img3\n");
  const auto dataset = open_part("train");
  EXPECT_THAT(ids_of(*dataset), ElementsAre("img1"));
  EXPECT_THAT(
      errors(),
      AllOf(HasSubstr("leads out of the data set (bad_images=skip leaves it out): ../img2 (line 2), "
                      "/etc/passwd (line 3)"),
            HasSubstr("twice"), HasSubstr("img1 (line 4)"),
            HasSubstr("no annotation file (bad_images=skip leaves it out): Annotations/sub/img3.xml")));
}

TEST_F(VocFormat, ImagesMayHaveEveryEndingThatIsRead) {
  base("annots", "images");
  fs::remove_all(root() / "images");
  fs::create_directory(root() / "images");
  for (const auto& [id, ending] : std::vector<std::pair<std::string, std::string>>{
           {"img1", ".PNG"}, {"img2", ".bmp"}, {"img3", ".Tif"}, {"img4", ".webp"}})
    cv::imwrite((root() / "images" / (id + ending)).string(), cv::Mat3b::zeros(150, 200));
  expect_base("all");
}

TEST_F(VocFormat, AnImageMayBeFoundByWhatTheFileCallsIt) {
  base("annots", "images");
  fs::rename(root() / "annots/img2.xml", root() / "annots/0002.xml");
  fs::rename(root() / "images/img3.png", root() / "images/IMG3.PNG");
  const auto dataset = open_part("all");
  EXPECT_THAT(ids_of(*dataset), ElementsAre("0002", "img1", "img3", "img4"));
  EXPECT_EQ(dataset->record(0).image.filename(), "img2.png");
  EXPECT_EQ(errors() + warnings(), "");

  fs::copy_file(root() / "annots/0002.xml", root() / "annots/0003.xml");
  open_part("all");
  EXPECT_THAT(errors(), HasSubstr("images/0003")) << "an image has one annotation file";

  fs::remove(root() / "annots/0003.xml");
  folder_.write("annots/img4.xml", xml(base_set::entries()[0]));
  EXPECT_EQ(open_part("all")->record(3).image.filename(), "img4.png") << "its own name comes first";
  EXPECT_THAT(warnings(), HasSubstr("<filename> is of another image: annots/img4.xml (img1.png)"));
}

TEST_F(VocFormat, WhatIsThereOnOneSideAloneIsSaid) {
  base("annots", "images");
  picture("images/new.png");
  fs::remove(root() / "images/img4.png");
  auto part = locate(root()).front();
  part.options.bad_images = Policy::skip;
  const auto dataset = open(part.options, part.split, problems_);
  EXPECT_EQ(dataset->size(), 3);
  EXPECT_EQ(errors(), "");
  EXPECT_THAT(warnings(), AllOf(HasSubstr("left out: images without an annotation file: images/new.png"),
                                HasSubstr("dropped: no image file of an annotation file: images/img4")));
}

TEST_F(VocFormat, WhatIsOfOtherFormatsIsLeftToThem) {
  picture("images/a.png");
  const auto parts = [&] { return formats().at("voc").parts(Place(root()), {}); };
  folder_.write("annotations.xml",
                "<?xml version=\"1.0\"?><annotations><version>1.1</version></annotations>");
  folder_.write("pom.xml", "<project><object/></project>");
  EXPECT_TRUE(parts().empty());
  EXPECT_TRUE(formats().at("voc").near(Place(root())).lacks.empty());
  folder_.write("annots/a.xml", xml(base_set::entries()[0]));
  EXPECT_EQ(parts().size(), 1u);
}

TEST_F(VocFormat, WhatComesNearIsSaid) {
  folder_.write("annots/a.xml", xml(base_set::entries()[0]));
  const auto lacks = [&] { return message_of<DataError>([&] { locate(root()); }); };
  EXPECT_THAT(lacks(),
              AllOf(HasSubstr("voc comes nearest: there are 1 .xml in annots/, but no image anywhere")));
  base("VOC2007/Annotations", "VOC2007/JPEGImages");
  fs::remove_all(root() / "annots");
  EXPECT_THAT(names_of(locate(root())), ElementsAre("all"));
  base("VOC2012/Annotations", "VOC2012/JPEGImages");
  EXPECT_THAT(lacks(), HasSubstr("VOC2007, VOC2012 are data sets of their own; name one of them"));
  base("Annotations", "JPEGImages");
  open_part("all");
  EXPECT_THAT(warnings(), HasSubstr("further annotation files of Pascal VOC are not of this data set: "
                                    "VOC2007/Annotations/, VOC2012/Annotations/"));
}

TEST_F(VocFormat, ClassesKeepTheirIdsAndBoxesBeginAtOne) {
  base("annots", "images");
  folder_.write("classes.txt", "7 dog\n3 bird\n9 cat\n");
  EXPECT_EQ(open_part("all")->categories(), (std::vector<Category>{{3, "bird"}, {7, "dog"}, {9, "cat"}}));
  folder_.write("classes.txt", "dog\nperson\ncat\n");
  EXPECT_EQ(open_part("all")->categories(), (std::vector<Category>{{1, "cat"}, {2, "dog"}}))
      << "LabelImg's, which is of its own";
  auto entry = base_set::entries()[0];
  entry.box.x1 = -1;
  folder_.write("annots/img1.xml", xml(entry));
  EXPECT_EQ(open_part("all")->record(0).objects[0].box.x1, 0);
  EXPECT_THAT(warnings(), HasSubstr("counts from 0?: annots/img1.xml object 1 (0, 31, 100, 110)"));
}

TEST_F(VocFormat, ALargeFlatFolderIsRecognisedByAFewHeads) {
  base("", "");
  for (int i = 0; i < 300; ++i) folder_.write(fmt::format("x{}.xml", i), "");
  for (int i = 0; i < 30; ++i) folder_.write(fmt::format("a{}.xml", i), xml(base_set::entries()[0]));
  EXPECT_THAT(names_of(locate(root())), ElementsAre("all"));
}

}  // namespace
}  // namespace rcnn::data
