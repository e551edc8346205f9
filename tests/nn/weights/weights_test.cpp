#include <cmath>
#include <limits>
#include <set>

#include <gmock/gmock.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/nn/weights/initial_weights.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/support/message_of.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

using Module = torch::nn::Module;

/// Registers a parameter under a dotted name, with the modules on the way.
void put(Module& root, const std::string& name, at::IntArrayRef shape) {
  const auto dot = name.find('.');
  if (dot == std::string::npos) {
    root.register_parameter(name, torch::zeros(shape));
    return;
  }
  const auto first = name.substr(0, dot);
  const auto children = root.named_children();
  const auto* child = children.find(first);
  put(child ? **child : *root.register_module(first, std::make_shared<Module>()), name.substr(dot + 1),
      shape);
}

/// A model of the modules that are put into it.
class Skeleton : public ModelImpl {
 public:
  std::vector<Loss> losses(const ImageBatch&, const std::vector<Target>&) override { return {}; }
  const PixelOptions& pixels() const override { return pixels_; }
  bool depends_on_classes(std::string_view name) const override {
    return name.starts_with("roi_heads.box_predictor.");
  }

 private:
  PixelOptions pixels_;
};

/// A detector's skeleton, all zeros: 3 classes with background.
std::shared_ptr<Module> skeleton() {
  auto module = std::make_shared<Skeleton>();
  put(*module, "backbone.body.conv1.weight", {4});
  put(*module, "backbone.body.layer1.0.conv1.weight", {2, 2});
  put(*module, "rpn.head.conv.weight", {3});
  put(*module, "roi_heads.box_head.fc6.weight", {5});
  put(*module, "roi_heads.box_head.fc7.weight", {6});
  put(*module, "roi_heads.box_head.layer4.0.conv1.weight", {7});
  put(*module, "roi_heads.box_predictor.cls_score.weight", {3, 6});
  put(*module, "roi_heads.box_predictor.bbox_pred.weight", {12, 6});
  return module;
}

TensorMap ones_like(const TensorMap& state) {
  TensorMap ones;
  for (const auto& [name, tensor] : state) ones.emplace(name, torch::ones(tensor.sizes()));
  return ones;
}

/// Of the module, the names whose values are no longer 0.
std::vector<std::string> changed(const Module& module) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state_of(module)) {
    if (tensor.count_nonzero().item<int64_t>() > 0) names.push_back(name);
  }
  return names;
}

using Names = std::vector<std::string>;

TEST(State, HoldsParametersAndBuffersThemselves) {
  Module module;
  module.register_parameter("weight", torch::zeros({2}));
  module.register_buffer("mean", torch::zeros({2}));
  const torch::NoGradGuard no_grad;
  auto state = state_of(module);
  ASSERT_EQ(state.size(), 2u);
  state.at("weight").fill_(3);
  state.at("mean").fill_(4);
  EXPECT_EQ(module.parameters()[0][0].item<float>(), 3);
  EXPECT_EQ(module.buffers()[0][0].item<float>(), 4);
}

TEST(LoadState, CopiesEverythingAndKeepsTheTensors) {
  const auto module = skeleton();
  const auto before = state_of(*module);
  load_state(*module, ones_like(before), "f");
  for (const auto& [name, tensor] : state_of(*module)) {
    EXPECT_TRUE(identical(tensor, torch::ones(tensor.sizes()))) << name;
    EXPECT_TRUE(tensor.is_same(before.at(name)));
    EXPECT_TRUE(tensor.requires_grad());
  }
}

TEST(LoadState, ListsAllThatDoesNotFitAndChangesNothing) {
  const auto module = skeleton();
  auto tensors = ones_like(state_of(*module));
  tensors.erase("rpn.head.conv.weight");
  tensors.erase("backbone.body.conv1.weight");
  tensors["fc.weight"] = tensors["fc.bias"] = torch::ones({1});
  tensors["roi_heads.box_head.fc6.weight"] = torch::ones({5, 1});
  tensors["roi_heads.box_head.fc7.weight"] = torch::ones({});
  EXPECT_EQ(
      message_of<WeightsError>([&] { load_state(*module, tensors, "a.safetensors"); }),
      "a.safetensors: does not fit the model; missing: backbone.body.conv1.weight, rpn.head.conv.weight; "
      "unexpected: fc.bias, fc.weight; of another shape or type: roi_heads.box_head.fc6.weight [5], the file "
      "has "
      "[5, 1], roi_heads.box_head.fc7.weight [6], the file has []");
  EXPECT_EQ(changed(*module), Names{});
}

