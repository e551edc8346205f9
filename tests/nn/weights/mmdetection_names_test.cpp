// mmdetection's names to ours and back: those of its own detectors (tests/oracle/make_mmdetection.py).

#include <gmock/gmock.h>

#include <rcnn/io/torch_file.h>
#include <rcnn/nn/weights/convert_weights.h>
#include <rcnn/nn/weights/weight_names.h>

#include "tests/nn/necks/oracle.h"
#include "tests/support/message_of.h"
#include "tests/support/name_tree.h"
#include "tests/support/names.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

NameTree mmdetection_names(const std::string& detector) {
  return names_in(golden("mmdetection.json").at("names").at(detector));
}

/// Zeros that need no memory.
TensorMap zeros_of(const NameTree& names) {
  TensorMap tensors;
  for (const auto& [name, shape] : names) tensors[name] = at::zeros({}).expand(shape);
  return tensors;
}

Shapes shapes_in(const TensorMap& tensors, const std::string& prefix = "") {
  Shapes shapes;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix) && !name.ends_with("num_batches_tracked"))
      shapes[name.substr(prefix.size())] = tensor.sizes().vec();
  }
  return shapes;
}

int64_t elements_of(const Shapes& shapes) {
  int64_t count = 0;
  for (const auto& [name, shape] : shapes) count += c10::multiply_integers(shape);
  return count;
}

void expect_back(const TensorMap& here, const TensorMap& source) {
  const auto back = from_torchvision(here, WeightNames::mmdetection);
  EXPECT_THAT(back.left_out, IsEmpty());
  EXPECT_EQ(shapes_in(back.tensors), shapes_in(source));
}

const std::vector<FeatureSpec> kResNet50 = {
    {"c2", 256, 4}, {"c3", 512, 8}, {"c4", 1024, 16}, {"c5", 2048, 32}};

TEST(MmdetectionNames, FasterRcnnOverFpnIsTorchvisions) {
  const auto source = zeros_of(mmdetection_names("fpn"));
  EXPECT_EQ(weight_names_of(source), WeightNames::mmdetection);
  const auto here = to_torchvision(source, WeightNames::mmdetection);
  EXPECT_THAT(here.left_out, IsEmpty());
  auto wanted = torchvision_shapes("fasterrcnn_resnet50_fpn");
  // 80 classes and the background, where torchvision's model has 91.
  for (auto& [name, shape] : wanted) {
    if (name.find("cls_score") != name.npos) shape.front() = 81;
    if (name.find("roi_heads.box_predictor.bbox_pred") != name.npos) shape.front() = 4 * 81;
  }
  EXPECT_EQ(shapes_in(here.tensors), wanted);
  EXPECT_EQ(elements_of(shapes_in(here.tensors, "backbone.fpn.")), 3'344'384);
  expect_back(here.tensors, source);
}

TEST(MmdetectionNames, PafpnIsPanets) {
  auto names = mmdetection_names("fpn");
  names.merge(mmdetection_names("pafpn"));
  const auto source = zeros_of(names);
  const auto here = to_torchvision(source, WeightNames::mmdetection);
  EXPECT_THAT(here.left_out, IsEmpty());
  const auto neck = make_neck(R"({"type": "panet", "form": "pafpn"})", kResNet50);
  EXPECT_EQ(shapes_in(here.tensors, "backbone.panet."), shapes_of(*neck));
  EXPECT_EQ(elements_of(shapes_of(*neck)), 6'884'864);
  expect_back(here.tensors, source);
}

TEST(MmdetectionNames, OfAOneStageDetectorBackboneAndNeckAreTaken) {
  const auto source = zeros_of(mmdetection_names("nas_fpn"));
  const auto here = to_torchvision(source, WeightNames::mmdetection);
  for (const auto& name : here.left_out) EXPECT_TRUE(name.starts_with("bbox_head.")) << name;
  EXPECT_FALSE(here.left_out.empty());
  const auto neck =
      make_neck(R"({"type": "nas_fpn", "extra_levels": {"type": "conv"}, "global_pooling": "average"})",
                {kResNet50.begin() + 1, kResNet50.end()});
  std::vector<std::string> got, wanted;
  for (const auto& [name, shape] : shapes_in(here.tensors, "backbone.nas_fpn.")) got.push_back(name);
  for (const auto& [name, shape] : shapes_of(*neck)) {
    if (!name.ends_with("num_batches_tracked")) wanted.push_back(name);
  }
  EXPECT_EQ(got, wanted);
}

