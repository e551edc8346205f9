#include <cmath>

#include <rcnn/config/config.h>
#include <rcnn/nn/rpn/rpn.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/support/message_of.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

RpnOptions rpn_options(const std::string& json) {
  return RpnOptions::from(config::Config::parse(json, "f.json").root());
}

TEST(RpnOptions, EveryKeyIsRead) {
  const auto options = rpn_options(R"({
    "anchors": {"sizes": [10, 20], "ratios": [1]}, "positive_iou": 0.6, "negative_iou": 0.2, "ignore_share": 0.9,
    "batch_per_image": 64, "positive_fraction": 0.25, "cross_boundary": "drop", "beta": 0, "nms_threshold": 0.8,
    "low_quality_iou": 0.1, "low_quality_target": "reached", "delta_limit": "both",
    "min_size": 16, "train": {"pre_nms": 1, "post_nms": 2}, "test": {"pre_nms": 3, "post_nms": 4}})");
  EXPECT_EQ(options.anchors.sizes, (std::vector<double>{10, 20}));
  EXPECT_EQ(options.anchors.ratios, (std::vector<double>{1}));
  EXPECT_EQ(options.matcher.positive_iou, 0.6);
  EXPECT_EQ(options.matcher.negative_iou, 0.2);
  EXPECT_EQ(options.matcher.ignore_share, 0.9);
  EXPECT_TRUE(options.matcher.low_quality);
  EXPECT_EQ(options.matcher.low_quality_iou, 0.1);
  EXPECT_EQ(options.matcher.low_quality_target, boxes::MatcherOptions::LowQualityTarget::reached);
  EXPECT_EQ(options.delta_limit, boxes::BoxCoderOptions::Limit::both);
  EXPECT_EQ(options.sampler.count, 64);
  EXPECT_EQ(options.sampler.positive_fraction, 0.25);
  EXPECT_EQ(options.cross_boundary, RpnOptions::CrossBoundary::drop);
  EXPECT_EQ(options.beta, 0);
  EXPECT_EQ(options.train.pre_nms, 1);
  EXPECT_EQ(options.train.post_nms, 2);
  EXPECT_EQ(options.test.pre_nms, 3);
  EXPECT_EQ(options.test.post_nms, 4);
  for (const auto& stage : {options.train, options.test}) {
    EXPECT_EQ(stage.nms_threshold, 0.8);
    EXPECT_EQ(stage.min_size, 16);
  }
}

