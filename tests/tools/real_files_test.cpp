// Files as people have them, given to the program as they lie: what it says, and that it goes on where it
// should.
#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/tools/base_sets.h"
#include "tests/tools/rcnn.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class RealFiles : public testing::Test {
 protected:
  Finished check(const std::string& name, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"data", "check", sets_.path(name).string()});
    return run_rcnn(more);
  }
  nlohmann::json checked(const std::string& name, std::vector<std::string> more = {}) const {
    more.emplace_back("--json");
    return nlohmann::json::parse(check(name, std::move(more)).out).at(0);
  }

  /// Trains one iteration on what `data` says.
  Finished train(const std::string& data, std::vector<std::string> more = {}) const {
    const auto config = sets_.write(
        "config.json", std::string(R"({"model": )") + kTinyModel +
                           R"(, "train": {"iterations": 1, "batch_size": 2, "log_period": 1}, "data": {)" +
                           data + R"(, "min_size": 64, "max_size": 96, "workers": 0}})");
    more.insert(more.begin(),
                {"train", config.string(), "--output", sets_.path("run").string(), "--device", "cpu"});
    return run_rcnn(more, sets_.path("."));
  }

  /// The records that a conversion to COCO has: [file name, class, box] each.
  nlohmann::json records(const std::string& name, std::vector<std::string> more = {}) const {
    const auto output = sets_.path("records_" + std::to_string(++conversions_));
    more.insert(more.begin(),
                {"data", "convert", sets_.path(name).string(), "--to", "coco", "--output", output.string()});
    const auto finished = run_rcnn(more);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    said_ = finished.err;
    auto list = nlohmann::json::array();
    if (!fs::exists(output)) return list;
    for (const auto& file : fs::directory_iterator(output / "annotations")) {
      const auto json = nlohmann::json::parse(file_bytes(file.path()));
      std::map<int64_t, std::string> images, classes;
      for (const auto& image : json["images"]) images[image["id"]] = image["file_name"];
      for (const auto& category : json["categories"]) classes[category["id"]] = category["name"];
      for (const auto& a : json["annotations"])
        list.push_back({images.at(a["image_id"]), classes.at(a["category_id"]), a["bbox"]});
    }
    std::sort(list.begin(), list.end());
    return list;
  }

  /// Those of the base sets, whose images have this ending and lie in this folder.
  static nlohmann::json base_records(const std::string& folder = "", const std::string& ending = ".png") {
    auto list = nlohmann::json::array();
    for (int i = 0; i < 4; ++i) {
      const auto& [x1, y1, x2, y2] = BaseSets::kBoxes[static_cast<size_t>(i)];
      list.push_back({folder + "img" + std::to_string(i + 1) + ending,
                      i % 2 == 0 ? "dog" : "cat",
                      {double(x1), double(y1), double(x2 - x1), double(y2 - y1)}});
    }
    return list;
  }

  BaseSets sets_;
  mutable int conversions_ = 0;
  mutable std::string said_;
};

constexpr const char* kCoco =
    R"("type": "coco", "root": "c", "train": {"annotations": "gt.json", "images": "."},
  "test": {"annotations": "gt.json", "images": "."})";
constexpr const char* kVoc = R"("type": "voc", "root": "v")";

TEST_F(RealFiles, TrainingOnSomeOfTheClasses) {
  for (const char* data : {kCoco, kVoc}) {
    const auto classes = std::string(data) + R"(, "classes": ["cat"])";
    EXPECT_THAT(error_of(train(classes), 3), AllOf(HasSubstr("dog (2 objects, the first is "),
                                                   HasSubstr("other_classes=ignore leaves them out")));
    const auto ignored = train(classes + R"(, "other_classes": "ignore")");
    EXPECT_EQ(ignored.exit_code, 0) << ignored.err;
    EXPECT_THAT(ignored.err,
                HasSubstr("left out: objects of classes that are neither chosen nor learnt: dog"));
    fs::remove_all(sets_.path("run"));
    const auto merged = train(classes + R"(, "other_classes": "merge:cat")");
    EXPECT_EQ(merged.exit_code, 0) << merged.err;
    EXPECT_THAT(merged.err, HasSubstr("taken for cat: objects of other classes: dog (2 objects"));
    fs::remove_all(sets_.path("run"));
  }
}

TEST_F(RealFiles, AModelOfOneClassIsScoredOnDataWithTwo) {
  ASSERT_EQ(train(std::string(kCoco) + R"(, "classes": ["cat"], "other_classes": "ignore")").exit_code, 0);
  const auto weights = sets_.path("run/last.safetensors").string();
  const auto config = sets_.write("two.json", std::string(R"({"data": {)") + kCoco + "}}");
  const auto finished =
      run_rcnn({"eval", "--weights", weights, config.string(), "--device", "cpu"}, sets_.path("."));
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("neither chosen nor learnt: dog (2 objects"));
}

TEST_F(RealFiles, ARareClassThatOnlyTheTestPartHas) {
  ASSERT_TRUE(sets_.replace("v/Annotations/img4.xml", "<name>cat", "<name>bird"));
  sets_.write("v/ImageSets/Main/train.txt", "img1\nimg2\nimg3\n");
  EXPECT_THAT(check("v").out,
              HasSubstr("a class that train has no object of, so that it is never learnt: bird (1 in test)"));
  const auto finished = train(kVoc);
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("neither chosen nor learnt: bird (1 object, the first is"));
}