TEST(LoadState, OneNameTooManyIsAnError) {
  const auto module = skeleton();
  auto tensors = ones_like(state_of(*module));
  tensors["fc.weight"] = torch::ones({1});
  EXPECT_EQ(message_of<WeightsError>([&] { load_state(*module, tensors, "f"); }),
            "f: does not fit the model; unexpected: fc.weight");
  EXPECT_EQ(changed(*module), Names{});
}

TEST(LoadState, SuggestsThePrefixThatWouldMatch) {
  const auto module = skeleton();
  TensorMap wrapped, bare;
  for (const auto& [name, tensor] : ones_like(state_of(*module))) {
    wrapped.emplace("module." + name, tensor);
    if (name.starts_with("backbone.")) bare.emplace(name.substr(std::string("backbone.").size()), tensor);
  }
  EXPECT_NE(
      message_of<WeightsError>([&] { load_state(*module, wrapped, "f"); })
          .find("; 8 of its 8 names match without the prefix 'module.': rcnn weights convert --drop-prefix "
                "module."),
      std::string::npos);
  EXPECT_NE(
      message_of<WeightsError>([&] { load_state(*module, bare, "f"); })
          .find("; 2 of its 2 names match behind the prefix 'backbone.': rcnn weights convert --add-prefix "
                "backbone."),
      std::string::npos);
  EXPECT_NE(
      message_of<WeightsError>([&] { load_initial(*module, wrapped, "f"); }).find("--drop-prefix module."),
      std::string::npos);
  EXPECT_EQ(message_of<WeightsError>([&] {
              load_state(*module, {{"x", torch::ones({1})}}, "f");
            }).find("prefix"),
            std::string::npos);
}

TEST(LoadState, AnotherNumberOfClassesLeavesTheLastLayersFreshWhereThatIsAllowed) {
  const auto module = skeleton();
  auto tensors = ones_like(state_of(*module));
  const Names last = {"roi_heads.box_predictor.bbox_pred.weight", "roi_heads.box_predictor.cls_score.weight"};
  tensors[last[0]] = torch::ones({364, 6});
  tensors[last[1]] = torch::ones({91, 6});
  EXPECT_NE(message_of<WeightsError>([&] { load_state(*module, tensors, "f"); }).find("[91, 6]"),
            std::string::npos);
  const auto report = load_state(*module, tensors, "f", Classes::any);
  EXPECT_EQ(report.fresh, last);
  EXPECT_EQ(report.unused, last);
  EXPECT_EQ(changed(*module).size(), state_of(*module).size() - 2);

  tensors.erase("rpn.head.conv.weight");
  EXPECT_EQ(message_of<WeightsError>([&] { load_state(*module, tensors, "f", Classes::any); }),
            "f: does not fit the model; missing: rpn.head.conv.weight");
}

TEST(LoadState, ACounterOfBatchesMayBeMissingOrTooMuch) {
  torch::nn::BatchNorm2d norm(2);
  torch::nn::Sequential module(norm);
  auto tensors = ones_like(state_of(*module));
  tensors.erase("0.num_batches_tracked");
  EXPECT_EQ(load_state(*module, tensors, "f").fresh, Names{});
  const auto without = skeleton();
  auto more = ones_like(state_of(*without));
  more["backbone.body.bn1.num_batches_tracked"] = torch::tensor(1);
  EXPECT_EQ(load_state(*without, more, "f").unused, Names{});
  EXPECT_EQ(load_initial(*without, more, "f").unused, Names{});
}

