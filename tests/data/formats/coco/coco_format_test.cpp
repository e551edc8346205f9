#include <filesystem>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/data/formats/coco/coco_file.h>
#include <rcnn/data/tools/convert.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/error.h>

#include "tests/data/formats/base_set.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

/// The four boxes as CVAT exports them.
json base_file() {
  json file = {{"licenses", {{{"name", ""}, {"id", 0}, {"url", ""}}}},
               {"info", {{"contributor", ""}, {"year", ""}}},
               {"categories",
                {{{"id", 1}, {"name", "cat"}, {"supercategory", ""}},
                 {{"id", 2}, {"name", "dog"}, {"supercategory", ""}}}},
               {"images", json::array()},
               {"annotations", json::array()}};
  int64_t id = 0;
  for (const auto& [name, class_name, box] : base_set::entries()) {
    ++id;
    file["images"].push_back({{"id", id},
                              {"width", base_set::kWidth},
                              {"height", base_set::kHeight},
                              {"file_name", name + ".png"},
                              {"license", 0},
                              {"coco_url", ""},
                              {"date_captured", 0}});
    file["annotations"].push_back({{"id", id},
                                   {"image_id", id},
                                   {"category_id", class_name == "cat" ? 1 : 2},
                                   {"segmentation", json::array()},
                                   {"area", box.width() * box.height()},
                                   {"bbox", {box.x1, box.y1, box.width(), box.height()}},
                                   {"iscrowd", 0},
                                   {"attributes", {{"occluded", false}, {"rotation", 0.0}}}});
  }
  return file;
}

class CocoFormatTest : public testing::Test {
 protected:
  fs::path at(const std::string& name) const { return folder_.path() / name; }
  void write(const std::string& name, const json& file) const { folder_.write(name, file.dump()); }
  void write_images(const std::string& folder) const {
    fs::create_directories(at(folder));
    base_set::write_images(at(folder));
  }
  std::vector<DatasetPart> parts(const std::string& name = "") const {
    return locate(at(name), {.type = "coco"});
  }
  std::vector<std::string> names(const std::string& name = "") const {
    std::vector<std::string> result;
    for (const auto& part : parts(name)) result.push_back(part.name);
    return result;
  }
  std::shared_ptr<Dataset> open_part(const DatasetPart& part) {
    problems_ = {};
    return open(part.options, part.split, problems_);
  }
  std::string warnings() const { return problems_.text(Severity::warning); }

  const TempFolder folder_;
  Problems problems_;
};

TEST_F(CocoFormatTest, TheFourBoxesAreRead) {
  write_images("images");
  auto file = base_file();
  for (auto& image : file["images"]) image["id"] = "img" + std::to_string(image["id"].get<int>());
  for (auto& annotation : file["annotations"])
    annotation["image_id"] = "img" + std::to_string(annotation["image_id"].get<int>());
  write("annotations/instances_default.json", file);
  EXPECT_THAT(names(), ElementsAre("default"));
  base_set::expect_records(*open_part(parts().front()));
  EXPECT_FALSE(problems_.has(Severity::error));
}

TEST_F(CocoFormatTest, LayoutsAreFound) {
  const auto expect = [&](const std::string& root, const std::vector<std::string>& expected) {
    EXPECT_EQ(names(root), expected) << root;
    for (const auto& part : parts(root)) {
      EXPECT_EQ(open_part(part)->size(), 4) << root;
      EXPECT_FALSE(problems_.has(Severity::error)) << root << problems_.text(Severity::error);
    }
  };
  const auto file = base_file();
  for (const char* part : {"train", "valid", "test"}) {  // Roboflow's
    write_images(std::string("roboflow/") + part);
    write(std::string("roboflow/") + part + "/_annotations.coco.json", file);
  }
  expect("roboflow", {"test", "train", "valid"});
  expect("roboflow/train", {"all"});
  expect("roboflow/train/_annotations.coco.json", {"_annotations.coco"});

  write_images("named/images");
  write("named/annotations/train.json", file);
  write("named/annotations/val.json", file);
  write("named/annotations/captions_val.json",
        {{"images", file["images"]}, {"annotations", {{{"id", 1}, {"image_id", 1}, {"caption", "a cat"}}}}});
  expect("named", {"train", "val"});

  write_images("beside");
  write("beside/gt.json", file);
  write("beside/results.json",
        json::array({{{"image_id", 1}, {"category_id", 1}, {"bbox", {1, 2, 3, 4}}, {"score", 1}}}));
  write("beside/labelme.json", {{"shapes", json::array()}, {"imagePath", "img1.png"}});
  expect("beside", {"gt"});

  for (const char* part : {"train", "val"}) {
    write_images(std::string("each/") + part + "/images");
    write(std::string("each/") + part + "/labels.json", file);
  }
  expect("each", {"train", "val"});

  write_images("pair/train2017");
  write_images("pair/val2017");
  write("pair/Annotations/instances_train2017.json", file);
  write("pair/Annotations/instances_val2017.json", file);
  expect("pair", {"train2017", "val2017"});
}

