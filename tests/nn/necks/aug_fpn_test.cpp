#include <rcnn/nn/necks/aug_fpn.h>
#include <rcnn/nn/necks/fpn.h>

#include "tests/nn/necks/oracle.h"
#include "tests/support/message_of.h"
#include "tests/support/names.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

constexpr const char* kAugFpnFixture = "aug_fpn.json";

/// Gives maps, whatever the images.
class GivenMaps : public BackboneImpl {
 public:
  explicit GivenMaps(std::vector<at::Tensor> maps) : maps_(std::move(maps)) {}
  std::vector<at::Tensor> forward(const at::Tensor&) override { return maps_; }
  std::vector<FeatureSpec> features() const override { return {}; }

 private:
  std::vector<at::Tensor> maps_;
};

std::shared_ptr<AugFpnImpl> aug_fpn(const std::string& rest, const std::vector<FeatureSpec>& features) {
  return std::dynamic_pointer_cast<AugFpnImpl>(make_neck(R"({"type": "aug_fpn")" + rest + "}", features));
}

/// Those of the state whose names begin with this.
void fill_layers(torch::nn::Module& module, const std::string& prefix, double value) {
  const torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : state_of(module)) {
    if (name.starts_with(prefix)) at::Tensor(tensor).fill_(value);
  }
}

TEST(AugFpn, HasFpnsParametersAndThoseOfTheAugmentation) {
  const auto features = backbone_maps({256, 512, 1024, 2048});
  int64_t count = 0;
  for (const auto& parameter : AugFpnImpl(features, {}).parameters()) count += parameter.numel();
  EXPECT_EQ(count, 3'344'384 + 3 * (2048 * 256 + 256) + (768 * 256 + 256) + (9 * 256 * 3 + 3));
  auto shapes = shapes_of(AugFpnImpl(features, {}));
  for (const auto& [name, shape] : shapes_of(FpnImpl(features, {}))) {
    EXPECT_EQ(shapes.at(name), shape) << name;
    shapes.erase(name);
  }
  EXPECT_EQ(shapes, (Shapes{{"high_lateral_conv.0.weight", {256, 2048, 1, 1}},
                            {"high_lateral_conv.0.bias", {256}},
                            {"high_lateral_conv.1.weight", {256, 2048, 1, 1}},
                            {"high_lateral_conv.1.bias", {256}},
                            {"high_lateral_conv.2.weight", {256, 2048, 1, 1}},
                            {"high_lateral_conv.2.bias", {256}},
                            {"high_lateral_conv_attention.0.weight", {256, 768, 1, 1}},
                            {"high_lateral_conv_attention.0.bias", {256}},
                            {"high_lateral_conv_attention.2.weight", {3, 256, 3, 3}},
                            {"high_lateral_conv_attention.2.bias", {3}}}));
}

TEST(AugFpn, IsWhatTorchvisionsPiecesMake) {
  for (const char* key : {"coarse", "four_levels", "norms"}) expect_golden(key, kAugFpnFixture);
}

TEST(AugFpn, GivesItsRawLateralsToATraining) {
  for (const char* key : {"coarse", "four_levels"}) {
    SCOPED_TRACE(key);
    const auto want = golden(kAugFpnFixture).at("cases").at(key);
    const auto channels = want.at("channels").get<std::vector<int64_t>>();
    const auto neck = make_neck(want.at("config").dump(), backbone_maps(channels));
    neck->to(at::kDouble);
    fill_neck(*neck);
    const auto maps = oracle_maps(channels, want.at("sizes").get<std::vector<std::vector<int64_t>>>());
    GivenMaps body(maps);
    const auto [outputs, laterals] = neck->extract({}, body);
    ASSERT_EQ(laterals.size(), channels.size());
    ASSERT_EQ(neck->laterals().size(), channels.size());
    for (size_t i = 0; i < laterals.size(); ++i) {
      expect_summary(laterals[i], want.at("laterals").at(i), fmt::format("lateral {}", i));
    }
    neck->eval();
    const auto inferred = neck->extract({}, body);
    EXPECT_TRUE(inferred.laterals.empty()) << "who detects has no use for them";
    for (size_t i = 0; i < outputs.size(); ++i) EXPECT_TRUE(identical(inferred.maps[i], outputs[i])) << i;
  }
}

TEST(AugFpn, NamesItsLaterals) {
  const auto laterals = aug_fpn(R"(, "channels": 8)", backbone_maps({2, 3, 4, 5}))->laterals();
  ASSERT_EQ(laterals.size(), 4u);
  EXPECT_EQ(laterals[0].name, "m2");
  EXPECT_EQ(laterals[3].name, "m5");
  EXPECT_EQ(laterals[3].stride, 32);
  EXPECT_EQ(laterals[3].channels, 8);
}

TEST(AugFpn, PoolsToSharesOfTheSize) {
  std::vector<std::vector<int64_t>> sizes;
  for (const double ratio : {0.1, 0.2, 0.3})
    sizes.push_back({pooled_side(25, ratio), pooled_side(42, ratio)});
  EXPECT_EQ(sizes, (std::vector<std::vector<int64_t>>{{2, 4}, {5, 8}, {7, 12}}));
  EXPECT_EQ(sizes, golden(kAugFpnFixture).at("cases").at("coarse").at("pooled").get<decltype(sizes)>());
}