TEST(MmdetectionNames, BifpnsNeckIsTaken) {
  const auto neck = make_neck(R"({"type": "bifpn"})", backbone_maps({40, 112, 320}));
  TensorMap ours;
  for (const auto& [name, tensor] : state_of(*neck)) ours["backbone.bifpn." + name] = tensor;
  const auto theirs = from_torchvision(ours, WeightNames::mmdetection);
  EXPECT_TRUE(theirs.tensors.contains("neck.bifpn.0.p4_level_connection.down_conv.weight"));
  EXPECT_THAT(theirs.left_out, IsEmpty());
  auto source = theirs.tensors;
  source["backbone._conv_stem.weight"] = source["bbox_head.conv_cls.weight"] = torch::ones({1});
  const auto here = to_torchvision(source, WeightNames::mmdetection);
  EXPECT_EQ(shapes_in(here.tensors), shapes_in(ours));
  EXPECT_THAT(here.left_out, ElementsAre("backbone._conv_stem.weight", "bbox_head.conv_cls.weight"));
}

TEST(MmdetectionNames, OfDetectorsBackboneNeckAndRpnAreTakenAndTheHeadsAreNamed) {
  for (const auto& [detector, left_out] :
       {std::pair{"cascade", "roi_head.bbox_head.0 (8), roi_head.bbox_head.1 (8), roi_head.bbox_head.2 (8)"},
        {"htc",
         "roi_head.bbox_head.0 (8), roi_head.bbox_head.1 (8), roi_head.bbox_head.2 (8), "
         "roi_head.mask_head.0 (12), roi_head.mask_head.1 (14), roi_head.mask_head.2 (14), "
         "roi_head.semantic_head.conv_embedding (2), roi_head.semantic_head.conv_logits (2), "
         "roi_head.semantic_head.convs (8), roi_head.semantic_head.lateral_convs (10)"}}) {
    SCOPED_TRACE(detector);
    auto source = zeros_of(mmdetection_names(detector));
    for (const char* name : {"rpn_head.rpn_cls.weight", "rpn_head.rpn_cls.bias"})
      source[name] = at::zeros({3});
    for (const char* name : {"rpn_head.rpn_reg.weight", "rpn_head.rpn_reg.bias"})
      source[name] = at::zeros({12});
    const auto here = to_torchvision(source, WeightNames::mmdetection);
    EXPECT_EQ(counted_parts(here.left_out), left_out);
    for (const auto& [name, tensor] : source) {
      if (name.starts_with("roi_head.")) continue;
      const auto own = [&, &name = name] {
        for (const auto& [theirs, ours] :
             std::vector<std::pair<std::string, std::string>>{{"backbone.", "backbone.body."},
                                                              {"neck.rfp_", "backbone.rfp.rfp_"},
                                                              {"rpn_head.rpn_conv.", "rpn.head.conv.0.0."},
                                                              {"rpn_head.rpn_cls.", "rpn.head.cls_logits."},
                                                              {"rpn_head.rpn_reg.", "rpn.head.bbox_pred."}}) {
          if (name.starts_with(theirs)) return ours + name.substr(theirs.size());
        }
        const auto number = name.substr(name.find("convs.") + 6, 1), leaf = name.substr(name.rfind('.'));
        const bool lateral = name.find("lateral") != name.npos;
        return "backbone.rfp." + std::string(lateral ? "inner" : "layer") + "_blocks." + number + ".0" + leaf;
      }();
      EXPECT_TRUE(here.tensors.contains(own)) << name << " should be " << own;
    }
    for (const char* name :
         {"backbone.body.conv1.weight_gamma", "backbone.body.layer2.0.conv2.weight_diff",
          "backbone.body.layer3.1.conv2.switch.bias", "backbone.body.layer4.0.conv2.offset_l.weight",
          "backbone.rfp.rfp_modules.0.conv1.weight_beta",
          "backbone.rfp.rfp_modules.0.layer2.0.rfp_conv.weight", "backbone.rfp.rfp_aspp.aspp.3.bias",
          "backbone.rfp.rfp_weight.weight", "backbone.rfp.inner_blocks.0.0.weight",
          "backbone.rfp.layer_blocks.3.0.bias"}) {
      EXPECT_TRUE(here.tensors.contains(name)) << name;
    }
    std::erase_if(source, [](const auto& entry) { return entry.first.starts_with("roi_head."); });
    expect_back(here.tensors, source);
  }
}

/// Both ways, one tensor each.
void expect_pairs(const std::vector<std::pair<const char*, const char*>>& pairs) {
  TensorMap source, wanted;
  for (const auto& [theirs, ours] : pairs) source[theirs] = wanted[ours] = torch::ones({4});
  const auto here = to_torchvision(source, WeightNames::mmdetection, {.class_agnostic = true});
  EXPECT_THAT(here.left_out, IsEmpty());
  EXPECT_EQ(shapes_in(here.tensors), shapes_in(wanted));
  const auto back = from_torchvision(wanted, WeightNames::mmdetection, {.class_agnostic = true});
  EXPECT_THAT(back.left_out, IsEmpty());
  EXPECT_EQ(shapes_in(back.tensors), shapes_in(source));
}