TEST_F(RealFiles, FilesWithOtherIdsAreJoinedByName) {
  fs::copy(sets_.path("c"), sets_.path("d"));
  auto json = nlohmann::json::parse(sets_.read("d/gt.json"));
  json["categories"] = {{{"id", 1}, {"name", "dog"}}, {{"id", 2}, {"name", "cat"}}};
  for (auto& annotation : json["annotations"])
    annotation["category_id"] = 3 - annotation["category_id"].get<int>();
  sets_.write("d/gt.json", json.dump());
  const std::string joined = R"("type": "coco", "root": "c", "train": {"sources": ["c/gt.json", "d/gt.json"]},
    "test": {"annotations": "gt.json", "images": "."})";
  for (const auto& data : {joined, joined + R"(, "classes": ["cat", "dog"])"}) {
    const auto finished = train(data);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    fs::remove_all(sets_.path("run"));
  }
  const auto config = sets_.write("joined.json", R"({"data": {)" + joined + "}}");
  const auto classes =
      nlohmann::json::parse(
          run_rcnn({"data", "check", config, "--json", "--split", "train"}, sets_.path(".")).out)
          .at(0)["parts"][0]["classes"];
  EXPECT_EQ(classes[0]["boxes"], 4) << "two cats of each";
  EXPECT_EQ(classes[1]["boxes"], 4);

  json["categories"] = {{{"id", 9}, {"name", "cat"}}};
  json["annotations"] = {{{"id", 1}, {"image_id", 1}, {"category_id", 9}, {"bbox", {1, 1, 50, 50}}}};
  sets_.write("d/gt.json", json.dump());
  const auto finished = train(joined);
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err,
              HasSubstr("a class that one of the joined data sets does not have: d/gt.json: dog"));
}

TEST_F(RealFiles, BoxesThatVanishIn32BitsAreDroppedAndCounted) {
  for (const char* box : {"[199.999999, 10, 1, 10]", "[100, 100, 50, 1e-6]"}) {
    ASSERT_TRUE(sets_.replace("c/gt.json", "[20, 30, 80, 80]", box));
    const auto finished = check("c/gt.json");
    EXPECT_EQ(finished.exit_code, 0) << finished.out;
    EXPECT_THAT(finished.out, AllOf(HasSubstr("dropped: a box of less than a thousandth of a pixel"),
                                    HasSubstr("annotation 1 [")));
    EXPECT_THAT(check("c/gt.json", {"--bad-boxes", "stop"}).out, HasSubstr("(bad_boxes=skip leaves it out)"));
    ASSERT_TRUE(sets_.replace("c/gt.json", box, "[20, 30, 80, 80]"));
  }
}

TEST_F(RealFiles, EverySetIsFoundAsItLies) {
  for (const char* name : {"v", "c", "c/gt.json", "y"}) {
    SCOPED_TRACE(name);
    const auto finished = check(name);
    EXPECT_EQ(finished.exit_code, 0) << finished.out;
    EXPECT_THAT(finished.out, Not(HasSubstr("errors")));
    EXPECT_EQ(records(name, name[0] == 'v' ? std::vector<std::string>{"--split", "train"}
                                           : std::vector<std::string>{}),
              base_records());
  }
}

TEST_F(RealFiles, AFolderOfSomethingElseSaysWhatIsThereAndWhatIsNear) {
  sets_.write("odd/annots/a.xml", "<html/>");
  sets_.write("odd/gt.json", R"([{"image_id": 1, "bbox": [1, 2, 3, 4]}])");
  fs::copy(sets_.path("c/img1.png"), sets_.write("odd/images/a.png", ""),
           fs::copy_options::overwrite_existing);
  const auto finished = check("odd");
  EXPECT_EQ(finished.exit_code, 3);
  EXPECT_THAT(finished.out, AllOf(HasSubstr("it holds 1 .json, 1 .png in images, 1 .xml in annots"),
                                  HasSubstr("coco comes nearest: gt.json: is a list")));
}

TEST_F(RealFiles, TwoFormatsInOneFolderAreBothNamed) {
  fs::create_directories(sets_.path("both/annotations"));
  fs::copy(sets_.path("y/images"), sets_.path("both/images"), fs::copy_options::recursive);
  fs::copy(sets_.path("y/labels"), sets_.path("both/labels"), fs::copy_options::recursive);
  sets_.write("both/classes.txt", "cat\ndog\n");
  sets_.write("both/annotations/instances_train.json", sets_.read("c/gt.json"));
  EXPECT_THAT(check("both").out,
              AllOf(HasSubstr("holds data sets of several formats: coco, yolo"), HasSubstr("--from")));
  for (const char* type : {"coco", "yolo"}) {
    EXPECT_EQ(check("both", {"--from", type}).exit_code, 0) << type;
    EXPECT_EQ(records("both", {"--from", type}), base_records()) << type;
  }
  EXPECT_EQ(train(R"("type": "yolo", "root": "both")").exit_code, 0);
}

}  // namespace
}  // namespace rcnn::tools
