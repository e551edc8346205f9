#include <rcnn/config/config.h>
#include <rcnn/nn/weights/weight_names.h>

#include "tests/support/message_of.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

/// Tensors that differ from each other, each with four rows unless the name says how many it has.
TensorMap tensors(const std::vector<std::string>& names, const std::map<std::string, int64_t>& rows = {}) {
  TensorMap map;
  for (const auto& name : names) {
    const auto found = rows.find(name);
    const int64_t count = found == rows.end() ? 4 : found->second;
    map.emplace(name, torch::arange(count * 2).view({count, 2}).to(at::kFloat) + 1000.0 * map.size());
  }
  return map;
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// Both ways, by the identity of the tensors where rows stay and by their values.
void expect_translated(const Pairs& pairs, WeightNames other,
                       const std::map<std::string, int64_t>& rows = {}) {
  std::vector<std::string> names;
  for (const auto& [theirs, ours] : pairs) names.push_back(theirs);
  const auto source = tensors(names, rows);
  EXPECT_EQ(weight_names_of(source), other);
  const auto here = to_torchvision(source, other);
  EXPECT_EQ(here.left_out, std::vector<std::string>{});
  EXPECT_EQ(here.tensors.size(), pairs.size());
  for (const auto& [theirs, ours] : pairs) EXPECT_TRUE(here.tensors.contains(ours)) << theirs;
  EXPECT_EQ(weight_names_of(here.tensors), WeightNames::torchvision);
  const auto back = from_torchvision(here.tensors, other);
  EXPECT_EQ(back.left_out, std::vector<std::string>{});
  ASSERT_EQ(back.tensors.size(), source.size());
  for (const auto& [name, tensor] : source) {
    ASSERT_TRUE(back.tensors.contains(name)) << name;
    EXPECT_TRUE(identical(back.tensors.at(name), tensor)) << name;
  }
}

TEST(WeightNames, Detectron2PyramidDetector) {
  expect_translated(
      {{"backbone.bottom_up.stem.conv1.weight", "backbone.body.conv1.weight"},
       {"backbone.bottom_up.stem.conv1.norm.running_var", "backbone.body.bn1.running_var"},
       {"backbone.bottom_up.res2.0.conv1.weight", "backbone.body.layer1.0.conv1.weight"},
       {"backbone.bottom_up.res2.0.shortcut.weight", "backbone.body.layer1.0.downsample.0.weight"},
       {"backbone.bottom_up.res2.0.shortcut.norm.bias", "backbone.body.layer1.0.downsample.1.bias"},
       {"backbone.bottom_up.res5.0.conv3.norm.weight", "backbone.body.layer4.0.bn3.weight"},
       {"backbone.bottom_up.res5.1.conv2.weight", "backbone.body.layer4.1.conv2.weight"},
       {"backbone.fpn_lateral2.weight", "backbone.fpn.inner_blocks.0.0.weight"},
       {"backbone.fpn_lateral5.bias", "backbone.fpn.inner_blocks.3.0.bias"},
       {"backbone.fpn_output3.bias", "backbone.fpn.layer_blocks.1.0.bias"},
       {"proposal_generator.rpn_head.conv.weight", "rpn.head.conv.0.0.weight"},
       {"proposal_generator.rpn_head.objectness_logits.bias", "rpn.head.cls_logits.bias"},
       {"proposal_generator.rpn_head.anchor_deltas.weight", "rpn.head.bbox_pred.weight"},
       {"roi_heads.box_head.fc1.weight", "roi_heads.box_head.fc6.weight"},
       {"roi_heads.box_head.fc2.bias", "roi_heads.box_head.fc7.bias"},
       {"roi_heads.box_predictor.cls_score.weight", "roi_heads.box_predictor.cls_score.weight"},
       {"roi_heads.box_predictor.bbox_pred.weight", "roi_heads.box_predictor.bbox_pred.weight"}},
      WeightNames::detectron2,
      {{"proposal_generator.rpn_head.objectness_logits.bias", 3},
       {"proposal_generator.rpn_head.anchor_deltas.weight", 12},
       {"roi_heads.box_predictor.bbox_pred.weight", 12}});
}

TEST(WeightNames, Detectron2Res5HeadIsTheBoxHeadsLayer4) {
  expect_translated({{"backbone.stem.conv1.weight", "backbone.body.conv1.weight"},
                     {"backbone.res4.0.conv1.weight", "backbone.body.layer3.0.conv1.weight"},
                     {"proposal_generator.rpn_head.conv.weight", "rpn.head.conv.0.0.weight"},
                     {"roi_heads.res5.0.shortcut.weight", "roi_heads.box_head.layer4.0.downsample.0.weight"},
                     {"roi_heads.res5.1.conv1.norm.bias", "roi_heads.box_head.layer4.1.bn1.bias"}},
                    WeightNames::detectron2);
}

TEST(WeightNames, Detectron2StacksOfConvolutions) {
  expect_translated(
      {{"backbone.bottom_up.stem.conv1.weight", "backbone.body.conv1.weight"},
       {"backbone.fpn_lateral2.norm.weight", "backbone.fpn.inner_blocks.0.1.weight"},
       {"backbone.fpn_lateral2.weight", "backbone.fpn.inner_blocks.0.0.weight"},
       {"proposal_generator.rpn_head.conv.conv0.weight", "rpn.head.conv.0.0.weight"},
       {"proposal_generator.rpn_head.conv.conv1.bias", "rpn.head.conv.1.0.bias"},
       {"roi_heads.box_head.conv1.weight", "roi_heads.box_head.0.0.weight"},
       {"roi_heads.box_head.conv1.norm.num_batches_tracked", "roi_heads.box_head.0.1.num_batches_tracked"},
       {"roi_heads.box_head.conv4.weight", "roi_heads.box_head.3.0.weight"},
       {"roi_heads.box_head.conv2.weight", "roi_heads.box_head.1.0.weight"},
       {"roi_heads.box_head.conv3.weight", "roi_heads.box_head.2.0.weight"},
       {"roi_heads.box_head.fc1.weight", "roi_heads.box_head.5.weight"}},
      WeightNames::detectron2);
}

TEST(WeightNames, Detectron2ClassificationNetwork) {
  expect_translated({{"stem.conv1.weight", "conv1.weight"},
                     {"stem.conv1.norm.weight", "bn1.weight"},
                     {"res2.0.conv1.weight", "layer1.0.conv1.weight"},
                     {"res5.0.conv3.norm.running_mean", "layer4.0.bn3.running_mean"},
                     {"linear.weight", "fc.weight"}},
                    WeightNames::detectron2);
}

TEST(WeightNames, Detectron2BackgroundComesFirstAndGetsABox) {
  const std::string scores = "roi_heads.box_predictor.cls_score.bias";
  const std::string boxes = "roi_heads.box_predictor.bbox_pred.bias";
  const auto source = TensorMap{{"proposal_generator.rpn_head.conv.bias", torch::zeros({2})},
                                {scores, torch::tensor({1.f, 2.f, 9.f})},
                                {boxes, torch::arange(1, 9).to(at::kFloat)}};
  const auto here = to_torchvision(source, WeightNames::detectron2).tensors;
  EXPECT_TRUE(identical(here.at(scores), torch::tensor({9.f, 1.f, 2.f})));
  EXPECT_TRUE(
      identical(here.at(boxes), torch::tensor({0.f, 0.f, 0.f, 0.f, 1.f, 2.f, 3.f, 4.f, 5.f, 6.f, 7.f, 8.f})));
  const auto agnostic = to_torchvision(source, WeightNames::detectron2, {.class_agnostic = true}).tensors;
  EXPECT_TRUE(identical(agnostic.at(boxes), source.at(boxes)));
}

TEST(WeightNames, Detectron2AnchorsGoByRatioThenSize) {
  // Two sizes, three ratios: row 10 * size + ratio.
  const auto source = TensorMap{{"proposal_generator.rpn_head.objectness_logits.bias",
                                 torch::tensor({0.f, 1.f, 2.f, 10.f, 11.f, 12.f})},
                                {"proposal_generator.rpn_head.anchor_deltas.bias",
                                 torch::tensor({0.f, 1.f, 2.f, 10.f, 11.f, 12.f}).repeat_interleave(4) * 4 +
                                     torch::tensor({0.f, 1.f, 2.f, 3.f}).repeat(6)}};
  const auto here = to_torchvision(source, WeightNames::detectron2).tensors;
  const auto wanted = torch::tensor({0.f, 10.f, 1.f, 11.f, 2.f, 12.f});
  EXPECT_TRUE(identical(here.at("rpn.head.cls_logits.bias"), wanted));
  EXPECT_TRUE(identical(here.at("rpn.head.bbox_pred.bias"),
                        wanted.repeat_interleave(4) * 4 + torch::tensor({0.f, 1.f, 2.f, 3.f}).repeat(6)));
  const auto back = from_torchvision(here, WeightNames::detectron2).tensors;
  for (const auto& [name, tensor] : source) EXPECT_TRUE(identical(back.at(name), tensor)) << name;
}

TEST(WeightNames, Caffe2PyramidDetector) {
  expect_translated({{"conv1_w", "backbone.body.conv1.weight"},
                     {"res2_0_branch2a_w", "backbone.body.layer1.0.conv1.weight"},
                     {"res2_1_branch2b_w", "backbone.body.layer1.1.conv2.weight"},
                     {"res2_2_branch2c_w", "backbone.body.layer1.2.conv3.weight"},
                     {"res5_0_branch1_w", "backbone.body.layer4.0.downsample.0.weight"},
                     {"fpn_inner_res2_2_sum_lateral_w", "backbone.fpn.inner_blocks.0.0.weight"},
                     {"fpn_inner_res5_0_sum_b", "backbone.fpn.inner_blocks.3.0.bias"},
                     {"fpn_res2_2_sum_w", "backbone.fpn.layer_blocks.0.0.weight"},
                     {"conv_rpn_fpn2_w", "rpn.head.conv.0.0.weight"},
                     {"rpn_cls_logits_fpn2_b", "rpn.head.cls_logits.bias"},
                     {"rpn_bbox_pred_fpn2_w", "rpn.head.bbox_pred.weight"},
                     {"fc6_w", "roi_heads.box_head.fc6.weight"},
                     {"fc7_b", "roi_heads.box_head.fc7.bias"},
                     {"cls_score_w", "roi_heads.box_predictor.cls_score.weight"},
                     {"bbox_pred_b", "roi_heads.box_predictor.bbox_pred.bias"}},
                    WeightNames::caffe2);
}

TEST(WeightNames, Caffe2Res5HeadAndClassificationNetwork) {
  expect_translated({{"conv1_w", "backbone.body.conv1.weight"},
                     {"res4_0_branch2a_w", "backbone.body.layer3.0.conv1.weight"},
                     {"res5_0_branch2a_w", "roi_heads.box_head.layer4.0.conv1.weight"},
                     {"conv_rpn_w", "rpn.head.conv.0.0.weight"},
                     {"cls_score_w", "roi_heads.box_predictor.cls_score.weight"}},
                    WeightNames::caffe2);
  expect_translated({{"conv1_w", "conv1.weight"},
                     {"res2_0_branch2a_w", "layer1.0.conv1.weight"},
                     {"res5_0_branch2a_w", "layer4.0.conv1.weight"},
                     {"pred_w", "fc.weight"}},
                    WeightNames::caffe2);
}

TEST(WeightNames, Caffe2ScaleAndShiftBecomeAFrozenBatchNorm) {
  const TensorMap source = {{"conv1_w", torch::ones({2})},
                            {"res_conv1_bn_s", torch::tensor({2.f, 3.f})},
                            {"res_conv1_bn_b", torch::tensor({4.f, 5.f})}};
  for (const double eps : {0.0, 1e-5, 0.5}) {
    const WeightNamesOptions options{.norm_eps = eps};
    const auto here = to_torchvision(source, WeightNames::caffe2, options).tensors;
    EXPECT_TRUE(identical(here.at("bn1.weight"), source.at("res_conv1_bn_s")));
    EXPECT_TRUE(identical(here.at("bn1.running_mean"), torch::zeros({2})));
    EXPECT_TRUE(close(here.at("bn1.running_var") + eps, torch::ones({2})));
    const auto back = from_torchvision(here, WeightNames::caffe2, options);
    EXPECT_EQ(back.tensors.size(), 3u);
    EXPECT_TRUE(close(back.tensors.at("res_conv1_bn_s"), source.at("res_conv1_bn_s")));
    EXPECT_TRUE(close(back.tensors.at("res_conv1_bn_b"), source.at("res_conv1_bn_b")));
  }
}

TEST(WeightNames, FoldingForCaffe2KeepsTheFunction) {
  const TensorMap ours = {{"conv1.weight", torch::ones({2})},
                          {"bn1.weight", torch::tensor({2.f, 3.f})},
                          {"bn1.bias", torch::tensor({4.f, 5.f})},
                          {"bn1.running_mean", torch::tensor({6.f, 7.f})},
                          {"bn1.running_var", torch::tensor({3.f, 8.f})},
                          {"bn1.num_batches_tracked", torch::tensor(3)}};
  const auto theirs = from_torchvision(ours, WeightNames::caffe2, {.norm_eps = 1}).tensors;
  EXPECT_TRUE(close(theirs.at("res_conv1_bn_s"), torch::tensor({1.f, 1.f})));
  EXPECT_TRUE(close(theirs.at("res_conv1_bn_b"), torch::tensor({-2.f, -2.f})));
  EXPECT_EQ(theirs.size(), 3u);
}

TEST(WeightNames, WhatHasNoCounterpartIsLeftOutByName) {
  auto source = tensors({"backbone.bottom_up.stem.conv1.weight", "backbone.fpn_lateral2.weight"});
  source["pixel_mean"] = source["proposal_generator.anchor_generator.cell_anchors.0"] = torch::ones({3});
  EXPECT_EQ(to_torchvision(source, WeightNames::detectron2).left_out,
            (std::vector<std::string>{"pixel_mean", "proposal_generator.anchor_generator.cell_anchors.0"}));
}

TEST(WeightNames, AShapeThatCannotBeIsAnError) {
  const auto message = message_of<WeightsError>([] {
    to_torchvision({{"proposal_generator.rpn_head.anchor_deltas.weight", torch::ones({5, 2})}},
                   WeightNames::detectron2);
  });
  EXPECT_NE(message.find("rpn.head.bbox_pred.weight: [5, 2]"), std::string::npos) << message;
  EXPECT_NE(message.find("groups of 12"), std::string::npos) << message;
  for (const char* name : {"cls_score", "bbox_pred"}) {
    EXPECT_NE(message_of<WeightsError>([&] {
                to_torchvision(
                    {{"proposal_generator.rpn_head.conv.weight", torch::ones({1})},
                     {std::string("roi_heads.box_predictor.") + name + ".weight", torch::ones({})}},
                    WeightNames::detectron2);
              }).find(name),
              std::string::npos);
  }
}

TEST(WeightNamesOptions, ComeFromTheModelsConfig) {
  const auto config = config::Config::parse(
      R"({"backbone": {"norm_eps": 0}, "rpn": {"anchors": {"ratios": [1, 2]}}, "roi": {"class_agnostic": true}})",
      "f");
  const auto options = WeightNamesOptions::from(config.root());
  EXPECT_EQ(options.anchor_ratios, 2);
  EXPECT_TRUE(options.class_agnostic);
  EXPECT_EQ(options.norm_eps, 0);
  EXPECT_EQ(WeightNamesOptions::from(config::Config::parse("{}", "f").root()).anchor_ratios, 3);
}

}  // namespace
}  // namespace rcnn::nn
