// Train, score and detect, each by its command, on a tiny drawn data set.

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/config/config.h>
#include <rcnn/data/images/image.h>

#include "tests/support/json_lines.h"
#include "tests/tools/rcnn.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

class RoundTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempFolder>();
    tools::draw_scenes(data() / "scenes", {.train = 8, .test = 3, .size = {64, 96}});
    trained_ = run_rcnn({"train", shared_->write("config.json", tiny_config()), "--output", run(), "--device",
                         "cpu", "train.seed=4"},
                        data());
  }
  static void TearDownTestSuite() { shared_.reset(); }
  void SetUp() override { ASSERT_EQ(trained_.exit_code, 0) << trained_.err; }

  static fs::path data() { return shared_->path(); }
  static fs::path run() { return shared_->path() / "run"; }
  static fs::path weights() { return run() / "last.safetensors"; }
  static fs::path image(int number) {
    return data() / "scenes" / "JPEGImages" / ("scene_0000" + std::to_string(number) + ".jpg");
  }

  /// The lines of metrics.jsonl.
  Finished eval(const std::vector<std::string>& words, const fs::path& folder = data()) {
    std::vector<std::string> arguments = {"eval", "--device", "cpu", "--weights", weights()};
    arguments.insert(arguments.end(), words.begin(), words.end());
    return run_rcnn(arguments, folder);
  }

  static std::unique_ptr<TempFolder> shared_;
  static Finished trained_;
  const TempFolder folder_;
  const fs::path output_ = folder_.path() / "pictures";
};
std::unique_ptr<TempFolder> RoundTest::shared_;
Finished RoundTest::trained_;

TEST_F(RoundTest, TrainFillsItsRunFolder) {
  EXPECT_EQ(trained_.out, "");
  EXPECT_THAT(
      names_in(run()),
      ElementsAre("best.safetensors", "config.json", testing::StartsWith("events.out.tfevents."),
                  "last.safetensors", "log.txt", "metrics.jsonl", "run.lock", "state-00000003.safetensors"));
  EXPECT_THAT(file_bytes(run() / "log.txt"),
              AllOf(HasSubstr("training data, 8 images"), HasSubstr("iter 3/3"), HasSubstr("mean")));
  EXPECT_THAT(trained_.err, HasSubstr("iter 3/3"));
  const auto config = config::Config::load(run() / "config.json");
  int64_t seed = 0;
  config.root().child("train").read("seed", seed);
  EXPECT_EQ(seed, 4);

  const auto lines = json_lines(run() / "metrics.jsonl");
  ASSERT_EQ(lines.size(), 4u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(lines[i].at("iteration"), i + 1);
  EXPECT_THAT(keys_of(lines[3]), ElementsAre("epoch", "iteration", "scores"));
}

TEST_F(RoundTest, TheResolvedConfigOfARunTrainsTheSameAgain) {
  const auto again =
      run_rcnn({"train", run() / "config.json", "--output", output_, "--device", "cpu"}, data());
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_TRUE(file_bytes(output_ / "last.safetensors") == file_bytes(weights()));
}

TEST_F(RoundTest, WeightsOfARunStartAnother) {
  const auto second = run_rcnn({"train", run() / "config.json", "--output", output_, "--device", "cpu",
                                "train.iterations=1", "model.weights=run/last.safetensors"},
                               data());
  ASSERT_EQ(second.exit_code, 0) << second.err;
  EXPECT_THAT(second.err, AllOf(HasSubstr("initial weights " + weights().string()),
                                HasSubstr("start fresh: none; unused: none")));
}

TEST_F(RoundTest, EvalPrintsATable) {
  const auto scored = eval({});
  ASSERT_EQ(scored.exit_code, 0) << scored.err;
  EXPECT_THAT(scored.out, AllOf(HasSubstr("circle"), HasSubstr("triangle"), HasSubstr("mean")));
  EXPECT_THAT(scored.err, HasSubstr("scored 3 images"));
}

TEST_F(RoundTest, EvalPrintsOneJsonObjectAndNothingElse) {
  const auto scored = eval({"--json"});
  ASSERT_EQ(scored.exit_code, 0) << scored.err;
  const auto json = Json::parse(scored.out);
  EXPECT_THAT(keys_of(json), ElementsAre("metric", "mAP", "per_class", "comparable", "reasons", "warnings"));
  EXPECT_EQ(json.at("metric"), "voc");
  EXPECT_THAT(keys_of(json.at("per_class")), ElementsAre("circle", "cross", "square", "star", "triangle"));
  EXPECT_EQ(json.at("mAP"), json_lines(run() / "metrics.jsonl").back().at("scores").at("mAP"));
  EXPECT_EQ(std::ranges::count(scored.out, '\n'), 1);
}

TEST_F(RoundTest, EvalScoresOnWhatItIsTold) {
  EXPECT_THAT(eval({"data.test.limit=2"}).err, HasSubstr("scored 2 images"));
  const std::string config = folder_.write(
      "other.json",
      R"({"data": {"root": "scenes", "test": {"split": "train"}, "min_size": 64, "max_size": 96}})");
  EXPECT_THAT(eval({config}).err, HasSubstr("scored 8 images"));
  EXPECT_THAT(eval({config, "data.test.limit=5"}).err, HasSubstr("scored 5 images"));
}

TEST_F(RoundTest, TheDataFolderComesFromTheEnvironment) {
  EXPECT_THAT(error_of(eval({}, folder_.path()), 3), HasSubstr((folder_.path() / "scenes").string()));
  const std::string absolute = "data.root=" + (data() / "scenes").string();
  EXPECT_EQ(eval({absolute}, folder_.path()).exit_code, 0);
}

TEST_F(RoundTest, WhatWasTrainedDetects) {
  const auto finished = run_rcnn({"detect", "--device", "cpu", "--weights", weights(), "--output", output_,
                                  image(1), image(2), "--score", "0"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(names_in(output_), ElementsAre("detections.json", "scene_00001.jpg", "scene_00002.jpg"));
  EXPECT_FALSE(Json::parse(file_bytes(output_ / "detections.json")).empty());
}

}  // namespace
}  // namespace rcnn::tools
