#include <memory>
#include <string>
#include <utility>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/config/config.h>
#include <rcnn/data/joined.h>
#include <rcnn/data/tools/convert.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/data/tools/split.h>
#include <rcnn/error.h>

#include "data/record_list.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<Category> kPets = {{1, "cat"}, {2, "dog"}};

NamedDataset part(const std::string& name, const std::vector<std::string>& ids,
                  std::vector<Category> categories = kPets) {
  std::vector<Record> records;
  for (const auto& id : ids) {
    records.push_back(
        {.id = id, .image = name + "/" + id + ".jpg", .objects = {{.box = {0, 0, 1, 1}, .label = 1}}});
  }
  return {name, std::make_shared<RecordList>(std::move(records), std::move(categories))};
}

TEST(Join, PutsOneAfterTheOther) {
  Problems problems;
  const auto joined = join({part("a", {"1", "2"}), part("b", {}), part("c", {"3"})}, problems);
  ASSERT_EQ(joined->size(), 3);
  EXPECT_EQ(joined->record(0).id, "1");
  EXPECT_EQ(joined->record(1).image, "a/2.jpg");
  EXPECT_EQ(joined->record(2).id, "3");
  EXPECT_EQ(joined->record(2).image, "c/3.jpg");
  EXPECT_EQ(joined->categories(), kPets);
  EXPECT_THAT(problems.kinds(), IsEmpty());
}

TEST(Join, AnIdThatIsTakenGetsThePartsName) {
  Problems problems;
  const auto joined = join({part("a", {"1", "2"}), part("b", {"2", "3"}), part("c", {"2"})}, problems);
  EXPECT_EQ(joined->record(1).id, "2");
  EXPECT_EQ(joined->record(2).id, "b/2");
  EXPECT_EQ(joined->record(2).image, "b/2.jpg");
  EXPECT_EQ(joined->record(3).id, "3");
  EXPECT_EQ(joined->record(4).id, "c/2");
  EXPECT_THAT(problems.kinds(), IsEmpty()) << "other images under the same id";
}

TEST(Join, AFileInTwoPartsIsAWarning) {
  Problems problems;
  const auto twice = part("a", {"1", "2"});
  join({twice, {"b", twice.dataset}}, problems);
  EXPECT_FALSE(problems.has(Severity::error));
  EXPECT_THAT(problems.text(Severity::warning),
              AllOf(HasSubstr("in two of the joined"), HasSubstr("b: a/1.jpg, b: a/2.jpg")));
}

TEST(Join, CategoriesAreMatchedByName) {
  Problems problems;
  const auto joined =
      join({part("a", {"1"}), part("b", {"2"}, {{1, "dog"}, {2, "cat"}, {7, "bird"}})}, problems);
  EXPECT_EQ(joined->categories(), (std::vector<Category>{{1, "cat"}, {2, "dog"}, {7, "bird"}}));
  EXPECT_EQ(joined->record(0).objects.at(0).label, 1);
  EXPECT_EQ(joined->record(1).objects.at(0).label, 2) << "the first label of b is a dog";
  EXPECT_FALSE(problems.has(Severity::error));
  EXPECT_EQ(problems.text(Severity::warning),
            "\n  a class that one of the joined data sets does not have: a: bird");
  EXPECT_EQ(join({part("a", {"1"}), part("b", {"2"}, {{2, "bird"}})}, problems)->categories(),
            (std::vector<Category>{{1, "cat"}, {2, "dog"}, {3, "bird"}}))
      << "an id that is taken";
}

/// Pixels that are no file.
class OnePixel : public RecordList {
 public:
  OnePixel(std::string id, int64_t value)
      : RecordList({{.id = std::move(id), .image = "none", .objects = {}}}, kPets), value_(value) {}
  at::Tensor image(int64_t) const override { return at::full({1, 1, 3}, value_, at::kByte); }

 private:
  int64_t value_;
};

TEST(Join, ImagesAreThoseOfTheirDataset) {
  Problems problems;
  const auto joined =
      join({{"a", std::make_shared<OnePixel>("x", 3)}, {"b", std::make_shared<OnePixel>("x", 7)}}, problems);
  EXPECT_EQ(joined->image(0).sum().item<int64_t>(), 9);
  EXPECT_EQ(joined->image(1).sum().item<int64_t>(), 21);
}

/// Two drawn data sets, one/ and two/, whose ids are the same.
class Sources : public testing::Test {
 protected:
  Sources() {
    tools::draw_scenes(one_, {.train = 4, .test = 2, .size = {64, 96}, .seed = 1});
    tools::draw_scenes(two_, {.train = 3, .test = 2, .size = {64, 96}, .seed = 2});
  }
  static std::string listed(const std::string& first, const std::string& second) {
    return "\"" + first + "\", \"" + second + "\"";
  }
  std::string both() const {
    return listed(one_ + "/ImageSets/Main/train.txt", two_ + "/ImageSets/Main/test.txt");
  }
  std::string voc(const std::string& sources, const std::string& more = "") const {
    return R"({"type": "voc", "root": ")" + one_ +
           R"(", "classes": ["circle", "cross", "square", "star", "triangle"], "train": {)" + more +
           R"("sources": [)" + sources + "]}}";
  }
  static DataOptions parse(const std::string& text) {
    return DataOptions::from(config::Config::parse(text, "here").root());
  }
  static std::string config_error(const std::string& text) {
    return message_of<ConfigError>([&] { parse(text); });
  }
  const TempFolder folder_;
  const std::string one_ = folder_.path() / "one", two_ = folder_.path() / "two";
};

