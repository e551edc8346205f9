// COCO files as people's tools write them, scored and checked by the program as pycocotools scores them, or
// as they are meant where it does not take them.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/tools/base_sets.h"
#include "tests/tools/rcnn.h"

namespace rcnn::tools {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class RealCocoFiles : public testing::Test {
 protected:
  /// The truth as results.
  static json results_of(const json& file) {
    auto results = json::array();
    for (const auto& annotation : file["annotations"]) {
      results.push_back({{"image_id", annotation["image_id"]},
                         {"category_id", annotation["category_id"]},
                         {"bbox", annotation["bbox"]},
                         {"score", 0.9}});
    }
    return results;
  }

  Finished eval(const json& file, const json& results) const {
    return run_rcnn({"eval", "--annotations", sets_.write("c/odd.json", file.dump()), "--detections",
                     sets_.write("found.json", results.dump()), "--json"});
  }
  Finished check(const json& file, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"data", "check", sets_.write("c/odd.json", file.dump())});
    return run_rcnn(more);
  }

  const BaseSets sets_;
  const json base_ = json::parse(sets_.read("c/gt.json"));
  const json found_ = results_of(base_);
};

TEST_F(RealCocoFiles, ValuesInOtherFormsScoreTheSame) {
  json file = base_;
  auto& annotations = file["annotations"];
  annotations[0]["iscrowd"] = 0.0;
  annotations[1]["iscrowd"] = nullptr;
  annotations[2]["iscrowd"] = "0";
  annotations[3]["iscrowd"] = false;
  annotations[0]["area"] = nullptr;
  annotations[1]["category_id"] = "1";
  annotations[2]["image_id"] = "3";
  annotations[3]["image_id"] = 4.0;
  annotations[0]["bbox"] = {"20", "30", "80", "80"};
  annotations[3]["id"] = 4.0;
  file["images"][0]["width"] = 200.0;
  file["images"][1]["width"] = "200";
  file["images"][2]["height"] = nullptr;
  json by_key = json::object();
  for (const auto& annotation : annotations) by_key[std::to_string(by_key.size())] = annotation;
  annotations = by_key;
  const auto finished = eval(file, found_);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(json::parse(finished.out)["AP"], 1.0);
  const auto checked = check(file);
  EXPECT_EQ(checked.exit_code, 0) << checked.out;
  EXPECT_THAT(
      checked.out,
      AllOf(Not(HasSubstr("errors")), HasSubstr("a whole number is written with decimals: "),
            HasSubstr("images[0].width (200.0)"), HasSubstr("annotations[0].iscrowd (0.0)"),
            HasSubstr("a list is written as an object; its values are taken in their order: annotations"),
            HasSubstr("a number is written as a text: "), HasSubstr("images[1].width (\"200\")"),
            HasSubstr("null, which is taken for nothing: "), HasSubstr("images[2].height (null)")));
}

TEST_F(RealCocoFiles, WhatChangesAClassIsAnErrorWithItsValue) {
  json file = base_;
  file["annotations"][1]["category_id"] = nullptr;
  file["annotations"][2]["iscrowd"] = "maybe";
  for (const auto& finished : {check(file), eval(file, found_)}) {
    EXPECT_EQ(finished.exit_code, 3);
    EXPECT_THAT(finished.out + finished.err,
                AllOf(HasSubstr("category_id must be an integer of 64 bits"),
                      HasSubstr("annotations[1] (null)"), HasSubstr("iscrowd must be 0 or 1"),
                      HasSubstr("annotations[2] (\"maybe\")"), Not(HasSubstr("not in \"images\""))));
  }
  const auto skipped = check(file, {"--bad-images", "skip"});
  EXPECT_EQ(skipped.exit_code, 0) << skipped.out;
  EXPECT_THAT(skipped.out, HasSubstr("odd: 2 images"));
}

