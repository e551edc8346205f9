#include "data/formats/tables/csv_format.h"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/formats/format.h>
#include <rcnn/data/images/image.h>
#include <rcnn/data/options.h>
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

constexpr const char* kHeader = "filename,width,height,class,xmin,ymin,xmax,ymax\n";

// As datitran/raccoon_dataset's xml_to_csv.py writes it and Roboflow's page of the format shows it.
constexpr const char* kTensorFlow =
    "filename,width,height,class,xmin,ymin,xmax,ymax\n"
    "img1.png,200,150,dog,20,30,100,110\n"
    "img2.png,200,150,cat,60,20,180,140\n"
    "img3.png,200,150,dog,5,5,70,60\n"
    "img4.png,200,150,cat,90,40,190,120\n";

class CsvFormat : public testing::Test {
 protected:
  void images(const std::string& folder) const {
    fs::create_directories(folder_.path() / folder);
    base_set::write_images(folder_.path() / folder);
  }
  std::vector<DatasetPart> parts(const LocateOptions& options = {}) const {
    return locate(folder_.path(), options);
  }
  std::shared_ptr<Dataset> open(const LocateOptions& options = {}) {
    const auto part = parts(options).at(0);
    EXPECT_EQ(part.options.type, "csv");
    return data::open(part.options, part.split, problems_);
  }
  /// What is wrong with a table of the four images.
  std::string errors_of(const std::string& table, const LocateOptions& options = {}) {
    images("images");
    folder_.write("train.csv", table);
    problems_ = {};
    open(options);
    return problems_.text(Severity::error);
  }
  std::string warnings() const { return problems_.text(Severity::warning); }
  std::string refusal(const std::string& table) {
    return message_of<DataError>([&] { errors_of(table); });
  }

  const TempFolder folder_;
  Problems problems_;
};

TEST_F(CsvFormat, TensorFlowsTableIsReadToTheFourBoxes) {
  images("train");
  folder_.write("train/_annotations.csv", kTensorFlow);
  EXPECT_EQ(parts().at(0).name, "train") << "as Roboflow exports it";
  base_set::expect_records(*open());
  EXPECT_TRUE(problems_.kinds().empty()) << warnings();
}

// fizyr/keras-retinanet's README, "CSV datasets": path/to/image.jpg,x1,y1,x2,y2,class_name without a header,
// empty fields for an image without objects, and class_name,id.
TEST_F(CsvFormat, RetinaNetsTableIsReadToTheFourBoxes) {
  images("data/imgs");
  folder_.write("annotations.csv",
                "data/imgs/img1.png,20,30,100,110,dog\ndata/imgs/img2.png,60,20,180,140,cat\n"
                "data/imgs/img3.png,5,5,70,60,dog\ndata/imgs/img4.png,90,40,190,120,cat\n");
  folder_.write("class_mapping.csv", "dog,0\ncat,1\n");
  const auto found = parts();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].name, "all");
  const auto dataset = open();
  EXPECT_EQ(dataset->categories(), (std::vector<Category>{{0, "dog"}, {1, "cat"}}));
  EXPECT_TRUE(problems_.kinds().empty()) << warnings();
  base_set::expect_records(*dataset);
}

TEST_F(CsvFormat, RetinaNetsEmptyFieldsAreAnImageWithoutObjects) {
  images("");
  folder_.write("train.csv", "img1.png,20,30,100,110,dog\nimg2.png,,,,,\n");
  folder_.write("val.csv", "img3.png,,,,,\n");
  const auto dataset = open();
  ASSERT_EQ(dataset->size(), 2);
  EXPECT_EQ(dataset->record(1).id, "img2");
  EXPECT_TRUE(dataset->record(1).objects.empty());
  EXPECT_EQ(parts().at(1).name, "val");
}

