// rcnn eval on files, and COCO data sets from the command line.

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/data/image.h>
#include <rcnn/nn/model_file.h>

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

TEST_F(EvalCommand, WhatIsWrongIsSaidInOneLine) {
  EXPECT_THAT(error_of(eval({}), 2), AllOf(HasSubstr("--weights"), HasSubstr("--annotations")));
  EXPECT_THAT(error_of(eval({"--annotations", truths_}), 2), HasSubstr("go together"));
  EXPECT_THAT(error_of(eval({"--annotations", truths_, "--detections", found_, "--weights", "w"}), 2),
              HasSubstr("without --weights"));
  EXPECT_THAT(error_of(eval({"--annotations", "none.json", "--detections", found_}), 3),
              HasSubstr("none.json"));
  EXPECT_THAT(error_of(eval({"--annotations", found_, "--detections", found_}), 3),
              HasSubstr("no instances file"));
  const std::string other = folder_.write(
      "other.json", R"([{"image_id": 6, "category_id": 90, "bbox": [8, 8, 40, 40], "score": 0.9}])");
  EXPECT_THAT(error_of(eval({"--annotations", truths_, "--detections", other}), 3),
              AllOf(HasSubstr("other.json"), HasSubstr("image 6")));
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
  EXPECT_EQ(nlohmann::json::parse(again.out), nlohmann::json::parse(scored.out));
}

}  // namespace
}  // namespace rcnn::tools