TEST(MmdetectionNames, NormsExtraLevelsAndStacksOfConvolutions) {
  expect_pairs({{"backbone.layer4.0.conv1.weight", "backbone.body.layer4.0.conv1.weight"},
                {"backbone.layer1.0.conv1.weight", "backbone.body.layer1.0.conv1.weight"},
                {"backbone.layer2.0.conv1.weight", "backbone.body.layer2.0.conv1.weight"},
                {"backbone.layer3.0.conv1.weight", "backbone.body.layer3.0.conv1.weight"},
                {"neck.lateral_convs.0.conv.weight", "backbone.fpn.inner_blocks.0.0.weight"},
                {"neck.lateral_convs.0.bn.running_var", "backbone.fpn.inner_blocks.0.1.running_var"},
                {"neck.lateral_convs.1.conv.weight", "backbone.fpn.inner_blocks.1.0.weight"},
                {"neck.fpn_convs.1.bn.running_var", "backbone.fpn.layer_blocks.1.1.running_var"},
                {"neck.fpn_convs.2.conv.weight", "backbone.fpn.extra_blocks.p6.weight"},
                {"neck.fpn_convs.3.bn.bias", "backbone.fpn.extra_blocks.p7_norm.bias"},
                {"rpn_head.rpn_conv.0.conv.weight", "rpn.head.conv.0.0.weight"},
                {"rpn_head.rpn_conv.1.conv.bias", "rpn.head.conv.1.0.bias"}});
  expect_pairs({{"backbone.conv1.weight", "backbone.body.conv1.weight"},
                {"neck.lateral_convs.0.conv.weight", "backbone.panet.inner_blocks.0.0.weight"},
                {"neck.lateral_convs.1.gn.weight", "backbone.panet.inner_blocks.1.1.weight"},
                {"neck.downsample_convs.0.gn.weight", "backbone.panet.downsample_blocks.0.1.weight"},
                {"neck.pafpn_convs.0.conv.bias", "backbone.panet.output_blocks.0.0.bias"},
                {"rpn_head.rpn_conv.weight", "rpn.head.conv.0.0.weight"},
                {"roi_head.bbox_head.shared_convs.0.conv.weight", "roi_heads.box_head.0.0.weight"},
                {"roi_head.bbox_head.shared_convs.1.gn.weight", "roi_heads.box_head.1.1.weight"},
                {"roi_head.bbox_head.shared_convs.1.conv.weight", "roi_heads.box_head.1.0.weight"},
                {"roi_head.bbox_head.shared_fcs.0.weight", "roi_heads.box_head.3.weight"},
                {"roi_head.bbox_head.fc_reg.weight", "roi_heads.box_predictor.bbox_pred.weight"}});
  // A head that is the last residual stage.
  expect_pairs({{"backbone.layer3.0.conv1.weight", "backbone.body.layer3.0.conv1.weight"},
                {"rpn_head.rpn_conv.weight", "rpn.head.conv.0.0.weight"},
                {"roi_head.shared_head.layer4.0.conv1.weight", "roi_heads.box_head.layer4.0.conv1.weight"}});
}

TEST(MmdetectionNames, BackgroundComesFirstAndGetsABoxAndAnchorsStay) {
  const auto source = TensorMap{{"rpn_head.rpn_cls.bias", torch::tensor({0.f, 1.f, 2.f, 3.f, 4.f, 5.f})},
                                {"roi_head.bbox_head.fc_cls.bias", torch::tensor({1.f, 2.f, 9.f})},
                                {"roi_head.bbox_head.fc_reg.bias", torch::arange(1, 9).to(at::kFloat)}};
  const auto here = to_torchvision(source, WeightNames::mmdetection).tensors;
  const std::string predictor = "roi_heads.box_predictor.";
  EXPECT_TRUE(identical(here.at(predictor + "cls_score.bias"), torch::tensor({9.f, 1.f, 2.f})));
  EXPECT_TRUE(identical(here.at(predictor + "bbox_pred.bias"),
                        torch::tensor({0.f, 0.f, 0.f, 0.f, 1.f, 2.f, 3.f, 4.f, 5.f, 6.f, 7.f, 8.f})));
  EXPECT_TRUE(identical(here.at("rpn.head.cls_logits.bias"), source.at("rpn_head.rpn_cls.bias")));
  const auto back = from_torchvision(here, WeightNames::mmdetection).tensors;
  for (const auto& [name, tensor] : source) EXPECT_TRUE(identical(back.at(name), tensor)) << name;
}