TEST_F(CsvFormat, AClassMappingNamesClassesWithoutObjectsAndIsNotSilentAboutOthers) {
  images("");
  folder_.write("annotations.csv", "img1.png,20,30,100,110,dog\nimg2.png,1,1,9,9,cow\n");
  folder_.write("_classes.csv", "class_name,id\ncat,1\ndog,0\n");
  EXPECT_EQ(open()->categories(), (std::vector<Category>{{0, "dog"}, {1, "cat"}, {2, "cow"}}));
  EXPECT_THAT(warnings(), AllOf(HasSubstr("not in _classes.csv"), HasSubstr("cow")));

  folder_.write("_classes.csv", "cat,1\ndog,1\n");
  problems_ = {};
  open();
  EXPECT_THAT(problems_.text(Severity::error),
              AllOf(HasSubstr("twice"), HasSubstr("_classes.csv line 2 (dog, 1)")));
}

// microsoft/VoTT's CSV export, the columns of makesense.ai's (its RectLabelsExporter) with and without the
// header, and SKU-110K's, which ultralytics' SKU-110K.yaml names.
TEST_F(CsvFormat, TablesOfOtherToolsAreReadToTheFourBoxes) {
  const std::map<std::string, std::string> tables = {
      {"VoTT",
       "\"image\",\"xmin\",\"ymin\",\"xmax\",\"ymax\",\"label\"\n\"img1.png\",20.0,30.0,100.0,110.0,\"dog\"\n"
       "\"img2.png\",60.0,20.0,180.0,140.0,\"cat\"\n\"img3.png\",5.0,5.0,70.0,60.0,\"dog\"\n"
       "\"img4.png\",90.0,40.0,190.0,120.0,\"cat\"\n"},
      {"makesense",
       "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height\n"
       "dog,20,30,80,80,img1.png,200,150\ncat,60,20,120,120,img2.png,200,150\n"
       "dog,5,5,65,55,img3.png,200,150\ncat,90,40,100,80,img4.png,200,150\n"},
      {"makesense before",
       "dog,20,30,80,80,img1.png,200,150\ncat,60,20,120,120,img2.png,200,150\n"
       "dog,5,5,65,55,img3.png,200,150\ncat,90,40,100,80,img4.png,200,150\n"},
      {"SKU-110K",
       "img1.png,20,30,100,110,dog,200,150\nimg2.png,60,20,180,140,cat,200,150\n"
       "img3.png,5,5,70,60,dog,200,150\nimg4.png,90,40,190,120,cat,200,150\n"}};
  for (const auto& [tool, table] : tables) {
    SCOPED_TRACE(tool);
    EXPECT_EQ(errors_of(table), "");
    EXPECT_EQ(warnings(), "");
    base_set::expect_records(*open());
  }
}

// Columns of tables on Kaggle: VinBigData's, Global Wheat's bbox.
TEST_F(CsvFormat, OtherColumnsAreToldByTheirNamesWhichIsSaidOnce) {
  const std::vector<std::string> tables = {
      "image_id;class_name;class_id;x_min;y_min;x_max;y_max\nimg1;dog;1;20;30;100;110\nimg2;cat;0;60;20;180;"
      "140\n"
      "img3;dog;1;5,0;5;70;60\nimg4;cat;0;90;40;190;120\n",
      "image_id,width,height,bbox,label\nimg1,200,150,\"[20.0, 30.0, 80.0, 80.0]\",dog\n"
      "img2,200,150,\"[60, 20, 120, 120]\",cat\nimg3,200,150,\"[5, 5, 65, 55]\",dog\n"
      "img4,200,150,\"[90, 40, 100, 80]\",cat\n",
      "file\tx\ty\twidth\theight\tcategory\nimg1.png\t20\t30\t80\t80\tdog\nimg2.png\t60\t20\t120\t120\tcat\n"
      "img3.png\t5\t5\t65\t55\tdog\nimg4.png\t90\t40\t100\t80\tcat\n",
      ",x0,y0,x1,y1,path,label\n0,20,30,100,110,C:\\me\\img1.png,dog\n1,60,20,180,140,C:\\me\\img2.png,cat\n"
      "2,5,5,70,60,C:\\me\\img3.png,dog\n3,90,40,190,120,C:\\me\\img4.png,cat\n"};
  for (const auto& table : tables) {
    SCOPED_TRACE(table);
    EXPECT_EQ(errors_of(table), "");
    EXPECT_THAT(warnings(), AllOf(HasSubstr("columns that were told by their names"), HasSubstr("image = ")));
    ASSERT_EQ(problems_.kinds().size(), 1u) << warnings();
    EXPECT_EQ(problems_.kinds()[0].where.size(), 1u);
    base_set::expect_records(*open());
  }
}

