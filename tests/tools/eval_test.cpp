// rcnn eval on files, and COCO data sets from the command line.

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/data/images/image.h>
#include <rcnn/nn/models/model_file.h>

#include "tests/support/temp_folder.h"
#include "tests/tools/rcnn.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

/// Two images with ids of their own, categories 3 (dog) and 90 (cat).
class EvalCommand : public testing::Test {
 protected:
  EvalCommand() {
    for (const char* name : {"a.jpg", "b.jpg"}) {
      data::write_image(folder_.path() / name, at::full({64, 96, 3}, 128, at::kByte));
    }
  }

  Finished eval(std::vector<std::string> words) const {
    words.insert(words.begin(), "eval");
    return run_rcnn(words, folder_.path());
  }

  const TempFolder folder_;
  const std::string truths_ = folder_.write("gt.json", R"({
    "images": [{"id": 700, "file_name": "a.jpg", "height": 64, "width": 96}, {"id": 5, "file_name": "b.jpg"}],
    "categories": [{"id": 90, "name": "cat"}, {"id": 3, "name": "dog"}],
    "annotations": [{"id": 1, "image_id": 700, "category_id": 90, "bbox": [8, 8, 40, 40], "area": 1600, "iscrowd": 0},
                    {"id": 2, "image_id": 5, "category_id": 3, "bbox": [8, 8, 50, 50], "area": 2500, "iscrowd": 0}]})");
  const std::string found_ = folder_.write("dt.json", R"([
    {"image_id": 700, "category_id": 90, "bbox": [8, 8, 40, 40], "score": 0.9},
    {"image_id": 5, "category_id": 90, "bbox": [8, 8, 50, 50], "score": 0.8}])");
};