TEST(LoadState, HalvesAreConvertedAndIntegersAreNot) {
  const auto module = skeleton();
  auto tensors = ones_like(state_of(*module));
  tensors["rpn.head.conv.weight"] = torch::full({3}, 0.5, at::kBFloat16);
  load_state(*module, tensors, "f");
  EXPECT_TRUE(identical(state_of(*module).at("rpn.head.conv.weight").detach(), torch::full({3}, 0.5)));
  tensors["rpn.head.conv.weight"] = torch::ones({3}, at::kChar);
  EXPECT_EQ(
      message_of<WeightsError>([&] { load_state(*module, tensors, "f"); }),
      "f: does not fit the model; of another shape or type: rpn.head.conv.weight Float, the file has Char");
}

TEST(LoadInitial, AClassificationNetworkFindsItsPlaces) {
  const auto module = skeleton();
  const auto report = load_initial(*module,
                                   {{"conv1.weight", torch::ones({4})},
                                    {"layer1.0.conv1.weight", torch::ones({2, 2})},
                                    {"layer4.0.conv1.weight", torch::ones({7})},
                                    {"classifier.0.weight", torch::ones({5})},
                                    {"classifier.3.weight", torch::ones({6})},
                                    {"classifier.6.weight", torch::ones({1000, 6})},
                                    {"fc.weight", torch::ones({1000})}},
                                   "f");
  const Names loaded = {"backbone.body.conv1.weight", "backbone.body.layer1.0.conv1.weight",
                        "roi_heads.box_head.fc6.weight", "roi_heads.box_head.fc7.weight",
                        "roi_heads.box_head.layer4.0.conv1.weight"};
  EXPECT_EQ(changed(*module), loaded);
  EXPECT_EQ(std::set(report.loaded.begin(), report.loaded.end()), std::set(loaded.begin(), loaded.end()));
  EXPECT_EQ(report.fresh, (Names{"roi_heads.box_predictor.bbox_pred.weight",
                                 "roi_heads.box_predictor.cls_score.weight", "rpn.head.conv.weight"}));
  EXPECT_EQ(report.unused, (Names{"classifier.6.weight", "fc.weight"}));
}

TEST(LoadInitial, ADetectorLoadsUnderItsOwnNames) {
  const auto module = skeleton();
  const auto report = load_initial(*module, ones_like(state_of(*module)), "f");
  EXPECT_EQ(changed(*module).size(), state_of(*module).size());
  EXPECT_TRUE(report.fresh.empty());
  EXPECT_TRUE(report.unused.empty());
}

TEST(LoadInitial, AnotherNumberOfClassesLeavesTheLastLayersFresh) {
  const auto module = skeleton();
  auto tensors = ones_like(state_of(*module));
  const Names last = {"roi_heads.box_predictor.bbox_pred.weight", "roi_heads.box_predictor.cls_score.weight"};
  tensors[last[0]] = torch::ones({364, 6});
  tensors[last[1]] = torch::ones({91, 6});
  const auto report = load_initial(*module, tensors, "f");
  EXPECT_EQ(report.fresh, last);
  EXPECT_EQ(report.unused, last);
  EXPECT_EQ(changed(*module).size(), state_of(*module).size() - 2);
}

TEST(LoadInitial, AnyOtherShapeIsAnErrorThatChangesNothing) {
  const auto module = skeleton();
  auto tensors = ones_like(state_of(*module));
  tensors["rpn.head.conv.weight"] = torch::ones({9});
  EXPECT_EQ(
      message_of<WeightsError>([&] { load_initial(*module, tensors, "f"); }),
      "f: does not fit the model; of another shape or type: rpn.head.conv.weight [3], the file has [9]");
  EXPECT_EQ(changed(*module), Names{});
}

TEST(LoadInitial, AFileWithNothingForTheModelIsAnError) {
  const auto module = skeleton();
  EXPECT_EQ(message_of<WeightsError>([&] {
              load_initial(*module,
                           {{"encoder.0.weight", torch::ones({4})}, {"encoder.0.bias", torch::ones({4})}},
                           "f");
            }),
            "f: none of its 2 names belongs to the model; it has encoder.0.bias (1), encoder.0.weight (1)");
  EXPECT_NE(message_of<WeightsError>([&] { load_initial(*module, {}, "f"); }).find("none of its 0 names"),
            std::string::npos);
}

/// What is doubtful when the names of `unused` and `fresh` have no counterpart.
std::string doubts(Names loaded, Names fresh, Names unused) {
  return doubts_about({.loaded = std::move(loaded), .fresh = std::move(fresh), .unused = std::move(unused)},
                      Skeleton());
}