TEST_F(CsvFormat, FormDoesNotMatter) {
  images("images");
  folder_.write("train_labels.csv",
                "\xef\xbb\xbf filename , width,height,class,xmin,ymin,xmax,ymax\r\n"
                "img2.png,\"200\",150.0,cat,\"60\",20.0, 180 ,140\r\n\r\n"
                "img1.png,200,150,dog,20,30,100,110,\r\n"
                "img4.png,200,150,cat,90,40,190,120\r\n"
                "\"img3.png\",,,\"dog\",5,5,70,60\r\n,,,,,,,\r\n\r\n");
  EXPECT_EQ(parts().at(0).name, "train");
  const auto dataset = open();
  EXPECT_TRUE(problems_.kinds().empty()) << warnings() << problems_.text(Severity::error);
  ASSERT_EQ(dataset->size(), 4);
  EXPECT_EQ(dataset->record(0).id, "img2") << "in the order of the table";
  EXPECT_EQ(dataset->record(0).objects.at(0).box.x2, 180);
}

TEST_F(CsvFormat, RowsOfAnImageNeedNotStandTogether) {
  EXPECT_EQ(errors_of(std::string(kHeader) +
                      "img1.png,200,150,dog,1,2,3,4\nimg2.png,200,150,cat,1,2,3,4\n"
                      "IMG1.PNG,200,150,cat,5,6,7,8\n./images/img1.png,200,150,cat,9,9,20,20\n"),
            "");
  const auto dataset = open();
  ASSERT_EQ(dataset->size(), 2);
  EXPECT_EQ(dataset->record(0).objects.size(), 3u);
  EXPECT_EQ(dataset->record(0).id, "img1");
}

TEST_F(CsvFormat, PathsOfAnotherComputerAreFoundByTheirEnds) {
  images("images/train");
  images("images/val");
  folder_.write("a.csv", "/home/you/set/images/val/img1.png,1,2,3,4,dog\n");
  const auto dataset = open();
  ASSERT_EQ(dataset->size(), 1) << problems_.text(Severity::error);
  EXPECT_TRUE(dataset->record(0).image.string().ends_with("images/val/img1.png"));
}

TEST_F(CsvFormat, PartsAreNamedAfterFilesOrFoldersAndHaveTheirOwnImages) {
  for (const char* folder : {"train", "test"}) images(folder);
  folder_.write("train_labels.csv", kTensorFlow);
  folder_.write("test_labels.csv", std::string(kHeader) + "img1.png,200,150,dog,1,2,3,4\n");
  const auto found = parts();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].name, "test");
  EXPECT_EQ(found[1].name, "train");
  const auto dataset = data::open(found[1].options, found[1].split, problems_);
  base_set::expect_records(*dataset);
  EXPECT_TRUE(dataset->record(0).image.string().ends_with("train/img1.png")) << "test/img1.png is another";

  fs::remove(folder_.path() / "train/img1.png");
  const auto again = parts();
  data::open(again[1].options, again[1].split, problems_);
  EXPECT_THAT(problems_.text(Severity::error),
              AllOf(HasSubstr("not there"), HasSubstr("train_labels.csv line 2 (img1.png)"),
                    HasSubstr("bad_images=skip")));
}

