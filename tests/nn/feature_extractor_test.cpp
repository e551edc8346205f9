#include <rcnn/config/config.h>
#include <rcnn/nn/backbones/resnet.h>
#include <rcnn/nn/feature_extractor.h>
#include <rcnn/nn/necks/fpn.h>
#include <rcnn/nn/registry.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/support/message_of.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

config::Node model_node(const std::string& json) {
  return config::Config::parse(json, "f.json").root();
}

std::shared_ptr<BackboneImpl> small_resnet() {
  return std::make_shared<ResNetImpl>(
      ResNetOptions{.shape = {.depth = 18, .width = 4}, .levels = {"c2", "c3", "c4"}, .frozen_stages = 0});
}

TEST(FeatureExtractor, ABackboneAloneGivesItsMaps) {
  torch::manual_seed(1);
  const torch::NoGradGuard no_grad;
  const auto body = small_resnet();
  const auto extractor = feature_extractor(body);
  EXPECT_EQ(extractor->levels().size(), 3u);
  EXPECT_EQ(extractor->size_divisor(), 16);
  const auto images = at::randn({1, 3, 32, 48});
  const auto features = extractor->forward(images);
  EXPECT_TRUE(features.laterals.empty());
  const auto maps = body->forward(images);
  ASSERT_EQ(features.maps.size(), maps.size());
  for (size_t i = 0; i < maps.size(); ++i) EXPECT_TRUE(identical(features.maps[i], maps[i]));
  for (const auto& [name, tensor] : state_of(*extractor)) EXPECT_TRUE(name.starts_with("body.")) << name;
}

TEST(FeatureExtractor, ANeckHasItsTypesNameAndRoisLeaveTheLastLevelOut) {
  const auto extractor = make_feature_extractor(model_node(R"({
    "backbone": {"type": "resnet18", "width": 4, "levels": ["c2", "c3", "c4", "c5"]},
    "neck": {"type": "fpn", "channels": 8}})"));
  const auto levels = extractor->levels();
  ASSERT_EQ(levels.size(), 5u);
  EXPECT_EQ(levels.back().stride, 64);
  EXPECT_EQ(extractor->size_divisor(), 32) << "of the levels that RoIs are pooled from";
  EXPECT_EQ(for_rois(levels, levels).size(), 4u);
  EXPECT_EQ(for_rois(std::vector{1, 2, 3, 4, 5}, levels), (std::vector{1, 2, 3, 4}));
  EXPECT_TRUE(state_of(*extractor).contains("fpn.inner_blocks.0.0.weight"));
}

TEST(FeatureExtractor, WhatIsWrongIsNamed) {
  for (const auto& [json, part] : std::vector<std::pair<const char*, const char*>>{
           {R"({})", "f.json: backbone.type"},
           {R"({"backbone": {"type": "resnet19"}})", "f.json: backbone.type: unknown type"},
           {R"({"backbone": {"type": "resnet18"}, "neck": {"type": "pan"}})",
            "f.json: neck.type: unknown type"},
           {R"({"backbone": {"type": "resnet18"}, "neck": {"chanels": 8}})", "f.json: neck.type"}}) {
    const auto message =
        message_of<ConfigError>([&, text = json] { make_feature_extractor(model_node(text)); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

/// Looks at the images twice: with the backbone, and with one more that is given what the first one saw.
/// Gives a level more than it gets, and the maps of the first look as laterals.
class TwoLooks : public NeckImpl {
 public:
  explicit TwoLooks(const NeckInputs& inputs) : features_(inputs.features) {
    again_ = register_module("again", inputs.another_body());
    again_->take_feedback(features_.back().channels);
    auto extra = features_.back();
    features_.push_back({"p6", extra.channels, 2 * extra.stride, /*for_rois=*/false});
  }

  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& maps) override {
    auto all = maps;
    all.push_back(at::max_pool2d(maps.back(), 1, 2));
    return all;
  }
  std::vector<FeatureSpec> features() const override { return features_; }
  Features extract(const at::Tensor& images, BackboneImpl& body) override {
    const auto first = body.forward(images);
    return {.maps = forward(again_->forward_with(images, first)), .laterals = first};
  }

 private:
  std::vector<FeatureSpec> features_;
  std::shared_ptr<BackboneImpl> again_;
};

TEST(FeatureExtractor, ANeckFromOutsideMaySeeTheImagesTwiceAndGiveLaterals) {
  necks().add("two_looks", [](const config::Node&, const NeckInputs& inputs) {
    return std::make_shared<TwoLooks>(inputs);
  });
  torch::manual_seed(2);
  const torch::NoGradGuard no_grad;
  const auto extractor = make_feature_extractor(model_node(R"({
    "backbone": {"type": "resnet18", "width": 4, "levels": ["c2", "c3"]}, "neck": {"type": "two_looks"}})"));
  const auto state = state_of(*extractor);
  EXPECT_TRUE(state.contains("body.layer1.0.conv1.weight"));
  EXPECT_TRUE(state.contains("two_looks.again.layer1.0.conv1.weight")) << "weights of its own";
  EXPECT_TRUE(state.contains("two_looks.again.layer2.0.rfp_conv.weight"));
  const auto features = extractor->forward(at::randn({1, 3, 32, 32}));
  ASSERT_EQ(features.maps.size(), 3u);
  ASSERT_EQ(features.laterals.size(), 2u);
  EXPECT_EQ(features.maps[2].sizes(), (std::vector<int64_t>{1, 8, 2, 2}));
  EXPECT_EQ(extractor->size_divisor(), 8);
}

}  // namespace
}  // namespace rcnn::nn
