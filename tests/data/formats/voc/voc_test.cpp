#include <cstdlib>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/data/formats/voc/voc.h>
#include <rcnn/data/images/image.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string corners(const std::string& xmin, const std::string& ymin, const std::string& xmax,
                    const std::string& ymax) {
  return "<bndbox><xmin>" + xmin + "</xmin><ymin>" + ymin + "</ymin><xmax>" + xmax + "</xmax><ymax>" + ymax +
         "</ymax></bndbox>";
}

std::string object(const std::string& name, const std::string& inside) {
  return "<object><name>" + name + "</name>" + inside + "</object>";
}

const std::string kCat = object("cat", corners("1", "2", "10", "20"));

/// A data set of images 40 wide and 30 high, written file by file.
class VocTest : public testing::Test {
 protected:
  void add(const std::string& id, const std::string& inside, const std::string& ending = ".jpg") {
    annotate(id, "<annotation><size><width>40</width><height>30</height><depth>3</depth></size>" + inside +
                     "</annotation>");
    picture(id + ending);
    list_ += id + "\n";
  }
  void annotate(const std::string& id, const std::string& xml) {
    folder_.write("Annotations/" + id + ".xml", xml);
  }
  void picture(const std::string& name, int64_t height = 30, int64_t width = 40) {
    const auto file = folder_.write("JPEGImages/" + name, "");
    write_image(file, at::full({height, width, 3}, 100, at::kByte));
  }

  std::shared_ptr<Dataset> read(VocOptions options = {}) {
    folder_.write("ImageSets/Main/train.txt", list_);
    options.root = folder_.path();
    testing::internal::CaptureStderr();
    try {
      auto dataset = read_voc(options);
      warning_ = testing::internal::GetCapturedStderr();
      return dataset;
    } catch (...) {
      warning_ = testing::internal::GetCapturedStderr();
      throw;
    }
  }
  std::string error(const VocOptions& options = {}) {
    const std::string message = message_of<DataError>([&] { read(options); });
    EXPECT_THAT(message, HasSubstr(folder_.path().string()));
    return message;
  }
  /// One object of this kind beside a good one: what is said of it under each policy.
  void expect_bad_box(const std::string& bndbox, const std::string& said) {
    list_.clear();
    add("a", kCat + object("cat", bndbox));
    EXPECT_EQ(read()->record(0).objects.size(), 1u) << bndbox;
    EXPECT_THAT(warning_,
                AllOf(HasSubstr(said), HasSubstr("dropped"), HasSubstr("Annotations/a.xml object 2")))
        << bndbox;
    EXPECT_THAT(error({.bad_boxes = Policy::stop}),
                AllOf(HasSubstr(said), HasSubstr("Annotations/a.xml object 2")));
  }
  std::string error_of_objects(const std::string& inside) {
    list_.clear();
    add("a", kCat + inside);
    return error();
  }

  TempFolder folder_;
  std::string list_, warning_;
};

TEST_F(VocTest, ReadsBoxesAsContinuousEdges) {
  add("000012", object("dog", corners("1", "1", "40", "30")) + object("cat", corners("5", "6", "7", "8")));
  const auto dataset = read();
  EXPECT_EQ(warning_, "");
  ASSERT_EQ(dataset->size(), 1);
  const Record& record = dataset->record(0);
  EXPECT_EQ(record.id, "000012");
  EXPECT_EQ(record.image, folder_.path() / "JPEGImages/000012.jpg");
  ASSERT_EQ(record.objects.size(), 2u);
  EXPECT_EQ(record.objects[0].box, (Box{0, 0, 40, 30}));
  EXPECT_EQ(record.objects[1].box, (Box{4, 5, 7, 8}));
  EXPECT_EQ(dataset->categories(), (std::vector<Category>{{1, "cat"}, {2, "dog"}}));
  EXPECT_EQ(record.objects[0].label, 2);
  EXPECT_EQ(record.objects[1].label, 1);
  EXPECT_EQ(dataset->image(0).sizes(), (std::vector<int64_t>{30, 40, 3}));
}

TEST_F(VocTest, DifficultIsIgnoredAndMayBeAbsent) {
  const std::string box = corners("1", "2", "10", "20");
  add("a", kCat + object("cat", "<difficult>0</difficult>" + box) +
               object("dog", "<difficult>1</difficult>" + box));
  const auto dataset = read();
  const auto& objects = dataset->record(0).objects;
  ASSERT_EQ(objects.size(), 3u);
  EXPECT_FALSE(objects[0].ignore);
  EXPECT_FALSE(objects[1].ignore);
  EXPECT_TRUE(objects[2].ignore);
  EXPECT_EQ(dataset->categories().size(), 2u);
  list_.clear();
  add("a", kCat + object("cat", "<difficult>maybe</difficult>" + box));
  EXPECT_FALSE(read()->record(0).objects[1].ignore);
  EXPECT_THAT(warning_, HasSubstr("<difficult> is neither 0 nor 1: Annotations/a.xml object 2 (\"maybe\")"));
}