TEST(AugFpn, NoRatioIsCutOffByItsRounding) {
  EXPECT_EQ(pooled_side(10, 0.3), 3);
  EXPECT_EQ(pooled_side(100, 0.29), 29) << "0.29 * 100 is less than 29 in binary";
  EXPECT_EQ(pooled_side(1, 0.1), 1) << "one cell at least";
  for (int64_t percent = 1; percent <= 100; ++percent) {
    const double ratio = std::stod(fmt::format("{}e-2", percent));
    for (int64_t side = 1; side <= 1000; ++side) {
      ASSERT_EQ(pooled_side(side, ratio), std::max<int64_t>(1, side * percent / 100)) << side << " " << ratio;
      // The authors' ratios are as good in their code.
      if (percent % 10 == 0 && percent <= 30) {
        ASSERT_EQ(pooled_side(side, ratio),
                  std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(side) * ratio)));
      }
    }
  }
}

TEST(AugFpn, WithoutTheLastFusionConvolutionM6IsHalfOfTheSum) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(3);
  const auto neck = aug_fpn(R"(, "channels": 6)", backbone_maps({3, 5}));
  neck->to(at::kDouble);
  fill_layers(*neck, "high_lateral_conv_attention.2.", 0);
  const auto state = state_of(*neck);
  const auto c5 = at::randn({2, 5, 25, 42}, at::kDouble);
  at::Tensor sum = at::zeros({2, 6, 25, 42}, at::kDouble);
  const std::vector<std::vector<int64_t>> sizes = {{2, 4}, {5, 8}, {7, 12}};
  for (size_t i = 0; i < 3; ++i) {
    const auto name = fmt::format("high_lateral_conv.{}.", i);
    const auto pooled =
        at::conv2d(at::adaptive_avg_pool2d(c5, sizes[i]), state.at(name + "weight"), state.at(name + "bias"));
    sum = sum + at::upsample_bilinear2d(pooled, {25, 42}, /*align_corners=*/true);
  }
  EXPECT_TRUE(close(neck->augmentation(c5), sum / 2, 1e-12, 1e-12));
}

TEST(AugFpn, WithoutM6IsFpn) {
  const torch::NoGradGuard no_grad;
  const auto features = backbone_maps({2, 3, 4, 5});
  const auto fpn = make_neck(R"({"type": "fpn", "channels": 6})", features);
  const auto neck = aug_fpn(R"(, "channels": 6)", features);
  fill_neck(*fpn);
  auto state = state_of(*neck);
  for (const auto& [name, tensor] : state_of(*fpn)) state.at(name).copy_(tensor);
  std::vector<at::Tensor> maps;
  for (const auto& map : maps_of(features, 256, 160)) maps.push_back(map.to(at::kFloat));
  const auto with_m6 = neck->forward(maps);
  fill_layers(*neck, "high_lateral_conv.", 0);
  const auto want = fpn->forward(maps), got = neck->forward(maps);
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_TRUE(identical(got[i], want[i])) << i;
    EXPECT_FALSE(at::equal(with_m6[i], want[i])) << i << ": M6 comes down to every level";
  }
}

TEST(AugFpn, HoldsWhatEveryNeckHolds) {
  for (const char* rest :
       {R"("channels": 6)", R"("channels": 6, "norm": "batch", "extra_levels": {"count": 2})",
        R"("channels": 6, "norm": "group", "norm_groups": 2, "ratios": [0.4])",
        R"("channels": 6, "extra_levels": {"type": "conv", "source": "lateral"})"}) {
    expect_of_every_neck(fmt::format(R"({{"type": "aug_fpn", {}}})", rest), backbone_maps({2, 3, 4, 5}));
  }
}

TEST(AugFpn, BeginsXavierUniform) {
  torch::manual_seed(4);
  const auto state = state_of(AugFpnImpl(backbone_maps({64, 128}), {.fpn = {.channels = 64}}));
  for (const auto& [name, fans] : {std::pair{"inner_blocks.1.0.weight", 128 + 64},
                                   {"layer_blocks.0.0.weight", 9 * (64 + 64)},
                                   {"high_lateral_conv.2.weight", 128 + 64},
                                   {"high_lateral_conv_attention.0.weight", 192 + 64}}) {
    const auto bound = std::sqrt(6.0 / fans);
    const auto largest = state.at(name).abs().max().item<double>();
    EXPECT_LE(largest, bound) << name;
    EXPECT_GT(largest, 0.95 * bound) << name;
  }
}

TEST(AugFpn, AWrongConfigNamesTheKey) {
  const auto message = [](const std::string& rest, const std::vector<FeatureSpec>& features) {
    return message_of<ConfigError>([&] { aug_fpn(rest, features); });
  };
  const auto four = backbone_maps({2, 3, 4, 5});
  EXPECT_EQ(message("", {four[0], four[2]}),
            "f.json: type: aug_fpn needs maps each of which has twice the stride of the one before, and "
            "model.backbone gives 2 of strides 4, 16: see its levels and c5_dilation");
  for (const auto& [rest, part] : std::vector<std::pair<const char*, const char*>>{
           {R"(, "ratios": [])", "f.json: ratios: must be one number at least"},
           {R"(, "ratios": [0.1, 0])", "f.json: ratios"},
           {R"(, "ratios": [1.5])", "f.json: ratios"},
           {R"(, "ratio": 0.1)", "f.json: ratio: "},
           {R"(, "norm": "layer")", "f.json: norm"}}) {
    EXPECT_NE(message(rest, four).find(part), std::string::npos) << message(rest, four);
  }
}

}  // namespace
}  // namespace rcnn::nn