TEST_F(RealCocoFiles, ObjectsWithoutABoxHaveThatOfTheirOutline) {
  json file = base_;
  auto& annotations = file["annotations"];
  annotations[0].erase("bbox");
  annotations[0]["segmentation"] = {{20, 30, 100, 30, 100, 110}};
  annotations[1]["bbox"] = json::array();
  annotations[1]["segmentation"] = {{60, 20, 180, 140}};
  annotations[2]["bbox"] =
      nullptr;  // columns 5 to 69 of 150 pixels, of which 55 from the fifth on are the object's
  json counts = {5 * 150 + 5};
  for (int column = 5; column < 70; ++column) {
    counts.push_back(55);
    counts.push_back(95);
  }
  counts.back() = 90 + 130 * 150;
  annotations[2]["segmentation"] = {{"size", {150, 200}}, {"counts", counts}};
  const auto finished = eval(file, found_);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(json::parse(finished.out)["AP"], 1.0);
  EXPECT_THAT(finished.err,
              HasSubstr("there is no bbox; that of the outline is taken: annotations[0] ([20, 30, 80, "
                        "80]), annotations[1] ([60, 20, 120, 120]), annotations[2] ([5, 5, 65, 55])"));

  annotations[3].erase("bbox");
  const auto checked = check(file);
  EXPECT_EQ(checked.exit_code, 0) << checked.out;
  EXPECT_THAT(checked.out,
              HasSubstr("dropped: an annotation has neither a bbox nor an outline: annotations[3]"));
  const auto stopped = check(file, {"--bad-boxes", "stop"});
  EXPECT_EQ(stopped.exit_code, 3);
  EXPECT_THAT(stopped.out,
              HasSubstr("neither a bbox nor an outline (bad_boxes=skip leaves it out): annotations[3]"));
}

TEST_F(RealCocoFiles, AGroupSwallowsNoClass) {
  for (const char* root : {"cat", "pets"}) {
    for (const bool last : {false, true}) {
      json file = base_;
      json categories = {{{"id", 0}, {"name", root}, {"supercategory", "none"}},
                         {{"id", 1}, {"name", "cat"}, {"supercategory", root}},
                         {{"id", 2}, {"name", "dog"}, {"supercategory", root}}};
      if (last) std::swap(categories[0], categories[2]);
      file["categories"] = categories;
      const auto finished = eval(file, found_);
      ASSERT_EQ(finished.exit_code, 0) << finished.err;
      const auto scores = json::parse(finished.out);
      EXPECT_EQ(scores["per_class"].size(), 2u);
      EXPECT_EQ(scores["per_class"]["cat"]["AP"], 1.0);
      EXPECT_EQ(scores["per_class"]["dog"]["AP"], 1.0);
      EXPECT_THAT(finished.err,
                  HasSubstr("groups others and has no object is no class: " + std::string(root) + " (id 0)"));
      const auto checked = check(file);
      EXPECT_EQ(checked.exit_code, 0) << checked.out;
      EXPECT_THAT(checked.out,
                  AllOf(testing::ContainsRegex("cat +2 +2 +0\n"), Not(HasSubstr("not asked for"))));
    }
  }
  json file = base_;
  file["categories"] = {{{"id", 1}, {"name", "cat"}}, {{"id", 2}, {"name", "cat"}}};
  const auto checked = check(file);
  EXPECT_EQ(checked.exit_code, 3);
  EXPECT_THAT(checked.out, HasSubstr("two categories have the same name: cat (1 and 2)"));
  const auto scores = json::parse(eval(file, found_).out);  // which go by ids
  EXPECT_EQ(scores["per_class"]["cat (id 1)"]["AP"], 1.0);
  EXPECT_EQ(scores["per_class"]["cat (id 2)"]["AP"], 1.0);
}

TEST_F(RealCocoFiles, TextIdsAreJoined) {
  json file = base_;
  for (auto& image : file["images"]) image["id"] = image["file_name"].get<std::string>().substr(0, 4);
  for (auto& annotation : file["annotations"])
    annotation["image_id"] = "img" + std::to_string(annotation["image_id"].get<int>());
  for (const bool by_file_name : {false, true}) {
    json results = results_of(file);
    for (auto& result : results) {
      if (by_file_name) result["image_id"] = result["image_id"].get<std::string>() + ".png";
    }
    const auto finished = eval(file, results);
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_EQ(json::parse(finished.out)["AP"], 1.0) << by_file_name;
  }
}

TEST_F(RealCocoFiles, AMarkIsPassedOverAndAKeyThatIsThereTwiceIsNot) {
  const auto annotations = sets_.write("c/marked.json", "\xef\xbb\xbf" + base_.dump());
  const auto results = sets_.write("found.json", "\xef\xbb\xbf" + found_.dump());
  const auto finished = run_rcnn({"eval", "--annotations", annotations, "--detections", results, "--json"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(json::parse(finished.out)["AP"], 1.0);
  EXPECT_EQ(finished.err, "");
  EXPECT_EQ(run_rcnn({"data", "check", annotations}).exit_code, 0);

  auto text = base_.dump();
  text.insert(text.rfind('}'), R"(, "annotations": [])");
  EXPECT_THAT(
      error_of(
          run_rcnn({"eval", "--annotations", sets_.write("c/twice.json", text), "--detections", results}), 3),
      HasSubstr("annotations is there twice"));
}

}  // namespace
}  // namespace rcnn::tools
