#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/formats/coco/coco.h>
#include <rcnn/data/images/image.h>
#include <rcnn/error.h>

#include "tests/support/exif.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// Two images of 20 x 10, of which b.jpg shows nothing but a crowd; categories 3 and 90.
class CocoSet : public testing::Test {
 protected:
  CocoSet() {
    for (const char* name : {"a.jpg", "b.jpg"}) {
      write_image(folder_.path() / name, at::full({10, 20, 3}, 128, at::kByte));
    }
  }

  std::shared_ptr<Dataset> read(const std::string& annotations, CocoOptions options = {}) const {
    options.annotations =
        folder_.write("gt.json", R"({"images": [{"id": 7, "file_name": "a.jpg", "height": 10, "width": 20},
        {"id": 40000000000, "file_name": ")" +
                                     second_ + R"("}], "categories": [{"id": 90, "name": "cat"},
        {"id": 3, "name": "dog"}], "annotations": [)" +
                                     annotations + "]}");
    options.images = folder_.path();
    return read_coco(options);
  }
  std::string error(const std::string& annotations, const CocoOptions& options = {}) const {
    return message_of<DataError>([&] { read(annotations, options); });
  }
  static std::string annotation(int64_t id, int64_t image, int64_t category, const std::string& box,
                                bool crowd = false) {
    return R"({"id": )" + std::to_string(id) + R"(, "image_id": )" + std::to_string(image) +
           R"(, "category_id": )" + std::to_string(category) + R"(, "bbox": )" + box + R"(, "iscrowd": )" +
           (crowd ? "1}" : "0}");
  }

  const TempFolder folder_;
  std::string second_ = "b.jpg";
  const std::string good_ =
      annotation(1, 7, 90, "[1, 2, 3.5, 4]") + "," + annotation(2, 40000000000, 3, "[0, 0, 5, 5]", true);
};

TEST_F(CocoSet, CategoriesGoByIdAndCrowdsAreIgnored) {
  const auto set = read(good_);
  EXPECT_EQ(set->categories(), (std::vector<Category>{{3, "dog"}, {90, "cat"}}));
  ASSERT_EQ(set->size(), 2);
  EXPECT_EQ(set->record(0).id, "7");
  EXPECT_EQ(set->record(0).size, (ImageSize{10, 20}));
  EXPECT_EQ(set->record(1).id, "40000000000");
  ASSERT_EQ(set->record(0).objects.size(), 1u);
  EXPECT_EQ(set->record(0).objects[0].box, (Box{1, 2, 4.5, 6}));
  EXPECT_EQ(set->record(0).objects[0].label, 2);
  EXPECT_FALSE(set->record(0).objects[0].ignore);
  EXPECT_TRUE(set->record(1).objects.at(0).ignore);
  EXPECT_EQ(set->image(0).sizes(), (std::vector<int64_t>{10, 20, 3}));
}

TEST_F(CocoSet, ImagesWithoutObjectsMayBeLeftOut) {
  const auto set = read(good_, {.keep_empty = false});
  ASSERT_EQ(set->size(), 1);
  EXPECT_EQ(set->record(0).id, "7");
}

TEST_F(CocoSet, ALimitTakesTheFirstImages) {
  EXPECT_EQ(read(good_, {.limit = 1})->size(), 1);
}

TEST_F(CocoSet, ClassesChooseTheLabelsAndKeepTheirIds) {
  const auto set = read(good_, {.classes = {"cat", "bird", "dog"}});
  EXPECT_EQ(set->categories()[0], (Category{90, "cat"}));
  EXPECT_EQ(set->categories()[2], (Category{3, "dog"}));
  EXPECT_EQ(set->record(0).objects[0].label, 1);
  EXPECT_EQ(set->record(1).objects[0].label, 3);
  EXPECT_THAT(error(good_, {.classes = {"cat"}}),
              AllOf(HasSubstr("not asked for"), HasSubstr("dog (1 object, the first is annotation 2)")));
  EXPECT_THAT(message_of<ConfigError>([&] { read(good_, {.classes = {"cat", "cat"}}); }), HasSubstr("twice"));
}

TEST_F(CocoSet, BoxesAreClippedOrDropped) {
  const std::string boxes = annotation(1, 7, 90, "[-5, 2, 100, 4]") + "," +
                            annotation(2, 7, 90, "[1, 1, 0, 4]") + "," +
                            annotation(3, 7, 90, "[20, 1, 3, 4]");
  const auto set = read(boxes);
  ASSERT_EQ(set->record(0).objects.size(), 1u);
  EXPECT_EQ(set->record(0).objects[0].box, (Box{0, 2, 20, 6}));
  EXPECT_THAT(error(boxes, {.bad_boxes = Policy::stop}),
              AllOf(HasSubstr("without width or height (bad_boxes=skip leaves it out): annotation 2"),
                    HasSubstr("outside of its image (bad_boxes=skip leaves it out): annotation 3")));
}