TEST_F(Sources, OfATrainingAreJoined) {
  const auto options = parse(voc(both()));
  EXPECT_EQ(options.train.sources[0].name, one_ + "/train");
  EXPECT_EQ(options.train.sources[1].root, two_);
  const auto joined = open(options, options.train);
  ASSERT_EQ(joined->size(), 6);
  EXPECT_EQ(joined->record(0).id, "scene_00001");
  EXPECT_EQ(joined->record(4).id, two_ + "/test/scene_00004") << "the fourth of the first has this id";
  EXPECT_EQ(joined->record(5).id, "scene_00005");
  EXPECT_EQ(joined->record(5).image, two_ + "/JPEGImages/scene_00005.jpg");
  EXPECT_EQ(joined->categories().size(), 5u);
  EXPECT_EQ(open(options, options.test)->size(), 2) << "of the root";
  EXPECT_EQ(options.train.transform.flip, 0.5);

  const auto few = parse(voc(both(), R"("limit": 1, )"));
  EXPECT_EQ(open(few, few.train)->size(), 2) << "one of each";
}

TEST_F(Sources, OfCocoAreJoinedToo) {
  Problems problems;
  const auto parts = read_parts(locate(one_), problems);  // categories are the same then
  for (const auto& root : {one_, two_}) convert(parts, "coco", root + "_coco", ImageFiles::link, problems);
  const std::string file = "_coco/annotations/instances_train.json";
  const auto options =
      parse(R"({"type": "coco", "root": ")" + one_ + R"(_coco", "train": {"sources": [)" +
            listed(one_ + file, two_ + file) +
            R"(]}, "test": {"annotations": "annotations/instances_test.json", "images": "test"}})");
  const auto joined = open(options, options.train);
  ASSERT_EQ(joined->size(), 8);
  EXPECT_EQ(joined->record(0).id, "1");
  EXPECT_EQ(joined->record(4).id, two_ + file + "/1");
  EXPECT_TRUE(joined->image(7).defined());
}

TEST_F(Sources, WhatIsWrongNamesThem) {
  std::filesystem::remove(two_ + "/JPEGImages/scene_00004.jpg");
  const auto options = parse(voc(both()));
  EXPECT_THAT(message_of<DataError>([&] { open(options, options.train); }),
              AllOf(HasSubstr(one_ + "/train, " + two_ + "/test together: cannot be used"),
                    HasSubstr(two_ + "/test: ")));
  EXPECT_THAT(
      config_error(voc(R"("a/trainval.txt")")),
      HasSubstr("train.sources: must be lists ROOT/ImageSets/Main/NAME.txt or folders, not a/trainval.txt"));
  EXPECT_THAT(config_error(voc(R"("a/ImageSets/Main/train")")), HasSubstr("train.sources: must be lists"));
  EXPECT_THAT(config_error(voc(both() + ", " + both())), HasSubstr("one/ImageSets/Main/train.txt twice"));
  EXPECT_THAT(config_error(voc("")), HasSubstr("train.sources: names no data set"));
  EXPECT_THAT(config_error(voc("3")), HasSubstr("train.sources: element 1 must be a string"));
  EXPECT_THAT(config_error(voc(both(), R"("split": "train", )")),
              HasSubstr("train.split: contradicts sources; null takes"));
  EXPECT_THAT(config_error(R"({"test": {"sources": []}})"), HasSubstr("test.sources: unknown key"));
}

TEST_F(Sources, AFileThatIsNoInstancesFileIsSaidToBeNone) {
  const auto other = folder_.write("other.json", R"({"a": 1})").string();
  const auto options = parse(R"({"type": "coco", "train": {"sources": [")" + other +
                             R"("]}, "test": {"annotations": "a.json", "images": "a"}})");
  EXPECT_THAT(
      message_of<DataError>([&] { open(options, options.train); }),
      AllOf(HasSubstr("other.json: is no data set of the format coco"), HasSubstr("known are voc, coco")));
}

TEST_F(Sources, FilesOfSeveralAreNotConvertedOrSplit) {
  const auto file = folder_.write("config.json", R"({"data": )" + voc(both()) + "}");
  const auto parts = locate(file, {.splits = {"train"}});
  Problems problems;
  EXPECT_THAT(message_of<ConfigError>([&] { read_parts(parts, problems); }),
              HasSubstr("train: is joined from 2 data sets"));
  EXPECT_THAT(message_of<ConfigError>([&] {
                write_split(parts[0], folder_.path() / "out", {{"a", 0.5}, {"b", 0.5}}, 0);
              }),
              HasSubstr("train: is joined from 2 data sets"));
}

}  // namespace
}  // namespace rcnn::data