TEST(RpnOptions, WhatIsWrongIsNamed) {
  for (const auto& [json, part] : std::vector<std::pair<std::string, std::string>>{
           {R"({"positive_iou": 0.2})", "negative_iou: must not be above positive_iou"},
           {R"({"anchors": {"sizes": []}})", "sizes must not be empty"},
           {R"({"anchors": {"ratios": []}})", "ratios must not be empty"},
           {R"({"anchors": {"sizes": [16, 0]}})", "f.json: anchors.sizes"},
           {R"({"anchors": {"strides": [16]}})", "f.json: anchors.strides"},
           {R"({"batch_per_image": 0})", "f.json: batch_per_image"},
           {R"({"positive_fraction": 1.5})", "f.json: positive_fraction"},
           {R"({"cross_boundary": "clip"})", "f.json: cross_boundary"},
           {R"({"low_quality_target": "best"})", "f.json: low_quality_target"},
           {R"({"delta_limit": "below"})", "f.json: delta_limit"},
           {R"({"train": {"post_nms": 0}})", "f.json: train.post_nms"},
           {R"({"test": {"pre-nms": 5}})", "f.json: test.pre-nms"},
           {R"({"nms_treshold": 0.5})", "nms_threshold"}}) {
    const auto message = message_of<ConfigError>([&] { rpn_options(json); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

constexpr ImageSize kRpnSize{.height = 64, .width = 96};

/// An RPN of one level of stride 16 with anchors of side 16.
Rpn make_rpn(RpnOptions options) {
  torch::manual_seed(1);
  if (options.anchors.sizes.size() > 1) options.anchors = {.sizes = {16}, .ratios = {1}};
  return Rpn(std::vector<FeatureSpec>{{"c4", 2, 16}}, options);
}

std::vector<at::Tensor> maps() {
  torch::manual_seed(2);
  return {torch::rand({1, 2, 4, 6})};
}

Target rpn_target(const at::Tensor& boxes) {
  return {boxes, torch::ones({boxes.size(0)}, at::kLong), torch::zeros({0, 4})};
}

TEST(Rpn, TrainingAndTestKeepTheirOwnNumberOfProposals) {
  RpnOptions options;
  options.train.post_nms = 7;
  options.test.post_nms = 3;
  auto rpn = make_rpn(options);
  const auto count = [&] { return rpn->forward(maps(), {kRpnSize}, nullptr).proposals.boxes[0].size(0); };
  rpn->train();
  EXPECT_EQ(count(), 7);
  rpn->eval();
  EXPECT_EQ(count(), 3);
}

TEST(Rpn, WithoutTargetsThereIsNoLoss) {
  const auto output = make_rpn({})->forward(maps(), {kRpnSize}, nullptr);
  EXPECT_TRUE(output.losses.empty());
  EXPECT_FALSE(output.proposals.boxes[0].requires_grad());
}

TEST(Rpn, TheLossIsHandComputed) {
  auto rpn = make_rpn({});
  const torch::NoGradGuard no_grad;
  for (auto& parameter : rpn->parameters()) parameter.zero_();
  // Anchors are 16 x 16 around (16 column, 16 row). The box is one of the 24, moved by 2: IoU 14/18. It
  // shares 1/15 with the next one and nothing with the others.
  const std::vector<Target> targets = {rpn_target(torch::tensor({{26.f, 24.f, 42.f, 40.f}}))};
  const auto losses = rpn->forward(maps(), {kRpnSize}, &targets).losses;
  EXPECT_EQ(losses[0].name, "loss_objectness");
  EXPECT_NEAR(losses[0].value.item<double>(), std::log(2), 1e-6);
  EXPECT_EQ(losses[1].name, "loss_rpn_box_reg");
  EXPECT_NEAR(losses[1].value.item<double>(), (2. / 16 - 0.5 / 9) / 24, 1e-6);
}

TEST(Rpn, DroppingAnchorsOverTheBorderLeavesASmallImageNothingToLearn) {
  const ImageSize small{.height = 12, .width = 12};
  const std::vector<Target> targets = {rpn_target(torch::tensor({{0.f, 0.f, 8.f, 8.f}}))};
  auto keep = make_rpn({});
  EXPECT_GT(keep->forward(maps(), {small}, &targets).losses[0].value.item<float>(), 0);
  auto drop = make_rpn({.cross_boundary = RpnOptions::CrossBoundary::drop});
  const auto losses = drop->forward(maps(), {small}, &targets).losses;
  for (const auto& loss : losses) EXPECT_EQ(loss.value.item<float>(), 0) << loss.name;
  (losses[0].value + losses[1].value).backward();
  for (const auto& parameter : drop->parameters()) {
    EXPECT_TRUE(identical(parameter.grad(), at::zeros_like(parameter)));
  }
}

TEST(Rpn, DroppingAnchorsOverTheBorderKeepsTheOthersAssigned) {
  // Of the 4 x 6 anchors the 3 x 5 away from the top and left border are inside; one of them is the box.
  auto rpn = make_rpn({.cross_boundary = RpnOptions::CrossBoundary::drop});
  const torch::NoGradGuard no_grad;
  for (auto& parameter : rpn->parameters()) parameter.zero_();
  rpn->named_parameters()["head.bbox_pred.bias"].fill_(1);
  const std::vector<Target> targets = {rpn_target(torch::tensor({{24.f, 24.f, 40.f, 40.f}}))};
  const auto losses = rpn->forward(maps(), {kRpnSize}, &targets).losses;
  EXPECT_NEAR(losses[1].value.item<double>(), 4 * (1 - 0.5 / 9) / 15, 1e-6);
}

TEST(Rpn, EachImageLearnsFromItsOwnTarget) {
  auto rpn = make_rpn({.beta = 0});
  const torch::NoGradGuard no_grad;
  for (auto& parameter : rpn->parameters()) parameter.zero_();
  const auto box = torch::tensor({{26.f, 24.f, 42.f, 40.f}});
  const auto loss = [&](const std::vector<Target>& targets) {
    return rpn->forward({torch::zeros({2, 2, 4, 6})}, {kRpnSize, kRpnSize}, &targets)
        .losses[1]
        .value.item<double>();
  };
  // One positive in 48 anchors, wherever it is; two when both images have the box.
  EXPECT_NEAR(loss({rpn_target(box), rpn_target(torch::zeros({0, 4}))}), 2. / 16 / 48, 1e-7);
  EXPECT_NEAR(loss({rpn_target(torch::zeros({0, 4})), rpn_target(box)}), 2. / 16 / 48, 1e-7);
  EXPECT_NEAR(loss({rpn_target(box), rpn_target(box)}), 4. / 16 / 48, 1e-7);
}

}  // namespace
}  // namespace rcnn::nn