TEST_F(CocoFormatTest, OtherFilesAreNoInstances) {
  write_images("");
  write("captions.json",
        {{"images", base_file()["images"]}, {"annotations", {{{"image_id", 1}, {"caption", "a"}}}}});
  write("results.json",
        json::array({{{"image_id", 1}, {"category_id", 1}, {"bbox", {1, 2, 3, 4}}, {"score", 1}}}));
  const auto said = message_of<DataError>([&] { locate(folder_.path()); });
  EXPECT_THAT(
      said,
      HasSubstr("coco comes nearest: captions.json: its annotations have neither category_id nor bbox"));
  EXPECT_THAT(message_of<DataError>([&] { locate(at("captions.json")); }),
              HasSubstr("coco comes nearest: its annotations have neither category_id nor bbox"));
  EXPECT_THAT(message_of<DataError>([&] { locate(at("results.json")); }),
              HasSubstr("is a list, not an object of"));
}

TEST_F(CocoFormatTest, TheHeadOfABigFileTells) {
  // Longer than what is looked at first, annotations before images, braces in texts.
  auto file = base_file();
  json first = json::object({{"annotations", json::array()}});
  for (int i = 0; i < 2000; ++i) {
    auto annotation = file["annotations"][0];
    annotation["id"] = i + 1;
    annotation["note"] = "}, {\"";
    first["annotations"].push_back(annotation);
  }
  file.erase("annotations");
  const auto head = first.dump(), tail = file.dump();
  write_images("images");
  folder_.write("annotations/gt.json", head.substr(0, head.size() - 1) + ", " + tail.substr(1));
  EXPECT_GT(fs::file_size(at("annotations/gt.json")), 65536u);
  EXPECT_EQ(parts().at(0).split.images, at("images"));
  auto captions = json::object({{"annotations", json::array()}, {"images", file["images"]}});
  for (int i = 0; i < 2000; ++i)
    captions["annotations"].push_back({{"caption", std::string(50, '{')}, {"image_id", 1}});
  write("annotations/other.json", captions);
  EXPECT_THAT(names(), ElementsAre("gt"));
}

TEST_F(CocoFormatTest, ALimitTakesTheFirstImagesAndWhatIsOnThem) {
  write_images("");
  write("gt.json", base_file());
  auto part = parts("gt.json").front();
  part.split.limit = 2;
  EXPECT_EQ(open_part(part)->size(), 2);
  EXPECT_TRUE(problems_.kinds().empty()) << problems_.text(Severity::error);
}

TEST_F(CocoFormatTest, OneMissingImageDoesNotHideTheOthers) {
  write_images("images");
  fs::remove(at("images/img1.png"));
  write("annotations/gt.json", base_file());
  auto part = parts().front();
  part.options.bad_images = Policy::skip;
  EXPECT_EQ(open_part(part)->size(), 3);
}

TEST_F(CocoFormatTest, BackslashesAreSeparatorsWhereTheyLeadToTheImage) {
  write_images("images/day");
  auto file = base_file();
  for (auto& image : file["images"]) image["file_name"] = "day\\" + image["file_name"].get<std::string>();
  write("annotations/gt.json", file);
  EXPECT_EQ(open_part(parts().front())->size(), 4);
  EXPECT_THAT(warnings(), HasSubstr("a file name has backslashes, which are taken for /: day\\img1.png"));
  EXPECT_FALSE(problems_.has(Severity::error));

  fs::rename(at("images/day/img1.png"), at("images/day\\img1.png"));  // a name may have one
  const auto set = open_part(parts().front());
  EXPECT_EQ(set->record(0).image, at("images") / "day\\img1.png");
}

