#include "data/formats/tables/open_images_format.h"

#include <filesystem>
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
using testing::HasSubstr;
using testing::Not;

// The columns as Open Images' download page describes those of V4 to V7 ("Data Formats: Boxes").
constexpr const char* kColumns =
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,"
    "IsInside\n";
constexpr const char* kFourBoxes =
    "img1,xclick,/m/0bt9lr,1,0.100000,0.500000,0.200000,0.733333,0,1,0,0,0\n"
    "img2,activemil,/m/01yrx,1,0.300000,0.900000,0.133333,0.933333,1,0,0,0,0\n"
    "img3,xclick,/m/0bt9lr,1,0.025000,0.350000,0.033333,0.400000,-1,-1,-1,-1,-1\n"
    "img4,xclick,/m/01yrx,1,0.450000,0.950000,0.266667,0.800000,0,0,0,0,0\n";
constexpr const char* kNames = "/m/011k07,Tortoise\n/m/0bt9lr,dog\n/m/01yrx,cat\n";

class OpenImagesFormat : public testing::Test {
 protected:
  void images(const std::string& folder) const {
    fs::create_directories(folder_.path() / folder);
    base_set::write_images(folder_.path() / folder, ".jpg");
  }
  std::vector<DatasetPart> parts(const LocateOptions& options = {}) const {
    return locate(folder_.path(), options);
  }
  std::shared_ptr<Dataset> open(const LocateOptions& options = {}) {
    const auto part = parts(options).at(0);
    EXPECT_EQ(part.options.type, "open_images");
    problems_ = {};
    return data::open(part.options, part.split, problems_);
  }
  /// A table of the four images with other rows.
  std::shared_ptr<Dataset> open_rows(const std::string& rows, const LocateOptions& options = {}) {
    images("validation");
    folder_.write("class-descriptions-boxable.csv", kNames);
    folder_.write("validation-annotations-bbox.csv", kColumns + rows);
    return open(options);
  }
  std::string warnings() const { return problems_.text(Severity::warning); }
  std::string errors() const { return problems_.text(Severity::error); }

  const TempFolder folder_;
  Problems problems_;
};

TEST_F(OpenImagesFormat, IsReadToTheFourBoxes) {
  images("train");
  folder_.write("oidv6-train-annotations-bbox.csv", std::string(kColumns) + kFourBoxes);
  folder_.write("oidv7-class-descriptions-boxable.csv", std::string("LabelName,DisplayName\n") + kNames);
  ASSERT_EQ(parts().size(), 1u);
  EXPECT_EQ(parts()[0].name, "train");
  base_set::expect_records(*open());
  EXPECT_TRUE(problems_.kinds().empty()) << warnings() << errors();
}

// V6 has XClick columns behind, V4's challenge has XMin before the flags only; the order is in the header.
TEST_F(OpenImagesFormat, ColumnsMayStandInAnyOrder) {
  images("validation/data");  // FiftyOne's zoo: PART/data, PART/labels, PART/metadata
  folder_.write("validation/metadata/classes.csv", kNames);
  folder_.write("validation/labels/detections.csv",
                "XMin,YMin,XMax,YMax,LabelName,ImageID,XClick1X\n0.1,0.2,0.5,0.7333333,/m/0bt9lr,img1,0.3\n"
                "0.3,0.1333333,0.9,0.9333333,/m/01yrx,img2,0.3\n0.025,0.0333333,0.35,0.4,/m/0bt9lr,img3,0.3\n"
                "0.45,0.2666667,0.95,0.8,/m/01yrx,img4,\n");
  EXPECT_EQ(parts().at(0).name, "validation");
  base_set::expect_records(*open());
  EXPECT_TRUE(problems_.kinds().empty()) << warnings();
}

TEST_F(OpenImagesFormat, AGroupIsACrowdAndFlagsAreAttributes) {
  const auto dataset = open_rows("img1,xclick,/m/0bt9lr,1,0.1,0.5,0.2,0.7,0,1,1,-1,0\n");
  EXPECT_TRUE(dataset->record(0).objects.at(0).ignore);
  const auto found = parts();
  const auto part = read_parts(found, problems_).at(0);
  EXPECT_TRUE(part.content.annotations.at(0).crowd);
  EXPECT_EQ(part.content.details.at(0).attributes, (JsonFields{{"IsOccluded", "false"},
                                                               {"IsTruncated", "true"},
                                                               {"IsGroupOf", "true"},
                                                               {"IsInside", "false"},
                                                               {"Source", "\"xclick\""},
                                                               {"Confidence", "1"}}));
}

