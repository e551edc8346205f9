#include <spdlog/fmt/fmt.h>

#include <rcnn/nn/necks/fpn.h>

#include "tests/nn/necks/oracle.h"
#include "tests/support/message_of.h"
#include "tests/support/names.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

const std::vector<FeatureSpec> kResNet50 = {
    {"c2", 256, 4}, {"c3", 512, 8}, {"c4", 1024, 16}, {"c5", 2048, 32}};
const std::vector<FeatureSpec> kSmall = {{"c2", 2, 4}, {"c3", 3, 8}, {"c4", 4, 16}, {"c5", 5, 32}};

TEST(Fpn, HasThePublishedNumberOfParameters) {
  int64_t count = 0;
  for (const auto& parameter : FpnImpl(kResNet50, {}).parameters()) count += parameter.numel();
  EXPECT_EQ(count, 3'344'384);
}

TEST(Fpn, NamesAndShapesAreTorchvisions) {
  EXPECT_EQ(shapes_of(FpnImpl(kResNet50, {})),
            torchvision_shapes("fasterrcnn_resnet50_fpn", "backbone.fpn."));
}

TEST(Fpn, WithNormsHasTorchvisionsNames) {
  for (const auto type : {Norm::frozen, Norm::batch}) {
    auto shapes = shapes_of(FpnImpl(kResNet50, {.norm = {type}}));
    std::erase_if(shapes, [](const auto& entry) { return entry.first.ends_with("num_batches_tracked"); });
    EXPECT_EQ(shapes, torchvision_shapes("fasterrcnn_resnet50_fpn_v2", "backbone.fpn."));
  }
}

TEST(Fpn, SaysWhatItGives) {
  const FpnImpl fpn(kResNet50, {.channels = 64});
  const auto features = fpn.features();
  ASSERT_EQ(features.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(features[i].name, fmt::format("p{}", i + 2));
    EXPECT_EQ(features[i].stride, int64_t{4} << i);
    EXPECT_EQ(features[i].channels, 64);
    EXPECT_EQ(features[i].for_rois, i < 4);
  }
}

TEST(Fpn, TheCoarsestMapReachesTheFinest) {
  torch::manual_seed(1);
  const torch::NoGradGuard no_grad;
  FpnImpl fpn(kSmall, {.channels = 6});
  const auto state = state_of(fpn);
  for (int level = 0; level < 3; ++level) {
    at::Tensor(state.at(fmt::format("inner_blocks.{}.0.weight", level))).zero_();
  }
  std::vector<at::Tensor> maps;
  for (size_t i = 0; i < 4; ++i) maps.push_back(at::randn({2, kSmall[i].channels, 16 >> i, 24 >> i}));
  const auto outputs = fpn.forward(maps);
  const auto top = at::conv2d(maps[3], state.at("inner_blocks.3.0.weight"));
  const auto enlarged = top.repeat_interleave(8, 2).repeat_interleave(8, 3);
  EXPECT_TRUE(close(outputs[0], at::conv2d(enlarged, state.at("layer_blocks.0.0.weight"), {}, 1, 1), 1e-5));
}

TEST(Fpn, AddsLateralsAndSubsamplesTheLast) {
  torch::manual_seed(2);
  const torch::NoGradGuard no_grad;
  FpnImpl fpn({kSmall[2], kSmall[3]}, {.channels = 6});
  for (auto& parameter : fpn.parameters()) parameter.copy_(at::randn_like(parameter));
  const auto state = state_of(fpn);
  const auto conv = [&](const std::string& name, const at::Tensor& x, int64_t padding) {
    return at::conv2d(x, state.at(name + ".0.weight"), state.at(name + ".0.bias"), 1, padding);
  };
  // Not twice as large: the nearest cell is floor(cell * in / out).
  const auto c4 = at::randn({1, 4, 7, 5}), c5 = at::randn({1, 5, 4, 3});
  const auto outputs = fpn.forward({c4, c5});
  const auto m5 = conv("inner_blocks.1", c5, 0);
  const auto row_of = at::floor(at::arange(7) * 4 / 7.0).to(at::kLong);
  const auto column_of = at::floor(at::arange(5) * 3 / 5.0).to(at::kLong);
  const auto m4 = conv("inner_blocks.0", c4, 0) + m5.index_select(2, row_of).index_select(3, column_of);
  ASSERT_EQ(outputs.size(), 3u);
  EXPECT_TRUE(close(outputs[0], conv("layer_blocks.0", m4, 1), 1e-4));
  EXPECT_TRUE(close(outputs[1], conv("layer_blocks.1", m5, 1), 1e-4));
  EXPECT_TRUE(identical(outputs[2], outputs[1].slice(2, 0, at::nullopt, 2).slice(3, 0, at::nullopt, 2)));
}