TEST(MmdetectionNames, EachNormIsNamedByWhatItIs) {
  const auto ones = at::ones({2});
  // Ours, and what mmdetection calls it; names without a kind here are of group norms where there are no
  // statistics.
  const std::vector<std::pair<std::string, std::string>> names = {
      {"backbone.body.bn1.weight", "backbone.gn1.weight"},
      {"backbone.body.layer1.0.bn2.bias", "backbone.layer1.0.gn2.bias"},
      {"backbone.body.layer1.0.bn2.weight", "backbone.layer1.0.gn2.weight"},
      {"backbone.body.layer2.0.bn3.weight", "backbone.layer2.0.bn3.weight"},
      {"backbone.body.layer2.0.bn3.running_var", "backbone.layer2.0.bn3.running_var"},
      {"backbone.body.layer2.0.downsample.1.weight", "backbone.layer2.0.downsample.1.weight"},
      {"backbone.fpn.inner_blocks.0.1.weight", "neck.lateral_convs.0.gn.weight"},
      {"backbone.fpn.layer_blocks.0.1.weight", "neck.fpn_convs.0.bn.weight"},
      {"backbone.fpn.layer_blocks.0.1.running_var", "neck.fpn_convs.0.bn.running_var"},
      {"backbone.fpn.extra_blocks.p4_norm.weight", "neck.fpn_convs.1.gn.weight"},
      {"rpn.head.cls_logits.weight", "rpn_head.rpn_cls.weight"}};
  TensorMap here, there;
  for (const auto& [our, their] : names) {
    here.emplace(our, ones);
    there.emplace(their, ones);
  }
  const auto names_of = [](const TensorMap& tensors) {
    std::vector<std::string> all;
    for (const auto& [name, tensor] : tensors) all.push_back(name);
    return all;
  };
  EXPECT_EQ(names_of(from_torchvision(here, WeightNames::mmdetection).tensors), names_of(there));
  EXPECT_EQ(names_of(to_torchvision(there, WeightNames::mmdetection).tensors), names_of(here));
  const TensorMap nas = {{"backbone.nas_fpn.lateral_convs.0.bn.weight", ones}};
  EXPECT_EQ(names_of(from_torchvision(nas, WeightNames::mmdetection).tensors),
            (std::vector<std::string>{"neck.lateral_convs.0.gn.weight"}));
}

TEST(MmdetectionNames, ClassAgnosticBoxesKeepTheirRows) {
  const auto boxes = at::arange(8, at::kFloat).view({4, 2});
  const TensorMap here = {{"roi_heads.box_predictor.bbox_pred.weight", boxes},
                          {"roi_heads.box_predictor.cls_score.weight", at::rand({4, 2})}};
  for (const auto names : {WeightNames::mmdetection, WeightNames::detectron2}) {
    const auto there = from_torchvision(here, names);
    const auto back = to_torchvision(there.tensors, names).tensors;
    EXPECT_TRUE(identical(back.at("roi_heads.box_predictor.bbox_pred.weight"), boxes));
  }
}

TEST(MmdetectionNames, TwoScoresAnAnchorAreRefused) {
  const auto message = message_of<WeightsError>([] {
    to_torchvision(
        {{"rpn_head.rpn_cls.bias", torch::ones({6})}, {"rpn_head.rpn_reg.bias", torch::ones({12})}},
        WeightNames::mmdetection);
  });
  EXPECT_THAT(message, HasSubstr("rpn_head.rpn_cls.bias: [6] is not one score for each of the anchors"));
}

TEST(MmdetectionNames, WhatHasNoPlaceAtAllIsAnError) {
  EXPECT_THAT(message_of<WeightsError>([] {
                to_torchvision({{"neck.mask_convs.0.weight", torch::ones({1})}}, WeightNames::mmdetection);
              }),
              HasSubstr("none of its 1 layers is known here: neck.mask_convs.0.weight"));
}

// As mmengine's runner leaves it: beside state_dict are meta, optimizer, message_hub and param_schedulers,
// with objects of classes that are unknown here.
TEST(MmdetectionNames, ACheckpointOfMmenginesIsReadAsAnyOther) {
  const auto read = read_weights(RCNN_FIXTURES "/weights/torch_zip/mmdetection.pth");
  ASSERT_EQ(read.tensors.size(), 2u);
  EXPECT_TRUE(
      identical(read.tensors.at("rpn.head.bbox_pred.weight"), torch::tensor({1.f, 2.f}).view({2, 1, 1, 1})));
  EXPECT_TRUE(identical(read.tensors.at("rpn.head.bbox_pred.bias"), torch::tensor({3.f, 4.f})));
  EXPECT_EQ(read.summary,
            "weights of 'state_dict'; without the prefix 'module.'; left out: meta, message_hub, optimizer, "
            "param_schedulers");
}

}  // namespace
}  // namespace rcnn::nn
