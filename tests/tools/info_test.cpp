#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

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

TEST_F(InfoCommand, SaysWhatOnlyATrainingNeeds) {
  const std::vector<std::string> words = {"model.neck={\"type\": \"aug_fpn\", \"channels\": 8}",
                                          "model.rpn.anchors.sizes=[16, 32]",
                                          "model.roi.auxiliary={\"head\": {\"hidden\": 16}}"};
  const auto with = json(words);
  // 8 channels of 4 x 4; 5 classes and background.
  EXPECT_EQ(with["memory"]["training_only_weights"], 4 * (129 * 16 + 17 * 16 + 17 * 6 + 17 * 24));
  EXPECT_EQ(json()["memory"]["training_only_weights"], 0);
  EXPECT_THAT(
      info(words).out,
      AllOf(testing::ContainsRegex("backbone.aug_fpn +[0-9]+ +[0-9]+ +0.[0-9]+ G"),
            testing::ContainsRegex("auxiliary_heads.box_head +2336 +2336 +0.000 G"),
            testing::ContainsRegex("weights [0-9.]+ MB, of which detecting does without [0-9.]+ MB; a")));
  EXPECT_THAT(info().out, Not(HasSubstr("does without")));
}

TEST_F(InfoCommand, AsksTheDataSetForItsClasses) {
  const auto unnamed = std::string("data.classes=null");
  EXPECT_THAT(error_of(info({unnamed}), 3), HasSubstr("or say how many classes there are: --classes N"));
  EXPECT_EQ(json({unnamed, "--classes", "3"})["classes"], 3);
  tools::draw_scenes(folder_.path() / "scenes", {.train = 8, .test = 1, .size = {64, 96}});
  EXPECT_EQ(json({unnamed})["classes"], 5);
}

TEST_F(InfoCommand, WhatAnotherTypeHasIsTakenAwayByNull) {
  const auto unknown = [&](const char* override, const std::string& origin, const char* key,
                           const char* type) {
    EXPECT_EQ(
        error_of(info({override}), 2),
        fmt::format("error: {}: {}: unknown key: type {} has none; {}=null takes an inherited one away\n",
                    origin, key, type, key));
  };
  unknown("model.type=rpn", config_, "model.roi", "rpn");
  unknown("model.type=fast_rcnn", config_, "model.rpn", "fast_rcnn");
  unknown("model.score_threshold=0.1", "command line", "model.score_threshold", "faster_rcnn");
  unknown("model.backbone.levels=[]", "command line", "model.backbone.levels", "vgg16");
  unknown("model.roi.head.convs=2", "command line", "model.roi.head.convs", "mlp");
  EXPECT_EQ(info({"model.type=rpn", "model.roi=null"}).exit_code, 0);
  EXPECT_EQ(info({"model.type=fast_rcnn", "model.rpn=null"}).exit_code, 0);
  EXPECT_EQ(error_of(info({"model.roi.target_statistics=per_class"}), 2),
            "error: command line: model.roi.target_statistics: is for a model with stored proposals, "
            "fast_rcnn; box_weights has fixed ones; model.roi.target_statistics=null takes an inherited one "
            "away\n");
}

TEST_F(InfoCommand, ProposalsThatAreStillToBeMadeAreNotMissed) {
  tools::draw_scenes(folder_.path() / "scenes", {.train = 8, .test = 1, .size = {64, 96}});
  EXPECT_EQ(json({"model.type=fast_rcnn", "model.rpn=null", "data.classes=null",
                  "data.train.proposals=none.json", "data.test.proposals=none.json"})["classes"],
            5);
}

/// A chain of a training of the RPN alone, its proposals, and Fast R-CNN on these.
class InfoOfAChain : public InfoCommand {
 protected:
  InfoOfAChain() {
    auto text = tiny_config();
    text.insert(text.rfind('}'), R"(, "stages": [
      {"name": "a", "kind": "train", "with": {"model": {"type": "rpn", "roi": null},
                                              "train": {"freeze": ["backbone.*"]}}},
      {"name": "b", "kind": "propose", "with": {"model": {"type": "rpn", "roi": null,
                                                          "weights": "stage:a/last.safetensors"}}},
      {"name": "c", "kind": "train", "with": {"model": {"type": "fast_rcnn", "rpn": null, "weights": "w.pth"},
                                              "data": {"train": {"proposals": "stage:b/train.pkl"}}}}])");
    chain_ = folder_.write("chain.json", text);
  }
  Finished info_of(std::vector<std::string> words) const {
    words.insert(words.begin(), {"info", chain_});
    return run_rcnn(words, folder_.path());
  }

  std::string chain_;
};

TEST_F(InfoOfAChain, TellsTheStages) {
  const auto finished = info_of({});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.out,
              testing::MatchesRegex("a chain of 3 stages; --stage NAME describes the model of one\n"
                                    "1-a: train, model rpn, [0-9.]+ M of [0-9.]+ M parameters learn: rpn\n"
                                    "2-b: propose, model rpn\n"
                                    "    from stage:a/last.safetensors\n"
                                    "3-c: train, model fast_rcnn, [0-9.]+ M of [0-9.]+ M parameters learn: "
                                    "backbone, roi_heads\n"
                                    "    from .*/w.pth, stage:b/train.pkl\n"));
  const auto json = nlohmann::json::parse(info_of({"--json"}).out)["stages"];
  ASSERT_EQ(json.size(), 3u);
  EXPECT_EQ(json[0]["learning"], nlohmann::json::array({"rpn"}));
  EXPECT_LT(json[0]["trainable"], json[0]["parameters"]);
  EXPECT_EQ(json[1]["kind"], "propose");
  EXPECT_FALSE(json[1].contains("parameters"));
  EXPECT_EQ(json[2]["trainable"], json[2]["parameters"]);
}

TEST_F(InfoOfAChain, DescribesTheModelOfAStage) {
  const auto json = nlohmann::json::parse(info_of({"--stage", "c", "--json"}).out);
  EXPECT_EQ(json["classes"], 5);
  for (const auto& part : json["parts"]) EXPECT_FALSE(part["name"].get<std::string>().starts_with("rpn"));
  EXPECT_EQ(error_of(info_of({"--stage", "d"}), 2),
            "error: --stage d: the chain has no such stage; it has a, b, c\n");
  EXPECT_EQ(error_of(info({"--stage", "d"}), 2),
            fmt::format("error: --stage d: {} is no chain of stages\n", config_));
  EXPECT_EQ(
      error_of(info_of({"--layers"}), 2),
      fmt::format("error: {}: is a chain of stages: --size, --layers and --training are of the model of "
                  "one: --stage NAME\n",
                  chain_));
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