TEST_F(CsvFormat, ATableIsNamedByItself) {
  images("images");
  folder_.write("annotations/train.csv", kTensorFlow);
  const auto file = folder_.path() / "annotations/train.csv";
  const auto part = locate(file).at(0);
  EXPECT_EQ(part.name, "train");
  base_set::expect_records(*data::open(part.options, part.split, problems_));
  images("elsewhere");
  fs::remove_all(folder_.path() / "images");
  const auto other = locate(file, {.images = folder_.path() / "elsewhere"}).at(0);
  base_set::expect_records(*data::open(other.options, other.split, problems_));

  const DataOptions options{.type = "csv", .root = folder_.path()};
  const SplitOptions split{.annotations = file, .images = folder_.path() / "elsewhere"};
  base_set::expect_records(*data::open(options, split, problems_));
}

TEST_F(CsvFormat, AnAbsentImageIsABadOne) {
  EXPECT_THAT(errors_of(std::string(kHeader) + "no.png,200,150,dog,1,2,3,4\nno.png,200,150,dog,5,2,9,4\n"
                                               "img1.png,200,150,dog,1,2,3,4\n"),
              AllOf(HasSubstr("not there"), HasSubstr("train.csv line 2 (no.png)"),
                    HasSubstr("bad_images=skip"), Not(HasSubstr("line 3"))));
  EXPECT_EQ(errors_of(std::string(kHeader) + "no.png,200,150,dog,1,2,3,4\nimg1.png,200,150,dog,1,2,3,4\n",
                      {.bad_images = Policy::skip}),
            "");
  EXPECT_THAT(warnings(), HasSubstr("no.png"));
}

TEST_F(CsvFormat, RowsThatAreNoBoxesAreBadBoxes) {
  const std::string table = std::string(kHeader) +
                            "img1.png,200,150,dog,1,2,3,4\nimg1.png,200,150,dog,1,2,three,4\n"
                            "img1.png,200,150,dog,1,2,nan,4\nimg1.png,200,150,dog,1,,3,4\n"
                            "img1.png,200,150,dog,1,2,3\nimg1.png,200,150,dog,30,2,3,4\n";
  EXPECT_THAT(errors_of(table, {.bad_boxes = Policy::stop}),
              AllOf(HasSubstr("train.csv line 3 (1, 2, three, 4)"), HasSubstr("line 4 (1, 2, nan, 4)"),
                    HasSubstr("line 5 (1, , 3, 4)"), HasSubstr("line 6 (7 fields, not 8)"),
                    HasSubstr("train.csv line 7 [30, 2, -27, 2]"), HasSubstr("bad_boxes=skip")));
  EXPECT_EQ(errors_of(table), "");
  EXPECT_THAT(warnings(), HasSubstr("three"));
  EXPECT_EQ(open()->record(0).objects.size(), 1u);
}

TEST_F(CsvFormat, WhatANameIsMissingOfIsAnError) {
  EXPECT_THAT(errors_of(std::string(kHeader) +
                        "img1.png,200,150,dog,1,2,3,4\nimg1.png,200,150,,1,2,3,4\n,,,dog,1,2,3,4\n"),
              AllOf(HasSubstr("an object without a class"), HasSubstr("train.csv line 3"),
                    HasSubstr("without the name of an image"), HasSubstr("train.csv line 4")));
}

TEST_F(CsvFormat, SizesThatAreNoneAreBadValues) {
  const std::string table = std::string(kHeader) +
                            "img1.png,wide,150,dog,1,2,3,4\nimg2.png,200.5,150,dog,1,2,3,4\n"
                            "img3.png,200,150,dog,1,2,3,4\nimg3.png,150,150,dog,1,2,3,4\n";
  EXPECT_THAT(errors_of(table, {.bad_values = Policy::stop}),
              AllOf(HasSubstr("line 2 (wide x 150)"), HasSubstr("line 3 (200.5 x 150)"),
                    HasSubstr("line 5 (150 x 150, before 200 x 150)"), HasSubstr("bad_values=skip")));
  EXPECT_EQ(errors_of(table), "");
}