TEST_F(VocTest, PartsOfAnObjectAreNotObjects) {
  add("a", object("cat", corners("1", "2", "10", "20") + "<part><name>head</name>" +
                             corners("2", "2", "4", "4") + "</part>"));
  EXPECT_EQ(read()->record(0).objects.size(), 1u);
}

TEST_F(VocTest, CoordinatesMayBeFractionsAndHaveSpace) {
  add("a", object(" cat ", corners(" 45.70e-1 ", "2.5", "\n10.25\n", "20")));
  const auto dataset = read();
  EXPECT_EQ(dataset->record(0).objects[0].box, (Box{3.57f, 1.5f, 10.25f, 20}));
  EXPECT_EQ(dataset->categories()[0].name, "cat");
}

TEST_F(VocTest, BoxesOverTheBorderAreClippedAndCounted) {
  add("a", object("cat", corners("0", "-3", "45.5", "31")) + kCat);
  add("b", object("cat", corners("0", "1", "9", "9")));
  const auto dataset = read({.bad_boxes = Policy::stop});
  EXPECT_EQ(dataset->record(0).objects[0].box, (Box{0, 0, 40, 30}));
  EXPECT_EQ(dataset->record(1).objects[0].box, (Box{0, 0, 9, 9}));
  EXPECT_THAT(warning_, AllOf(HasSubstr("clipped"), HasSubstr("Annotations/a.xml object 1"),
                              HasSubstr("Annotations/b.xml")));
  EXPECT_THAT(warning_, Not(HasSubstr("object 2")));
}

TEST_F(VocTest, BadBoxesAreDroppedOrStop) {
  expect_bad_box(corners("9", "5", "5", "9"), "without width or height");
  expect_bad_box(corners("5", "9", "9", "5"), "without width or height");
  expect_bad_box(corners("6", "5", "5", "9"), "without width or height");
  expect_bad_box(corners("41", "5", "60", "9"), "outside");
  expect_bad_box(corners("5", "31", "9", "60"), "outside");
  expect_bad_box(corners("-9", "5", "0", "9"), "outside");
  expect_bad_box(corners("5", "-9", "9", "-1"), "outside");
}

TEST_F(VocTest, ABoxWhoseCornersAreOnePixelIsAPixelWide) {
  add("a", object("cat", corners("5", "6", "5", "6")));
  EXPECT_EQ(read({.bad_boxes = Policy::stop})->record(0).objects[0].box, (Box{4, 5, 5, 6}));
  EXPECT_EQ(warning_, "");
}

TEST_F(VocTest, CoordinatesThatAreNoNumbersMakeBadBoxes) {
  expect_bad_box(corners("nan", "1", "9", "9"), "xmin is \"nan\"");
  expect_bad_box(corners("1", "inf", "9", "9"), "ymin is \"inf\"");
  expect_bad_box(corners("1", "1", "1e999", "9"), "1e999");
  expect_bad_box(corners("1", "1", "9", "9px"), "ymax is \"9px\"");
  expect_bad_box(corners("1", "1", "", "9"), "xmax is \"\"");
  expect_bad_box("", "<bndbox> needs");
}

TEST_F(VocTest, AnObjectNeedsAName) {
  EXPECT_THAT(error_of_objects(object("  ", corners("1", "1", "9", "9"))), HasSubstr("no <name>"));
  EXPECT_THAT(error_of_objects("<object>" + corners("1", "1", "9", "9") + "</object>"),
              HasSubstr("Annotations/a.xml object 2"));
}

TEST_F(VocTest, MalformedXmlIsNamedWithItsLine) {
  add("a", kCat);
  add("b", "");
  annotate("b", "<annotation>\n<object>\n</annotation>");
  add("c", "");
  annotate("c", "<annotation><size>");
  add("d", "");
  annotate("d", "");
  add("e", "");
  annotate("e", "<annotations></annotations>");
  const auto each = AllOf(HasSubstr("Annotations/b.xml (line 3"), HasSubstr("Annotations/c.xml"),
                          HasSubstr("Annotations/d.xml"), HasSubstr("no element <annotation>"),
                          HasSubstr("Annotations/e.xml"));
  EXPECT_THAT(error(), AllOf(each, HasSubstr("(bad_images=skip leaves it out)")));
  EXPECT_EQ(read({.bad_images = Policy::skip})->size(), 1);
  EXPECT_THAT(warning_, each);
}

