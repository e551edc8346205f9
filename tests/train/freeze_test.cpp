#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/train/freeze.h>
#include <rcnn/train/trainer.h>

#include "tests/support/message_of.h"
#include "tests/support/tiny_model.h"
#include "tests/train/few_scenes.h"
#include "tests/train/training_of.h"

namespace rcnn::train {
namespace {

using testing::HasSubstr;

config::Config train_config(const std::string& train) {
  return config::Config::parse(R"({"train": )" + train + "}", "here");
}

/// The names of what learns in the tiny model with such a "train".
std::set<std::string> learning(const std::string& train) {
  const auto model = tiny_model(5);
  const auto config = train_config(train);
  const auto node = config.root().child("train");
  freeze(*model, TrainOptions::from(node), node);
  std::set<std::string> names;
  for (const auto& item : model->named_parameters()) {
    if (item.value().requires_grad()) names.insert(item.key());
  }
  return names;
}

TEST(Freeze, TakesOutWhatThePatternsMean) {
  const auto all = learning("{}");
  EXPECT_EQ(learning(R"({"freeze": []})"), all);
  std::set<std::string> expected;
  for (const auto& name : all) {
    if (!name.starts_with("backbone.") && name != "rpn.head.conv.0.0.bias") expected.insert(name);
  }
  ASSERT_LT(expected.size() + 1, all.size());
  EXPECT_EQ(learning(R"({"freeze": ["backbone.*", "rpn.head.conv.0.0.bias"]})"), expected);
}

TEST(Freeze, PatternsThatMeanNothingAreNamedWithTheNearest) {
  const auto error = [](const std::string& train) {
    return message_of<ConfigError>([&] { learning(train); });
  };
  EXPECT_EQ(error(R"({"freeze": ["backbone.*", "rpnn.*"]})"),
            "here: train.freeze: the model has no parameter rpnn.*; did you mean rpn.*?");
  EXPECT_EQ(error(R"({"factors": {"backbone.bdy.*": {"lr": 2}}})"),
            "here: train.factors: the model has no parameter backbone.bdy.*; did you mean backbone.body.*?");
  EXPECT_EQ(error(R"({"freeze": ["*"]})"), "here: train.freeze: leaves nothing that learns");
  torch::nn::Linear other(1, 1);
  EXPECT_THAT(message_of<ConfigError>([&] {
                TrainOptions options;
                options.solver.backbone_lr = 0.5;
                freeze(*other, options, train_config("{}").root().child("train"));
              }),
              HasSubstr("train.backbone_lr: the model has no parameter backbone.body.*"));
}

class FreezeTest : public FewScenes {};

TEST_F(FreezeTest, WhatIsFrozenStaysAndTheOthersLearn) {
  const auto model = tiny_model(5), start = tiny_model(5);
  auto options = few_iterations(3);
  options.freeze = {"backbone.*", "roi_heads.box_head.*"};
  Trainer(training_of(bare(model), images(), {.min_size = 64, .max_size = 96}, {.workers = 0}, options))
      .fit();
  const auto before = nn::state_of(*start);
  int moved = 0;
  for (const auto& [name, tensor] : nn::state_of(*model)) {
    const bool frozen = name.starts_with("backbone.") || name.starts_with("roi_heads.box_head.");
    EXPECT_TRUE(!frozen || at::equal(tensor, before.at(name))) << name;
    moved += !at::equal(tensor, before.at(name));
  }
  EXPECT_GT(moved, 5);
}

}  // namespace
}  // namespace rcnn::train