TEST_F(OpenImagesFormat, WhatPeopleSaidIsNotThereIsLeftOut) {
  const auto dataset =
      open_rows("img1,verification,/m/0bt9lr,0,0,1,0,1,0,0,0,0,0\n" + std::string(kFourBoxes));
  base_set::expect_records(*dataset);
  EXPECT_THAT(warnings(), AllOf(HasSubstr("Confidence 0"), HasSubstr("(1 rows)")));
}

TEST_F(OpenImagesFormat, APartOfTheImagesIsAWarningAndNoneOfThemIsBadImages) {
  const std::string other = "000002b66c9c498e,xclick,/m/0bt9lr,1,0.1,0.5,0.2,0.7,0,0,0,0,0\n";
  base_set::expect_records(*open_rows(other + kFourBoxes + other));
  EXPECT_THAT(warnings(), AllOf(HasSubstr("rows of images that are not there"),
                                HasSubstr("2 rows of 1 images; 000002b66c9c498e in line 2")));
  EXPECT_EQ(errors(), "");
  open_rows(other);
  EXPECT_THAT(errors(), AllOf(HasSubstr("none of a table's images is there"), HasSubstr("bad_images=skip")));
}

TEST_F(OpenImagesFormat, IdsAreNamesWhereTheListIsMissing) {
  images("train");
  folder_.write("train-annotations-bbox.csv", std::string(kColumns) + kFourBoxes);
  EXPECT_EQ(open()->categories().at(0).name, "/m/01yrx");
  EXPECT_THAT(warnings(),
              AllOf(HasSubstr("class-descriptions-boxable.csv is not there"), HasSubstr("/m/0bt9lr")));

  folder_.write("class-descriptions.csv", "/m/0bt9lr,dog\n");
  open();
  EXPECT_THAT(warnings(), AllOf(HasSubstr("not in class-descriptions.csv"), HasSubstr("/m/01yrx")));
}

TEST_F(OpenImagesFormat, TwoIdsOfOneNameStayTwoClasses) {
  images("train");
  folder_.write("train-annotations-bbox.csv", std::string(kColumns) + kFourBoxes);
  folder_.write("class-descriptions.csv", "/m/0bt9lr,Bow\n/m/01yrx,Bow\n");
  EXPECT_EQ(open()->categories().at(0).name, "Bow (/m/01yrx)");
}

TEST_F(OpenImagesFormat, RowsThatAreNoBoxesAreBadBoxes) {
  const std::string rows = std::string(kFourBoxes) +
                           "img1,xclick,/m/0bt9lr,1,0.1,450,0.2,0.7,0,0,0,0,0\n"
                           "img1,xclick,/m/0bt9lr,1,nan,0.2,0.2,0.7,0,0,0,0,0\n"
                           "img1,xclick,/m/0bt9lr,1,0.1,0.2,0.2,0.7,0,0,2,0,0\n"
                           "img1,xclick,/m/0bt9lr,1,0.1\n"
                           "img1,xclick,/m/0bt9lr,1,0.5,1.005,0.2,0.7,0,0,0,0,0\n"
                           "img1,xclick,,1,0.1,0.2,0.2,0.7,0,0,0,0,0\n";
  open_rows(rows, {.bad_boxes = Policy::stop});
  EXPECT_THAT(errors(), AllOf(HasSubstr("validation-annotations-bbox.csv line 6 (XMax 450)"),
                              HasSubstr("line 7 (XMin nan)"), HasSubstr("IsGroupOf is none of"),
                              HasSubstr("line 8 (2)"), HasSubstr("line 9 (5 fields, not 13)"),
                              HasSubstr("bad_boxes=skip"), HasSubstr("without a class"), HasSubstr("line 11"),
                              Not(HasSubstr("line 10"))));
  EXPECT_EQ(open_rows(rows)->record(0).objects.size(), 2u);
}

TEST_F(OpenImagesFormat, ATableIsNamedByItself) {
  images("images/test");
  folder_.write("annotations/test-annotations-bbox.csv",
                std::string(kColumns) + kFourBoxes);  // Datumaro, CVAT
  folder_.write("annotations/class-descriptions.csv", kNames);
  const auto part = locate(folder_.path() / "annotations/test-annotations-bbox.csv").at(0);
  EXPECT_EQ(part.name, "test");
  base_set::expect_records(*data::open(part.options, part.split, problems_));
  EXPECT_TRUE(problems_.kinds().empty()) << warnings();
  base_set::expect_records(*open());
}

TEST_F(OpenImagesFormat, AListOfClassesWithoutATableIsNamed) {
  images("train");
  folder_.write("class-descriptions-boxable.csv", kNames);
  folder_.write("train-images-boxable-with-rotation.csv", "ImageID,Subset,OriginalURL\nimg1,train,x\n");
  EXPECT_THAT(message_of<DataError>([&] { parts(); }),
              AllOf(HasSubstr("open_images comes nearest"), HasSubstr("no table of boxes")));
}

}  // namespace
}  // namespace rcnn::data