TEST_F(CocoSet, EverythingWrongIsSaidAtOnce) {
  const auto message =
      error(annotation(1, 8, 90, "[1, 2, 3, 4]") + "," + annotation(2, 7, 91, "[1, 2, 3, 4]"));
  EXPECT_THAT(message, AllOf(HasSubstr("annotation 1 (image 8)"), HasSubstr("annotation 2 (category 91)")));
  EXPECT_THAT(error(annotation(2, 40000000000, 3, "[0, 0, 5, 5]", true)), HasSubstr("nothing to find"));
}

TEST_F(CocoSet, ImagesThatCannotBeUsedStopOrAreDropped) {
  second_ = "missing.jpg";
  EXPECT_THAT(error(good_), HasSubstr("missing.jpg"));
  EXPECT_EQ(read(good_, {.bad_images = Policy::skip})->size(), 1);
  write_image(folder_.path() / "a.jpg", at::full({20, 10, 3}, 128, at::kByte));
  second_ = "b.jpg";
  EXPECT_THAT(error(good_), AllOf(HasSubstr("of another size than the image (bad_images=skip leaves it out)"),
                                  HasSubstr("a.jpg (image 7) (20 x 10, the image has 10 x 20)")));
  second_ = "../b.jpg";
  EXPECT_THAT(error(good_, {.bad_images = Policy::skip}), HasSubstr("leads out of the folder"));
}

TEST_F(CocoSet, CategoriesNeedNamesOfTheirOwn) {
  const auto read_with = [&](const std::string& categories, CocoOptions options = {}) {
    options.annotations = folder_.write("gt.json",
                                        R"({"images": [{"id": 7, "file_name": "a.jpg", "height": 10,
        "width": 20}], "annotations": [)" + annotation(1, 7, 0, "[1, 2, 3, 4]") +
                                            R"(], "categories": )" + categories + "}");
    options.images = folder_.path();
    return read_coco(options);
  };
  EXPECT_THAT(message_of<DataError>([&] { read_with("[]"); }), HasSubstr("there is no category"));
  // Fillers such as torchvision's N/A, which the file does not know; and an id below 0 that is taken.
  const auto set = read_with(R"([{"id": 0, "name": "a"}, {"id": -1, "name": "b"}])",
                             {.classes = {"N/A", "a", "N/A", "b"}});
  EXPECT_EQ(set->categories(), (std::vector<Category>{{-2, "N/A"}, {0, "a"}, {-3, "N/A"}, {-1, "b"}}));
  EXPECT_EQ(set->record(0).objects[0].label, 2);
}

TEST_F(CocoSet, OddImagesAndBoxesAreWarnedOf) {
  second_ = "a.jpg";
  Problems problems;
  CocoOptions options{.images = folder_.path()};
  read(good_);
  options.annotations = folder_.path() / "gt.json";
  read_coco(options, problems);
  EXPECT_THAT(problems.text(Severity::warning),
              AllOf(HasSubstr("listed a second time: a.jpg (image 40000000000)"),
                    HasSubstr("does not say the size of an image: a.jpg")));
  second_ = "b.jpg";
  read(good_ + "," + annotation(3, 7, 3, "[1, 2, 0.5, 4]"));
  problems = {};
  EXPECT_EQ(read_coco(options, problems)->record(0).objects.size(), 2u);
  EXPECT_THAT(problems.text(Severity::warning), HasSubstr("thinner than a pixel: annotation 3"));
}

TEST_F(CocoSet, ImagesThatAskToBeTurnedAreNamed) {
  const auto file = folder_.path() / "a.jpg";
  folder_.write("a.jpg", with_app1(file_bytes(file), exif(6)));
  read(good_);
  Problems problems;
  const auto set = read_coco({.annotations = folder_.path() / "gt.json", .images = folder_.path()}, problems);
  EXPECT_EQ(set->record(0).size, (ImageSize{10, 20})) << "as stored";
  EXPECT_THAT(problems.text(Severity::warning),
              HasSubstr("(EXIF); its pixels are taken as they are stored: a.jpg"));
}

TEST_F(CocoSet, WhyAFileIsMissingIsGuessed) {
  second_ = "B.JPG";
  EXPECT_THAT(error(good_), HasSubstr("(there is b.jpg; upper and lower case differ)"));
  second_ = "images\\\\b.jpg";
  EXPECT_THAT(error(good_), HasSubstr("write / instead"));
  second_ = "bä.jpg";
  EXPECT_THAT(error(good_), HasSubstr("two Unicode forms"));
  second_ = "b.jpg\\u0000.png";
  EXPECT_THAT(error(good_), HasSubstr("leads out of the folder of images, or is no name"));
  second_ = std::string(300, 'x');
  EXPECT_THAT(error(good_), HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace rcnn::data