TEST(DoubtsAbout, NothingIsDoubtfulOfWholeWeightsAndOfOtherClasses) {
  EXPECT_EQ(
      doubts({"backbone.body.conv1.weight", "rpn.head.conv.0.0.weight"},
             {"roi_heads.box_predictor.cls_score.weight"}, {"roi_heads.box_predictor.cls_score.weight"}),
      "");
  // A few of many.
  EXPECT_EQ(doubts({"rpn.head.conv.0.0.weight", "rpn.head.conv.0.0.bias"}, {"rpn.head.conv.1.0.bias"}, {}),
            "");
}

TEST(DoubtsAbout, AClassificationNetworkFillsTheBackboneAlone) {
  const Names heads = {"backbone.fpn.inner_blocks.0.0.weight", "rpn.head.conv.0.0.weight",
                       "roi_heads.box_head.fc6.weight", "roi_heads.box_predictor.cls_score.weight"};
  EXPECT_EQ(doubts({"backbone.body.layer1.0.conv1.weight"}, heads, {"fc.weight", "fc.bias"}), "");
  // VGG's own layers belong to the head.
  EXPECT_THAT(doubts({"backbone.body.features.0.weight"}, heads, {}),
              AllOf(HasSubstr("the RoI head's roi_heads.box_head.fc6: 1 of 1"), Not(HasSubstr("rpn"))));
  // Another depth: the stage has blocks that the file lacks.
  Names deeper = heads;
  for (const char* block : {"6", "7"})
    deeper.push_back("backbone.body.layer3." + std::string(block) + ".conv1.weight");
  EXPECT_THAT(doubts({"backbone.body.layer3.0.conv1.weight"}, deeper, {}),
              AllOf(HasSubstr("layer3 of the backbone: 2 of 3 tensors"), HasSubstr("of another depth")));
}

TEST(DoubtsAbout, APyramidAndAnRpnThatTheFileCallsOtherwiseAreNamed) {
  const auto found =
      doubts({"backbone.body.conv1.weight", "rpn.head.cls_logits.weight", "roi_heads.box_head.fc6.weight"},
             {"backbone.fpn.inner_blocks.0.0.weight", "rpn.head.conv.0.0.weight"},
             {"neck.lateral_convs.0.conv.weight"});
  EXPECT_THAT(found, AllOf(HasSubstr("the pyramid's backbone.fpn.inner_blocks: 1 of 1 tensors"),
                           HasSubstr("the RPN's rpn.head.conv: 1 of 1"),
                           HasSubstr("without a place: neck.lateral_convs.0 (1)")));
}

TEST(DoubtsAbout, APartOfWhichMostFindsNoPlaceIsNamed) {
  EXPECT_THAT(doubts({"backbone.body.layer3.0.conv1.weight"}, {},
                     {"backbone.body.layer3.6.conv1.weight", "backbone.body.layer3.7.conv1.weight"}),
              AllOf(HasSubstr("layer3 of the backbone: 2 of 3 tensors"), HasSubstr("deeper")));
}

TEST(DoubtsAbout, StandardisedWeightsInAPlainBackboneAreToldByTheirCause) {
  EXPECT_THAT(
      doubts({"backbone.body.conv1.weight"}, {},
             {"backbone.body.conv1.weight_gamma", "backbone.body.conv1.weight_beta"}),
      AllOf(HasSubstr("conv1 of the backbone: 2 of 3 tensors"), HasSubstr("see model.backbone.conv")));
}

TEST(DoubtsAbout, WhatWasMadeOfOtherWeightsIsNotMissing) {
  const std::string conv = "backbone.body.layer2.0.conv2.";
  LoadReport report{.loaded = {conv + "weight"},
                    .fresh = {conv + "switch.bias", conv + "switch.weight"},
                    .derived = {conv + "weight_beta", conv + "weight_gamma"},
                    .unused = {}};
  EXPECT_EQ(doubts_about(report, Skeleton()), "");
  report.derived.clear();
  EXPECT_THAT(doubts_about(report, Skeleton()), HasSubstr("layer2 of the backbone: 2 of 3 tensors"));
}