TEST(Fpn, IsMmdetections) {
  for (const char* key : {"fpn", "fpn_on_input", "fpn_on_lateral", "fpn_on_output"}) expect_golden(key);
}

TEST(Fpn, HoldsWhatEveryNeckHolds) {
  for (const char* rest : {"", R"(, "norm": "batch")",
                           R"(, "norm": "group", "norm_groups": 2, "extra_levels": {"type": "conv"})"}) {
    expect_of_every_neck(fmt::format(R"({{"type": "fpn", "channels": 6{}}})", rest), kSmall);
  }
}

TEST(Fpn, ExtraLevelsDecideWhatIsPaddedTo) {
  const auto divisor = [](const std::string& rest) {
    return make_neck(R"({"type": "fpn", "channels": 6)" + rest + "}", kSmall)->size_divisor();
  };
  EXPECT_EQ(divisor(""), 32);
  EXPECT_EQ(divisor(R"(, "extra_levels": {"count": 0})"), 32);
  EXPECT_EQ(divisor(R"(, "extra_levels": {"count": 3})"), 32) << "cells left out want no multiple";
  EXPECT_EQ(divisor(R"(, "extra_levels": {"type": "conv"})"), 128);
  EXPECT_EQ(divisor(R"(, "extra_levels": {"type": "conv", "count": 1})"), 64);
  EXPECT_EQ(divisor(R"(, "extra_levels": {"count": 2}, "roi_levels": 6)"), 128);
}

TEST(Fpn, RoiLevelsAreTheFinest) {
  const auto pooled = [](const std::string& rest) {
    const auto levels = make_neck(R"({"type": "fpn", "channels": 6)" + rest + "}", kSmall)->features();
    std::string names;
    for (const auto& level : for_rois(levels, levels)) names += level.name;
    return names;
  };
  EXPECT_EQ(pooled(""), "p2p3p4p5");
  EXPECT_EQ(pooled(R"(, "extra_levels": {"type": "conv"})"), "p2p3p4p5");
  EXPECT_EQ(pooled(R"(, "extra_levels": {"type": "conv"}, "roi_levels": 6)"), "p2p3p4p5p6p7");
  EXPECT_EQ(pooled(R"(, "roi_levels": 2)"), "p2p3");
}

TEST(Fpn, ExtraConvolutionsHaveTorchvisionsNames) {
  const auto shapes = shapes_of(
      *make_neck(R"({"type": "fpn", "extra_levels": {"type": "conv", "source": "input"}})", kResNet50));
  EXPECT_EQ(shapes.at("extra_blocks.p6.weight"), (std::vector<int64_t>{256, 2048, 3, 3}));
  EXPECT_EQ(shapes.at("extra_blocks.p7.weight"), (std::vector<int64_t>{256, 256, 3, 3}));
  EXPECT_EQ(shapes.at("extra_blocks.p6.bias"), (std::vector<int64_t>{256}));
}

TEST(Fpn, AWrongConfigNamesTheKey) {
  for (const auto& [rest, part] : std::vector<std::pair<const char*, const char*>>{
           {R"("chanels": 8)", "f.json: chanels"},
           {R"("norm": "layer")", "f.json: norm"},
           {R"("norm": "group", "channels": 48)",
            "f.json: norm_groups: must divide the number of channels: 32 groups of 48"},
           {R"("norm": "batch", "norm_groups": 8)", "f.json: norm_groups"},
           {R"("extra_levels": 2)", "f.json: extra_levels"},
           {R"("extra_levels": {"type": "linear"})", "f.json: extra_levels.type"},
           {R"("extra_levels": {"count": 4})", "f.json: extra_levels.count"},
           {R"("extra_levels": {"source": "input"})", "f.json: extra_levels.source"},
           {R"("extra_levels": {"type": "conv", "source": "c5"})", "f.json: extra_levels.source"},
           {R"("roi_levels": 0)", "f.json: roi_levels"},
           {R"("roi_levels": 6)", "f.json: roi_levels"}}) {
    const auto json = fmt::format(R"({{"type": "fpn", {}}})", rest);
    const auto message = message_of<ConfigError>([&] { make_neck(json, kSmall); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace rcnn::nn