TEST_F(VocTest, ADoctypeIsRefused) {
  add("a", kCat);
  annotate("a",
           "<!DOCTYPE a [<!ENTITY b SYSTEM "
           "\"file:///etc/passwd\">]><annotation><object><name>&b;</name></object></annotation>");
  EXPECT_THAT(error(), AllOf(HasSubstr("DOCTYPE"), HasSubstr("Annotations/a.xml")));
}

TEST_F(VocTest, AnEncodingDeclarationAndOtherLettersAreFine) {
  add("b\xc3\xa4r", "");
  annotate("b\xc3\xa4r", "<?xml version=\"1.0\" encoding=\"utf-8\"?><annotation>" +
                             object("b\xc3\xa4r &amp; co", corners("1", "1", "9", "9")) + "</annotation>");
  EXPECT_EQ(read()->categories()[0].name, "b\xc3\xa4r & co");
}

TEST_F(VocTest, TheSizeMayBeAbsentOrZeroButNotWrong) {
  add("a", "");
  annotate("a", "<annotation>" + object("cat", corners("1", "1", "99", "99")) + "</annotation>");
  add("b", "");
  annotate("b", "<annotation><size><width>0</width><height>0</height></size>" + kCat + "</annotation>");
  EXPECT_EQ(read()->record(0).objects[0].box, (Box{0, 0, 40, 30})) << "clipped to the image's own size";

  annotate("b", "<annotation><size><width>abc</width><height>30</height></size>" + kCat + "</annotation>");
  EXPECT_EQ(read()->size(), 2);
  EXPECT_THAT(warning_, HasSubstr("the image's own size counts: Annotations/b.xml (abc x 30)"));

  annotate("b", "<annotation><size><width>80</width><height>60</height></size>" + kCat + "</annotation>");
  EXPECT_THAT(error(), AllOf(HasSubstr("another size"), HasSubstr("80 x 60, the image has 40 x 30")));
  EXPECT_EQ(read({.bad_images = Policy::skip})->size(), 1);

  annotate("b", "<annotation><size><width>30</width><height>40</height></size>" + kCat + "</annotation>");
  EXPECT_THAT(error(), AllOf(HasSubstr("another size"), HasSubstr("30 x 40, the image has 40 x 30"),
                             Not(HasSubstr("EXIF"))));
}

TEST_F(VocTest, ImagesWithoutObjectsAreKept) {
  add("a", "");
  add("b", kCat);
  const auto dataset = read();
  ASSERT_EQ(dataset->size(), 2);
  EXPECT_TRUE(dataset->record(0).objects.empty());
  EXPECT_EQ(warning_, "");
}

TEST_F(VocTest, ImagesMayHaveSeveralEndings) {
  for (const std::string ending : {".jpg", ".JPG", ".jpeg", ".JPEG", ".png"})
    add("image" + ending, kCat, ending);
  const auto dataset = read();
  ASSERT_EQ(dataset->size(), 5);
  EXPECT_EQ(dataset->record(3).image.filename(), "image.JPEG.JPEG");
  EXPECT_EQ(dataset->image(4).size(0), 30);
}

TEST_F(VocTest, BadImagesStopOrAreDropped) {
  add("good", kCat);
  for (const std::string id : {"no_image", "no_annotation", "text", "cut"}) add(id, kCat);
  std::filesystem::remove(folder_.path() / "JPEGImages/no_image.jpg");
  std::filesystem::remove(folder_.path() / "Annotations/no_annotation.xml");
  folder_.write("JPEGImages/text.jpg", "text");
  const std::string bytes = file_bytes(folder_.path() / "JPEGImages/cut.jpg");
  folder_.write("JPEGImages/cut.jpg", bytes.substr(0, bytes.size() - 30));
  const auto each = AllOf(HasSubstr("JPEGImages/no_image"), HasSubstr("Annotations/no_annotation.xml"),
                          HasSubstr("text.jpg: is no image"), HasSubstr("cut.jpg: is cut off"));
  EXPECT_THAT(error(), each);
  EXPECT_EQ(read({.bad_images = Policy::skip})->size(), 1);
  EXPECT_THAT(warning_, AllOf(each, HasSubstr("dropped: ")));
}