TEST_F(CocoFormatTest, AGroupIsNoClassForATraining) {
  write_images("");
  auto file = base_file();
  file["categories"] = {{{"id", 0}, {"name", "cat"}, {"supercategory", "none"}},
                        {{"id", 1}, {"name", "cat"}, {"supercategory", "cat"}},
                        {{"id", 2}, {"name", "dog"}, {"supercategory", "cat"}}};
  write("gt.json", file);
  auto part = parts("gt.json").front();
  for (const auto& classes : {std::vector<std::string>{}, {"cat", "dog"}}) {
    part.options.classes = classes;
    const auto set = open_part(part);
    EXPECT_EQ(set->categories(), (std::vector<Category>{{1, "cat"}, {2, "dog"}}));
    EXPECT_EQ(set->size(), 4);
    EXPECT_FALSE(problems_.has(Severity::error)) << problems_.text(Severity::error);
    EXPECT_THAT(warnings(),
                HasSubstr("a category that groups others and has no object is no class: cat (id 0)"));
  }
}

TEST_F(CocoFormatTest, PoliciesAreForWhatIsOneEntrys) {
  write_images("");
  auto file = base_file();
  file["annotations"][0].erase("bbox");
  file["annotations"][1]["bbox"] = nullptr;
  file["annotations"][1]["segmentation"] = {{60, 20, 180, 20, 180, 140}};
  file["annotations"][2]["iscrowd"] = "maybe";
  file["annotations"][3]["area"] = "large";
  write("gt.json", file);
  auto part = parts("gt.json").front();
  open_part(part);
  EXPECT_THAT(
      problems_.text(Severity::error),
      HasSubstr("iscrowd must be 0 or 1 (bad_images=skip leaves it out): annotations[2] (\"maybe\")"));
  part.options.bad_images = Policy::skip;
  const auto set = open_part(part);
  EXPECT_FALSE(problems_.has(Severity::error)) << problems_.text(Severity::error);
  ASSERT_EQ(set->size(), 3);
  EXPECT_THAT(set->record(0).objects, SizeIs(0));
  ASSERT_THAT(set->record(1).objects, SizeIs(1));
  EXPECT_EQ(set->record(1).objects[0].box.x2, 180);
  EXPECT_THAT(warnings(),
              AllOf(HasSubstr("dropped: an annotation has neither a bbox nor an outline: annotations[0]"),
                    HasSubstr("there is no bbox; that of the outline is taken: annotations[1]"),
                    HasSubstr("dropped: area must be a number: annotations[3] (\"large\")")));
  part.options.bad_boxes = part.options.bad_values = Policy::stop;
  open_part(part);
  EXPECT_THAT(problems_.text(Severity::error),
              AllOf(HasSubstr("(bad_boxes=skip leaves it out): annotations[0]"),
                    HasSubstr("(bad_values=skip leaves it out): annotations[3]")));
}

TEST_F(CocoFormatTest, ConversionsKeepWhatTheFileKnows) {
  write_images("train");
  auto file = base_file();
  file["categories"][0]["keypoints"] = {"nose"};
  file["annotations"][0]["keypoints"] = {1, 2, 2};
  file["annotations"][1]["attributes"] = {{"a<b", 3}, {"id", json::array({1, nullptr})}, {"bbox", "x"}};
  write("annotations/instances_train.json", file);
  for (const auto how : {ImageFiles::link, ImageFiles::copy}) {
    const TempFolder out;
    auto from = parts();
    for (const char* name : {"once", "twice"}) {
      Problems problems;
      convert(read_parts(from, problems), "coco", out.path() / name, how, problems);
      EXPECT_TRUE(problems.kinds().empty()) << problems.text(Severity::warning);
      from = locate(out.path() / name);
      const auto written = json::parse(file_bytes(out.path() / name / "annotations/instances_train.json"));
      EXPECT_EQ(written, file);
    }
    EXPECT_EQ(open_part(from.front())->size(), 4);
  }
}

TEST_F(CocoFormatTest, PartsThatCannotLieBesideEachOtherAreRefused) {
  write_images("");
  write("gt.json", base_file());
  Problems problems;
  auto parts = read_parts(this->parts("gt.json"), problems);
  parts[0].name = "annotations";
  convert(parts, "coco", at("all"), ImageFiles::link, problems);
  EXPECT_TRUE(fs::exists(at("all/annotations/instances_all.json")))
      << "its folder would be that of the files";
  parts[0].name = "day/1";
  parts.push_back(parts[0]);
  parts[1].name = "day-1";
  EXPECT_THAT(message_of<DataError>([&] { convert(parts, "coco", at("out"), ImageFiles::link, problems); }),
              HasSubstr("two parts would be called alike here: day/1 and day-1"));
  EXPECT_FALSE(fs::exists(at("out")));
}

}  // namespace
}  // namespace rcnn::data
