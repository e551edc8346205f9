#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/tools/rcnn.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class InfoCommand : public testing::Test {
 protected:
  Finished info(std::vector<std::string> words = {}) const {
    words.insert(words.begin(), {"info", config_});
    return run_rcnn(words, folder_.path());
  }
  nlohmann::json json(std::vector<std::string> words = {}) const {
    words.emplace_back("--json");
    const auto finished = info(words);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return nlohmann::json::parse(finished.out);
  }
  const TempFolder folder_;
  const std::string config_ = folder_.write("tiny.json", tiny_config());
};

TEST_F(InfoCommand, PrintsATableByPart) {
  const auto finished = info();
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(finished.err, "");
  EXPECT_THAT(
      finished.out,
      AllOf(HasSubstr("one image of 64 x 96 (height x width), 5 classes\n"),
            testing::ContainsRegex("backbone.body.features +[0-9]+ +[0-9]+ +0.[0-9]+ G  1 x 32 x 4 x 6\n"),
            testing::ContainsRegex("roi_heads.box_head .*  20 x 32\n"),
            testing::ContainsRegex("\nall +[0-9]+ "), HasSubstr("the solver's state"),
            Not(HasSubstr("training: at most"))));
  const auto layers = info({"--layers"}).out;
  EXPECT_THAT(layers, AllOf(HasSubstr("backbone.body.features.28 "), HasSubstr("roi_heads.box_head.fc7 ")));
}

TEST_F(InfoCommand, CountsAsManyProposalsAsTheConfigAllows) {
  const auto rois = [&](const nlohmann::json& json) {
    for (const auto& part : json["parts"]) {
      if (part["name"] == "roi_heads.box_head") return part["outputs"][0][0].get<int64_t>();
    }
    return int64_t{0};
  };
  EXPECT_EQ(rois(json()), 20);
  EXPECT_EQ(rois(json({"model.rpn.test.post_nms=7"})), 7);
  EXPECT_EQ(rois(json({"model.rpn.test.post_nms=500", "model.rpn.test.pre_nms=500"})), 4 * 6 * 9)
      << "there are no more anchors";
}

TEST_F(InfoCommand, SaysAllInJson) {
  const auto plain = json();
  EXPECT_EQ(plain["height"], 64);
  EXPECT_EQ(plain["width"], 96);
  EXPECT_EQ(plain["classes"], 5);
  EXPECT_EQ(plain["parameters"], plain["trainable"]);
  int64_t parameters = 0, multiply_adds = 0;
  for (const auto& part : plain["parts"]) {
    parameters += part["parameters"].get<int64_t>();
    multiply_adds += part["multiply_adds"].get<int64_t>();
  }
  EXPECT_EQ(plain["parameters"], parameters);
  EXPECT_EQ(plain["multiply_adds"], multiply_adds);
  const auto& memory = plain["memory"];
  EXPECT_EQ(memory["weights"], 4 * parameters);
  EXPECT_EQ(memory["gradients"], 4 * parameters);
  EXPECT_EQ(memory["solver"], 4 * parameters) << "momentum";
  EXPECT_EQ(memory["averaged_weights"], 0);
  EXPECT_GT(memory["detecting"], 0);
  EXPECT_FALSE(memory.contains("training"));
  EXPECT_FALSE(plain.contains("layers"));

  const auto other = json({"--layers", "--training", "--classes", "7", "--size", "128x64",
                           "model.backbone.frozen_stages=2", "train.solver=adamw", "train.ema=0.9"});
  EXPECT_EQ(other["height"], 128);
  EXPECT_EQ(other["classes"], 7);
  EXPECT_GT(other["parameters"], plain["parameters"]);
  EXPECT_LT(other["trainable"], other["parameters"]);
  EXPECT_EQ(other["memory"]["solver"], 2 * other["memory"]["gradients"].get<int64_t>());
  EXPECT_EQ(other["memory"]["gradients"], 4 * other["trainable"].get<int64_t>());
  EXPECT_EQ(other["memory"]["averaged_weights"], other["memory"]["gradients"]);
  EXPECT_GT(other["memory"]["training"], other["memory"]["gradients"]);
  EXPECT_EQ(other["layers"][0]["name"], "backbone.body.features.0");
  EXPECT_EQ(json({"train.momentum=0"})["memory"]["solver"], 0);
}

TEST_F(InfoCommand, AsksTheDataSetForItsClasses) {
  const auto unnamed = std::string("data.classes=null");
  EXPECT_THAT(error_of(info({unnamed}), 3), HasSubstr("or say how many classes there are: --classes N"));
  EXPECT_EQ(json({unnamed, "--classes", "3"})["classes"], 3);
  tools::draw_scenes(folder_.path() / "scenes", {.train = 8, .test = 1, .size = {64, 96}});
  EXPECT_EQ(json({unnamed})["classes"], 5);
}

TEST_F(InfoCommand, WrongArgumentsAreNamed) {
  for (const char* size : {"800", "800x", "800x1333x3", "0x800"}) {
    EXPECT_THAT(error_of(info({"--size", size}), 2), HasSubstr("is no HEIGHTxWIDTH")) << size;
  }
  EXPECT_THAT(error_of(info({"--classes", "0"}), 2), HasSubstr("--classes"));
  EXPECT_THAT(error_of(info({"model.rpm.convs=2"}), 2), HasSubstr("did you mean rpn?"));
  EXPECT_THAT(error_of(info({"tarin.lr=1"}), 2), HasSubstr("did you mean train?"));
}

}  // namespace
}  // namespace rcnn::tools