TEST_F(VocTest, WarningsComeOnceGroupedWithCounts) {
  for (int i = 0; i < 9; ++i)
    add("image_" + std::to_string(i), kCat + object("cat", corners("9", "5", "5", "9")));
  read();
  EXPECT_THAT(warning_, AllOf(HasSubstr("image_0.xml"), HasSubstr("image_4.xml"), HasSubstr("and 4 more"),
                              Not(HasSubstr("image_5"))));
  EXPECT_EQ(warning_.find("warning"), warning_.rfind("warning")) << warning_;
}

TEST_F(VocTest, ClassesGivenAreTheLabelsInTheirOrder) {
  add("a", kCat + object("dog", corners("1", "1", "9", "9")));
  const auto dataset = read({.classes = {"zebra", "dog", "cat"}});
  EXPECT_EQ(dataset->categories(), (std::vector<Category>{{1, "zebra"}, {2, "dog"}, {3, "cat"}}));
  EXPECT_EQ(dataset->record(0).objects[0].label, 3);
  EXPECT_EQ(dataset->record(0).objects[1].label, 2);
  EXPECT_THAT(error({.classes = {"Cat", "dog"}}),
              AllOf(HasSubstr("asked for are Cat, dog"),
                    HasSubstr("cat (1 object, the first is Annotations/a.xml object 1)")));
  EXPECT_THAT(message_of<ConfigError>([&] {
                read({.classes = {"cat", "dog", "cat"}});
              }),
              HasSubstr("\"cat\" is given twice"));
}

TEST_F(VocTest, ListsMayHaveASecondColumnAndBlanks) {
  for (const std::string id : {"a", "b", "c", "with space", "d 1"}) add(id, kCat);
  list_ = "a -1\r\nb  1\n\n  \nc\t0\nwith space \nd 1\n";
  const auto dataset = read();
  ASSERT_EQ(dataset->size(), 5);
  EXPECT_EQ(dataset->record(0).id, "a");
  EXPECT_EQ(dataset->record(1).id, "b");
  EXPECT_EQ(dataset->record(2).id, "c");
  EXPECT_EQ(dataset->record(3).id, "with space");
  EXPECT_EQ(dataset->record(4).id, "d 1");
}

TEST_F(VocTest, IdsStayInsideTheDataSet) {
  add("a", kCat);
  const std::string list = list_;
  for (const std::string id : {"../secret", "/etc/passwd", "..", "b/../../a"}) {
    list_ = list + id;
    EXPECT_THAT(error(), AllOf(HasSubstr(id + " (line 2)"), HasSubstr("leads out"),
                               HasSubstr("(bad_images=skip leaves it out)")))
        << id;
  }
  for (const std::string id : {"sub/a", "sub\\a"}) {
    list_ = list + id;
    EXPECT_THAT(error(),
                HasSubstr("no annotation file (bad_images=skip leaves it out): Annotations/sub/a.xml"));
  }
  list_ = list + std::string(400, 'x');
  EXPECT_THAT(error(), HasSubstr("no annotation file"));
}

TEST_F(VocTest, AnIdMayBeListedOnce) {
  add("a", kCat);
  add("b", kCat);
  list_ += "a 1\n";
  EXPECT_THAT(error(), AllOf(HasSubstr("twice"), HasSubstr("a (line 3)")));
}

TEST_F(VocTest, LimitTakesTheFirstRecords) {
  for (const std::string id : {"c", "a", "b"}) add(id, kCat);
  const auto dataset = read({.limit = 2});
  ASSERT_EQ(dataset->size(), 2);
  EXPECT_EQ(dataset->record(0).id, "c");
  EXPECT_EQ(dataset->record(1).id, "a");
  EXPECT_EQ(read({.limit = 7})->size(), 3);
}

TEST_F(VocTest, NothingToReadIsAnError) {
  EXPECT_THAT(message_of<DataError>([&] { read_voc({.root = folder_.path() / "nowhere"}); }),
              HasSubstr("nowhere: there is no such file or folder"));
  add("a", "");
  EXPECT_THAT(error(), HasSubstr("nothing to find"));
  EXPECT_THAT(error({.split = "val"}), HasSubstr("has no part val; there are: train"));
  list_ = " \n\n";
  EXPECT_THAT(error(), HasSubstr("nothing to find: 0 images"));
  std::filesystem::remove_all(folder_.path() / "Annotations");
  list_ = "a\n";
  EXPECT_THAT(error(), HasSubstr("has no folder of annotations"));
}

TEST_F(VocTest, DeepAndLongXmlIsRead) {
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "<a>";
  add("a", kCat + deep);
  EXPECT_THAT(error(), HasSubstr("no valid XML"));
  add("b", kCat);
  list_ = "b\n";
  annotate(
      "b", "<annotation>" + deep +
               [] {
                 std::string end;
                 for (int i = 0; i < 100000; ++i) end += "</a>";
                 return end;
               }() +
               kCat + "</annotation>");
  EXPECT_EQ(read()->record(0).objects.size(), 1u);
}