TEST_F(EvalCommand, FilesAreScoredWithoutAModel) {
  const auto text = eval({"--annotations", truths_, "--detections", found_, "--per-class"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(
      text.out,
      StartsWith(" Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.500\n"));
  EXPECT_THAT(text.out, AllOf(HasSubstr("= -1.000  (there is no object of this size)"),
                              testing::ContainsRegex("cat +1 +1.000 +1.000 +1.000\n")));

  const auto json =
      nlohmann::json::parse(eval({"--annotations", truths_, "--detections", found_, "--json"}).out);
  EXPECT_NEAR(json["AP"].get<double>(), 0.5, 1e-9);
  EXPECT_NEAR(json["per_class"]["cat"]["AP50"].get<double>(), 1, 1e-9);
  EXPECT_EQ(json["per_class"]["dog"]["AR100"], 0);
  for (const char* key : {"AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
}

TEST_F(EvalCommand, ImagesWithoutObjectsHaveALine) {
  const std::string truths = folder_.write("negative.json", R"({
    "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}, {"id": 3, "file_name": "c.jpg"}],
    "categories": [{"id": 90, "name": "cat"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 90, "bbox": [8, 8, 40, 40]}]})");
  const std::string found = folder_.write("on_negative.json", R"([
    {"image_id": 1, "category_id": 90, "bbox": [8, 8, 40, 40], "score": 0.9},
    {"image_id": 2, "category_id": 90, "bbox": [8, 8, 50, 50], "score": 0.3}])");
  EXPECT_THAT(
      eval({"--annotations", truths, "--detections", found}).out,
      HasSubstr(" Images without objects: 2, false positives an image: 0.500 (score >= 0.05), 0.000"));
  const auto json =
      nlohmann::json::parse(eval({"--annotations", truths, "--detections", found, "--json"}).out);
  EXPECT_EQ(json["negative_images"]["images"], 2);
  EXPECT_EQ(json["negative_images"]["score_thresholds"], (std::vector<double>{0.05, 0.5}));
  EXPECT_EQ(json["negative_images"]["false_positives_per_image"], (std::vector<double>{0.5, 0}));
  EXPECT_THAT(eval({"--annotations", truths_, "--detections", found_}).out,
              testing::Not(HasSubstr("without objects")));
}

TEST_F(EvalCommand, ErrorsAreCountedAndConfusionsListed) {
  const auto text = eval({"--annotations", truths_, "--detections", found_, "--errors"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("classification        1  "), HasSubstr("  dog -> cat  1\n")));
  const auto json = nlohmann::json::parse(
      eval({"--annotations", truths_, "--detections", found_, "--errors", "--json"}).out);
  EXPECT_EQ(json["errors"]["classification"]["count"], 1);
  EXPECT_NEAR(json["errors"]["classification"]["dAP"].get<double>(), 0.5, 1e-9);
  EXPECT_NEAR(json["errors"]["AP50"].get<double>(), 0.5, 1e-9);
  EXPECT_EQ(json["confusion"]["classes"], (std::vector<std::string>{"dog", "cat"}));
  EXPECT_EQ(json["confusion"]["matrix"], nlohmann::json::parse("[[0, 1, 0], [0, 1, 0], [0, 0, 0]]"));
}

TEST_F(EvalCommand, WhatIsWrongIsSaidInOneLine) {
  EXPECT_THAT(error_of(eval({}), 2), AllOf(HasSubstr("--weights"), HasSubstr("--annotations")));
  EXPECT_THAT(error_of(eval({"--annotations", "none.json", "--detections", found_}), 3),
              HasSubstr("none.json"));
  EXPECT_THAT(error_of(eval({"--annotations", found_, "--detections", found_}), 3),
              HasSubstr("no instances file"));
  const std::string other = folder_.write(
      "other.json", R"([{"image_id": 6, "category_id": 90, "bbox": [8, 8, 40, 40], "score": 0.9}])");
  EXPECT_THAT(error_of(eval({"--annotations", truths_, "--detections", other}), 3),
              AllOf(HasSubstr("other.json"), HasSubstr("image 6")));
}

TEST_F(EvalCommand, OptionsWithoutMeaningAreRefused) {
  const auto refused = [&](const std::vector<std::string>& words) { return error_of(eval(words), 2); };
  const auto files = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--annotations", truths_, "--detections", found_});
    return refused(words);
  };
  EXPECT_THAT(refused({"--annotations", truths_}), HasSubstr("--detections"));
  EXPECT_THAT(refused({"--detections", found_}), HasSubstr("--annotations"));
  EXPECT_THAT(files({"--weights", "w"}), HasSubstr("--weights"));
  EXPECT_THAT(files({"--results", "x.json"}), HasSubstr("--results"));
  EXPECT_THAT(files({"--device", "cpu"}), HasSubstr("--device"));
  EXPECT_THAT(files({"--precision", "fp32"}), HasSubstr("--precision"));
  EXPECT_THAT(files({"data.root=x"}), HasSubstr("config"));
  EXPECT_THAT(files({"--proposals", "--errors"}), HasSubstr("--errors"));
  EXPECT_THAT(files({"--proposals", "--per-class"}), HasSubstr("--per-class"));
  EXPECT_THAT(files({"--proposals", "--max-dets", "300"}), HasSubstr("--max-dets"));
  EXPECT_THAT(files({"--max-dets", "10"}), HasSubstr("--max-dets"));
}

TEST_F(EvalCommand, ALimitOtherThanCocosIsNotComparable) {
  auto truths = nlohmann::json::parse(std::ifstream(truths_));
  auto found = nlohmann::json::array();
  truths["annotations"].clear();
  for (int i = 0; i < 300; ++i) {
    const std::vector<int> box{8 * (i % 20), 20 * (i / 20), 8, 20};
    truths["annotations"].push_back(
        {{"id", i + 1}, {"image_id", 5}, {"category_id", 3}, {"bbox", box}, {"area", 160}});
    found.push_back({{"image_id", 5}, {"category_id", 3}, {"bbox", box}, {"score", 0.9}});
  }
  const std::string many = folder_.write("many.json", truths.dump()),
                    list = folder_.write("list.json", found.dump());
  const auto cut = eval({"--annotations", many, "--detections", list, "--json"});
  EXPECT_THAT(cut.err, AllOf(HasSubstr("200 of 300 objects cannot be found"),
                             HasSubstr("300 of dog on b.jpg"), HasSubstr("--max-dets")));
  const auto at_100 = nlohmann::json::parse(cut.out);
  EXPECT_NEAR(at_100["AP"].get<double>(), 34.0 / 101, 1e-9);
  EXPECT_EQ(at_100["comparable"], true);
  EXPECT_EQ(at_100["reasons"], nlohmann::json::array());
  EXPECT_EQ(at_100["warnings"].size(), 2u);

  const auto whole = eval({"--annotations", many, "--detections", list, "--json", "--max-dets", "300"});
  EXPECT_EQ(whole.err, "");
  const auto at_300 = nlohmann::json::parse(whole.out);
  EXPECT_NEAR(at_300["AP"].get<double>(), 1, 1e-9);
  EXPECT_EQ(at_300["AR300"], 1);
  EXPECT_FALSE(at_300.contains("AR100"));
  EXPECT_EQ(at_300["comparable"], false);
  EXPECT_THAT(at_300["reasons"].dump(), HasSubstr("1, 10, 300"));
  EXPECT_THAT(
      eval({"--annotations", many, "--detections", list, "--max-dets", "300"}).out,
      AllOf(StartsWith(" Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=300 ] = 1.000\n"),
            HasSubstr(" Comparable with published scores: no: ")));
  EXPECT_THAT(eval({"--annotations", truths_, "--detections", found_}).out,
              HasSubstr(" Comparable with published scores: yes\n"));
}

TEST_F(EvalCommand, ACocoSetTrainsAndScoresAndItsResultsScoreTheSame) {
  const std::string config = folder_.write("config.json", std::string(R"({"model": )") + kTinyModel + R"(,
    "data": {"type": "coco", "train": {"annotations": "gt.json", "images": "."},
             "test": {"annotations": "gt.json", "images": "."}, "min_size": 64, "max_size": 96, "workers": 1},
    "train": {"iterations": 2, "batch_size": 2, "lr": 0.001}})");
  const std::string run = folder_.path() / "run", results = folder_.path() / "results.json";
  const auto trained =
      run_rcnn({"train", config, "--output", run, "model.roi.score_threshold=0"}, folder_.path());
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(trained.err,
              HasSubstr(" Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ]"));
  EXPECT_EQ(nn::load_model(fs::path(run) / "last.safetensors").categories,
            (std::vector<Category>{{3, "dog"}, {90, "cat"}}));

  const auto scored = eval({"--weights", run + "/last.safetensors", "--json", "--results", results});
  ASSERT_EQ(scored.exit_code, 0) << scored.err;
  const auto list = nlohmann::json::parse(std::ifstream(results));
  ASSERT_FALSE(list.empty());
  EXPECT_THAT((std::vector<int64_t>{5, 700}), testing::Contains(list[0]["image_id"].get<int64_t>()));
  const auto again = eval({"--annotations", truths_, "--detections", results, "--json"});
  EXPECT_EQ(again.out, scored.out);
  for (const char* flag : {"--per-class", "--errors"}) {
    const auto text = eval({"--weights", run + "/last.safetensors", flag});
    EXPECT_EQ(text.exit_code, 0) << text.err;
    EXPECT_EQ(text.out, eval({"--annotations", truths_, "--detections", results, flag}).out);
  }
  EXPECT_THAT(eval({"--weights", run + "/last.safetensors", "eval.metric=voc", "--errors"}).out,
              AllOf(StartsWith("class "), HasSubstr("\nlocalisation "), HasSubstr("\nObjects found: "),
                    HasSubstr(" Comparable with published scores: yes\n")));
  const auto voc_at_half =
      eval({"--weights", run + "/last.safetensors", "eval.metric=voc", "eval.iou_threshold=0.4", "--json"});
  EXPECT_EQ(nlohmann::json::parse(voc_at_half.out)["comparable"], false) << voc_at_half.err;
  EXPECT_THAT(
      error_of(eval({"--weights", run + "/last.safetensors", "eval.metric=voc", "--max-dets", "200"}), 2),
      HasSubstr("--max-dets"));
  const auto limited = nlohmann::json::parse(
      eval({"--weights", run + "/last.safetensors", "data.test.limit=1", "--json"}).out);
  EXPECT_EQ(limited["comparable"], false);
  EXPECT_EQ(limited["reasons"], nlohmann::json({"1 of 2 images of the annotations are left out"}));

  // The place of the list is looked at first; scores are printed though it cannot be written after all.
  const auto no_folder =
      eval({"--weights", run + "/last.safetensors", "--results", folder_.path() / "no/x.json"});
  EXPECT_THAT(error_of(no_folder, 2), AllOf(HasSubstr("--results"), HasSubstr("there is no folder")));

  const std::string proposed = folder_.path() / "proposed.json";
  const auto proposals =
      eval({"--weights", run + "/last.safetensors", "--proposals", "--json", "--results", proposed});
  ASSERT_EQ(proposals.exit_code, 0) << proposals.err;
  const auto recall = nlohmann::json::parse(proposals.out);
  EXPECT_EQ(recall["proposals"], (std::vector<int64_t>{10, 100, 300, 1000, 2000}));
  EXPECT_GT(recall["most"].get<int64_t>(), 10);
  EXPECT_LE(recall["most"].get<int64_t>(), 20);  // rpn.test.post_nms
  EXPECT_EQ(recall["AR"]["all"].size(), 5u);
  EXPECT_EQ(recall["recall"][3].size(), 10u);
  EXPECT_EQ(eval({"--annotations", truths_, "--detections", proposed, "--proposals", "--json"}).out,
            proposals.out);
  EXPECT_THAT(eval({"--annotations", truths_, "--detections", proposed, "--proposals"}).out,
              HasSubstr("(at most " + recall["most"].dump() + " an image)"));
  const auto first = nlohmann::json::parse(std::ifstream(proposed))[0];
  EXPECT_EQ(first["category_id"], 3);
  EXPECT_EQ(first["category_name"], "object");

  // The same objects in a data set that numbers its categories otherwise, in the other order.
  auto text = nlohmann::json::parse(std::ifstream(truths_));
  for (auto& category : text["categories"]) category["id"] = category["name"] == "cat" ? 1 : 2;
  for (auto& object : text["annotations"]) object["category_id"] = object["category_id"] == 90 ? 1 : 2;
  const std::string renumbered = folder_.write("renumbered.json", text.dump());
  const auto same = eval({"--weights", run + "/last.safetensors", "--json", "--results", results,
                          "data.test.annotations=renumbered.json"});
  ASSERT_EQ(same.exit_code, 0) << same.err;
  const auto numbers = nlohmann::json::parse(same.out);
  EXPECT_EQ(numbers["per_class"], nlohmann::json::parse(scored.out)["per_class"]);
  EXPECT_GT(numbers["AR100"].get<double>(), 0);
  for (const auto& found : nlohmann::json::parse(std::ifstream(results))) {
    EXPECT_EQ(found["category_id"], found["category_name"] == "cat" ? 1 : 2);
  }

  // Damage that shows only on decoding.
  data::write_image(folder_.path() / "c.png", at::randint(0, 256, {64, 96, 3}, at::kByte));
  const auto png = file_bytes(folder_.path() / "c.png");
  folder_.write("b.jpg", png.substr(0, png.size() / 2));
  EXPECT_THAT(eval({"--weights", run + "/last.safetensors"}).err, HasSubstr("b.jpg"));
  EXPECT_EQ(eval({"--weights", run + "/last.safetensors"}).exit_code, 3);
  const auto tolerant = eval({"--weights", run + "/last.safetensors", "data.bad_images=skip"});
  EXPECT_EQ(tolerant.exit_code, 0) << tolerant.err;
  EXPECT_THAT(tolerant.err, AllOf(HasSubstr("scored as if nothing was found on it"), HasSubstr("b.jpg")));
}

}  // namespace
}  // namespace rcnn::tools