TEST_F(CsvFormat, SharesOfTheSidesAreTaken) {
  EXPECT_EQ(errors_of(std::string(kHeader) + "img1.png,200,150,dog,0.1,0.2,0.5,0.73333333\n"
                                             "img2.png,200,150,cat,0.3,0.13333333,0.9,0.93333333\n"
                                             "img3.png,200,150,dog,0.025,0.03333333,0.35,0.4\n"
                                             "img4.png,200,150,cat,0.45,0.26666667,0.95,0.8\n"),
            "");
  EXPECT_THAT(warnings(), AllOf(HasSubstr("shares of the images' sides"), HasSubstr("train.csv")));
  base_set::expect_records(*open());
}

// The example on Roboflow's page of "RetinaNet Keras CSV" has x, y, width, height.
TEST_F(CsvFormat, AHeadlessTableOfWidthsAndHeightsIsRefused) {
  EXPECT_THAT(refusal("img1.png,100,60,30,40,dog\nimg2.png,90,80,50,30,cat\nimg3.png,10,10,30,30,dog\n"),
              AllOf(HasSubstr("train.csv"), HasSubstr("2 of 3 boxes end before they begin"),
                    HasSubstr("image,x,y,w,h,class")));
}

TEST_F(CsvFormat, AHeaderThatLacksAColumnIsNamed) {
  EXPECT_THAT(refusal("image_id,width,height,bbox,source\nimg1,200,150,\"[1, 2, 3, 4]\",a\n"),
              AllOf(HasSubstr("csv comes nearest"), HasSubstr("train.csv has no column for the class"),
                    HasSubstr("image_id, width, height, bbox, source")));
  EXPECT_THAT(refusal("filename,class,x_center,y_center,width,height\nimg1.png,dog,1,2,3,4\n"),
              HasSubstr("no column for the box"));
  EXPECT_THAT(refusal(std::string("\xff\xfe"
                                  "f\0,\0",
                                  6)),
              HasSubstr("train.csv is UTF-16"));
  EXPECT_THAT(refusal(std::string(kHeader) + "img1.png,200,150,K\xfch,1,2,3,4\n"),
              HasSubstr("line 2: is no UTF-8"));
}

TEST_F(CsvFormat, OtherTablesAreNotTakenForBoxes) {
  images("images");
  folder_.write("results.csv",
                "epoch,train/box_loss,metrics/mAP50(B)\n1,0.5,0.4\n");  // ultralytics' training
  folder_.write(
      "via_region_data.csv",  // VGG's
      "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
      "img1.png,1,{},1,0,\"{\"\"name\"\":\"\"rect\"\"}\",{}\n");
  folder_.write("detections.csv",
                "file_name,class,class_id,score,x1,y1,x2,y2\nimg1.png,dog,1,0.5,1,2,3,4\n");  // ours
  EXPECT_THAT(message_of<DataError>([&] { parts(); }), HasSubstr("is no data set"));
}

TEST_F(CsvFormat, FurtherColumnsAreKeptAsAttributes) {
  images("images");
  folder_.write("train.csv",
                "filename,class,xmin,ymin,xmax,ymax,pose,age,seen\nimg1.png,dog,1,2,3,4,left,0.50,true\n");
  const auto found = parts();
  const auto part = read_parts(found, problems_).at(0);
  ASSERT_EQ(part.content.details.size(), 1u);
  EXPECT_EQ(part.content.details[0].attributes,
            (JsonFields{{"pose", "\"left\""}, {"age", "0.50"}, {"seen", "true"}}));
}

TEST_F(CsvFormat, ALimitIsOfImages) {
  images("images");
  folder_.write("train.csv",
                std::string(kTensorFlow) + "img1.png,200,150,cat,1,2,3,4\nno.png,200,150,cat,1,2,3,4\n");
  auto part = parts().at(0);
  part.split.limit = 2;
  const auto dataset = data::open(part.options, part.split, problems_);
  EXPECT_TRUE(problems_.kinds().empty()) << problems_.text(Severity::error);
  ASSERT_EQ(dataset->size(), 2);
  EXPECT_EQ(dataset->record(0).objects.size(), 2u);
}

}  // namespace
}  // namespace rcnn::data