/// Data sets that are no part of the repository.
class RealDataTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* root = std::getenv("RCNN_DATA");
    if (root == nullptr) GTEST_SKIP() << "RCNN_DATA names no folder with real data";
    root_ = root;
  }
  std::shared_ptr<Dataset> read(const std::string& name, const std::string& split,
                                Policy bad_boxes = Policy::skip) {
    if (!std::filesystem::exists(root_ / name)) return nullptr;
    testing::internal::CaptureStderr();
    auto dataset = read_voc({.root = root_ / name, .split = split, .bad_boxes = bad_boxes});
    warning_ = testing::internal::GetCapturedStderr();
    return dataset;
  }

  std::filesystem::path root_;
  std::string warning_;
};

struct Counts {
  int64_t images = 0, boxes = 0, ignored = 0;
  bool operator==(const Counts&) const = default;
};

Counts counts(const Dataset& dataset) {
  Counts result{.images = dataset.size()};
  for (int64_t i = 0; i < dataset.size(); ++i) {
    for (const Object& object : dataset.record(i).objects) ++(object.ignore ? result.ignored : result.boxes);
  }
  return result;
}

TEST_F(RealDataTest, Bccd) {
  const auto train = read("bccd", "train");
  if (!train) GTEST_SKIP() << "there is no bccd in RCNN_DATA";
  EXPECT_EQ(warning_, "");
  EXPECT_EQ(train->size(), 205);
  EXPECT_EQ(train->categories(), (std::vector<Category>{{1, "Platelets"}, {2, "RBC"}, {3, "WBC"}}));
  const auto val = read("bccd", "val");
  EXPECT_EQ(warning_, "");
  const auto test = read("bccd", "test", Policy::stop);
  EXPECT_EQ(warning_, "");
  EXPECT_EQ(val->size(), 87);
  EXPECT_EQ(test->size(), 72);
  EXPECT_EQ(counts(*train).boxes + counts(*val).boxes + counts(*test).boxes, 4888);
  for (int64_t i = 0; i < 5; ++i) EXPECT_EQ(test->image(i).sizes(), (std::vector<int64_t>{480, 640, 3}));
}

TEST_F(RealDataTest, Voc2012) {
  const auto train = read("voc2012_slice", "train", Policy::stop);
  if (!train) GTEST_SKIP() << "there is no voc2012_slice in RCNN_DATA";
  EXPECT_EQ(warning_, "");
  const auto val = read("voc2012_slice", "val", Policy::stop);
  const Counts a = counts(*train), b = counts(*val);
  EXPECT_EQ(a.images, 60);
  EXPECT_EQ(a.boxes + a.ignored, 168);
  EXPECT_EQ(b.images, 18);
  EXPECT_EQ(b.boxes + b.ignored, 42);
  EXPECT_EQ(a.ignored + b.ignored, 33);
  for (const Category& category : train->categories())
    EXPECT_NE(category.name, "head") << "a part, not an object";
  for (int64_t i = 0; i < val->size(); ++i) EXPECT_NO_THROW(val->image(i)) << val->record(i).id;
}

TEST_F(VocTest, TheBoundOfImagesHoldsForTheirHeadersAndTheirPixels) {
  add("a", kCat);
  picture("a.jpg", 1000, 1001);
  annotate("a", "<annotation>" + kCat + "</annotation>");
  EXPECT_THAT(error({.max_megapixels = 1}), HasSubstr("1001 x 1000 pixels are more than 1 megapixels"));
  const auto dataset = read({.max_megapixels = 2});
  EXPECT_EQ(dataset->image(0).size(1), 1001);
  picture("a.jpg", 1500, 1500);  // since it was opened
  EXPECT_THAT(message_of<DataError>([&] { dataset->image(0); }), HasSubstr("more than 2 megapixels"));
}

TEST_F(VocTest, GigabytesOfSomethingElseAreRefusedUnread) {
  add("a", kCat);
  std::filesystem::resize_file(folder_.path() / "Annotations/a.xml", 3'000'000'000);
  EXPECT_THAT(error(), HasSubstr("it has more than 64 MB"));
  std::filesystem::resize_file(folder_.write("ImageSets/Main/val.txt", ""), 3'000'000'000);
  EXPECT_THAT(error({.split = "val"}), HasSubstr("it has more than 256 MB"));
}

}  // namespace
}  // namespace rcnn::data