/// One layer under two names.
struct Shared : torch::nn::Module {
  Shared() {
    register_module("b", layer);
    register_module("a", layer);
  }
  torch::nn::Linear layer{2, 1};
};

TEST(SharedModules, ATensorUnderTwoNamesIsOne) {
  Shared module;
  const auto state = state_of(module);
  EXPECT_EQ(state.size(), 2);
  EXPECT_TRUE(state.contains("b.weight"));  // the first that was registered
  const auto ones = torch::ones({1, 2}), bias = torch::zeros({1});
  // As Python has it, under both names, and under either.
  for (const TensorMap& tensors :
       {TensorMap{{"a.weight", ones}, {"a.bias", bias}, {"b.weight", ones}, {"b.bias", bias}},
        {{"a.weight", ones * 2}, {"b.bias", bias}}}) {
    load_state(module, tensors, "f");
    EXPECT_TRUE(at::equal(module.layer->weight, tensors.at("a.weight")));
  }
  EXPECT_EQ(message_of<WeightsError>([&] {
              load_state(module, {{"a.weight", ones}, {"b.weight", ones * 2}, {"a.bias", bias}}, "f");
            }),
            "f: a.weight and b.weight are one tensor of the model, and are not equal in the file");
}

TEST(Summarize, CountsTheNamesOfEachModule) {
  EXPECT_EQ(counted_parts({"backbone.body.layer1.0.conv1.weight", "backbone.body.layer1.1.bn1.bias",
                           "rpn.head.conv.bias", "rpn.head.conv.weight", "fc"}),
            "backbone.body.layer1 (2), fc (1), rpn.head.conv (2)");
  EXPECT_EQ(counted_parts({}), "");
}

TEST(Weights, ValuesThatAreNotFiniteAreNamedAndNothingIsChanged) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                  kInf = std::numeric_limits<float>::infinity();
  const auto module = skeleton();
  auto tensors = state_of(*module);
  for (auto& [name, tensor] : tensors) tensor = at::ones_like(tensor);
  tensors["rpn.head.conv.weight"] = torch::tensor({1.f, kNan, -kInf});
  tensors["backbone.body.conv1.weight"] = torch::tensor({1e39, 2., -1e300, 3.}, at::kDouble);
  tensors["roi_heads.box_head.fc6.weight"] = torch::tensor({1.f, kInf, -kInf, 2.f, 3.f}).to(at::kHalf);
  const std::string expected =
      "f.pth: has values that are no finite numbers: backbone.body.conv1.weight (2 of 4 beyond float32's "
      "range), "
      "roi_heads.box_head.fc6.weight (2 of 5 NaN or infinite), rpn.head.conv.weight (2 of 3 NaN or "
      "infinite); "
      "they are of a training that diverged, or damaged: take earlier ones";
  EXPECT_EQ(message_of<WeightsError>([&] { load_state(*module, tensors, "f.pth"); }), expected);
  EXPECT_EQ(message_of<WeightsError>([&] { load_initial(*module, tensors, "f.pth"); }), expected);
  for (const auto& [name, tensor] : state_of(*module)) EXPECT_EQ(tensor.count_nonzero().item<int64_t>(), 0);
  // What is not taken does not count.
  const std::vector<std::string> only{"roi_heads.box_head.fc7.*"};
  EXPECT_EQ(load_initial(*module, tensors, "f.pth", only).loaded.size(), 1u);
}

TEST(Weights, LargeOnesAreFinite) {
  // Their sum is not.
  EXPECT_NO_THROW(check_finite({{"a", at::full({100}, 3e38F)}, {"b", at::full({100}, 6e4, at::kHalf)}}, "f"));
  EXPECT_NO_THROW(
      check_finite({{"n", at::full({2}, 1'000'000'007, at::kLong)}, {"none", at::empty({0})}}, "f"));
  nn::TensorMap many;
  for (int i = 0; i < 11; ++i) many.emplace(fmt::format("t{:02}", i), at::full({2}, NAN));
  EXPECT_THAT(message_of<WeightsError>([&] { check_finite(many, "f"); }),
              HasSubstr("t07 (2 of 2 NaN or infinite) and 3 more; they are of"));
}

}  // namespace
}  // namespace rcnn::nn
