#include <cmath>

#include <rcnn/nn/necks/bifpn.h>

#include "tests/nn/necks/oracle.h"
#include "tests/support/message_of.h"
#include "tests/support/names.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

TEST(Bifpn, IsEffdets) {
  for (const char* key : {"bifpn", "bifpn_plain", "bifpn_from_p2"}) expect_golden(key);
}

TEST(Bifpn, HoldsWhatEveryNeckHolds) {
  const auto three = backbone_maps({4, 6, 10});
  expect_of_every_neck(R"({"type": "bifpn", "channels": 8})", three);
  expect_of_every_neck(R"({"type": "bifpn", "channels": 8, "conv": "plain", "norm": "group", "norm_groups": 4,
                           "fusion": "sum", "extra_levels": {"count": 0}})",
                       three);
  expect_of_every_neck(R"({"type": "bifpn", "channels": 6, "repeats": 1, "norm": "frozen",
                           "extra_levels": {"count": 3}})",
                       backbone_maps({3, 4, 6, 10}));
}

TEST(Bifpn, ARepeatHasThePublishedNumberOfParameters) {
  const auto neck = make_neck(R"({"type": "bifpn"})", backbone_maps({40, 112, 320}));
  std::map<char, int64_t> counts;
  for (const auto& parameter : neck->named_parameters()) {
    counts[parameter.key().front()] += parameter.value().numel();
  }
  const int64_t laterals = (40 + 2 * 112 + 3 * 320) * 64 + 6 * 3 * 64;
  EXPECT_EQ(counts, (std::map<char, int64_t>{{'0', 38'931 + laterals}, {'1', 38'931}, {'2', 38'931}}));
}

TEST(Bifpn, SaysWhatItGives) {
  const auto neck = make_neck(R"({"type": "bifpn", "channels": 16})", backbone_maps({4, 6, 10}));
  const auto features = neck->features();
  ASSERT_EQ(features.size(), 5u);
  EXPECT_EQ(features.front().name, "p3");
  EXPECT_EQ(features.back().name, "p7");
  EXPECT_EQ(features.back().stride, 128);
  for (const auto& feature : features) EXPECT_TRUE(feature.channels == 16 && feature.for_rois);
  EXPECT_EQ(neck->size_divisor(), 128);
  const auto fewer = make_neck(R"({"type": "bifpn", "roi_levels": 3})", backbone_maps({4, 6, 10}));
  EXPECT_EQ(for_rois(fewer->features(), fewer->features()).size(), 3u);
  EXPECT_EQ(fewer->size_divisor(), 128) << "levels halve up to the last, which RoIs do not see";
}

/// One channel and one repeat, every convolution and norm the identity.
std::shared_ptr<NeckImpl> identities(const std::string& rest = "") {
  const torch::NoGradGuard no_grad;
  const auto neck = make_neck(R"({"type": "bifpn", "channels": 1, "repeats": 1, "norm": "none")" + rest + "}",
                              backbone_maps({1, 1, 1}));
  for (const auto& [name, tensor] : state_of(*neck)) {
    if (tensor.dim() < 4) continue;  // biases are 0, weights of edges 1
    const auto middle = tensor.size(2) / 2;
    at::Tensor(tensor).zero_().select(3, middle).select(2, middle).fill_(1);
  }
  neck->to(at::kDouble);
  return neck;
}

std::vector<double> of_constants(NeckImpl& neck, const std::vector<double>& constants) {
  const torch::NoGradGuard no_grad;
  std::vector<at::Tensor> maps;
  for (size_t i = 0; i < constants.size(); ++i) {
    maps.push_back(at::full({1, 1, 16 >> i, 16 >> i}, constants[i], at::kDouble));
  }
  std::vector<double> values;
  for (const auto& output : neck.forward(maps)) {
    EXPECT_EQ(output.min().item<double>(), output.max().item<double>());
    values.push_back(output.max().item<double>());
  }
  return values;
}

double swish(double x) {
  return x / (1 + std::exp(-x));
}

void expect_near(const std::vector<double>& got, const std::vector<double>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-12) << i;
}

// The table of the paper's section 3.3, with the swish before each convolution. p6 and p7 come of c5.
TEST(Bifpn, OfConstantsIsWhatPaperAndPencilSay) {
  const double c3 = 1, c4 = 2, c5 = 3, two = 1 / (2 + 1e-4), three = 1 / (3 + 1e-4);
  const double p6 = swish(two * (c5 + c5)), p5 = swish(two * (c5 + p6)), p4 = swish(two * (c4 + p5));
  const double out3 = swish(two * (c3 + p4)), out4 = swish(three * (c4 + p4 + out3)),
               out5 = swish(three * (c5 + p5 + out4)), out6 = swish(three * (c5 + p6 + out5)),
               out7 = swish(two * (c5 + out6));
  expect_near(of_constants(*identities(), {c3, c4, c5}), {out3, out4, out5, out6, out7});
}

TEST(Bifpn, WeightsAreSharesAndNegativeOnesNone) {
  const auto set = [](NeckImpl& neck, const char* name, const std::vector<double>& values) {
    const torch::NoGradGuard no_grad;
    neck.named_parameters()[name].copy_(torch::tensor(values, at::kDouble));
  };
  const auto neck = identities();
  set(*neck, "0.p3_w1", {1, 0});
  EXPECT_NEAR(of_constants(*neck, {1, 2, 3})[0], swish(1 / (1 + 1e-4)), 1e-12);
  set(*neck, "0.p3_w1", {-5, 2});
  const auto without = of_constants(*neck, {1, 2, 3})[0], other = of_constants(*neck, {7, 2, 3})[0];
  EXPECT_EQ(without, other) << "p3's own map does not count";
  set(*neck, "0.p3_w1", {3, 2});
  EXPECT_NE(of_constants(*neck, {1, 2, 3})[0], of_constants(*neck, {7, 2, 3})[0]);

  set(*neck, "0.p3_w1", {-5, 2});
  std::vector<at::Tensor> maps;
  for (int i = 0; i < 3; ++i) maps.push_back(at::ones({1, 1, 16 >> i, 16 >> i}, at::kDouble));
  neck->forward(maps)[0].sum().backward();
  const auto gradient = neck->named_parameters()["0.p3_w1"].grad();
  EXPECT_EQ(gradient[0].item<double>(), 0);
  EXPECT_NE(gradient[1].item<double>(), 0);
}

TEST(Bifpn, PlainSumsHaveNoWeights) {
  const auto neck = identities(R"(, "fusion": "sum")");
  for (const auto& parameter : neck->named_parameters()) {
    EXPECT_EQ(parameter.key().find("_w"), std::string::npos) << parameter.key();
  }
  const double p6 = swish(6), p5 = swish(3 + p6), p4 = swish(2 + p5), p3 = swish(1 + p4);
  EXPECT_NEAR(of_constants(*neck, {1, 2, 3})[0], p3, 1e-12);
}

TEST(Bifpn, NamesAreMmdetections) {
  const auto shapes = shapes_of(*make_neck(R"({"type": "bifpn"})", backbone_maps({40, 112, 320})));
  using Shape = std::vector<int64_t>;
  for (const auto& [name, shape] :
       std::vector<std::pair<const char*, Shape>>{{"0.p3_down_channel.down_conv.weight", {64, 40, 1, 1}},
                                                  {"0.p5_down_channel.down_conv.bias", {64}},
                                                  {"0.p4_level_connection.bn.running_mean", {64}},
                                                  {"0.p5_level_connection.down_conv.weight", {64, 320, 1, 1}},
                                                  {"0.p5_to_p6.0.down_conv.weight", {64, 320, 1, 1}},
                                                  {"0.p5_to_p6.0.bn.weight", {64}},
                                                  {"2.conv6_up.depthwise_conv.weight", {64, 1, 3, 3}},
                                                  {"2.conv3_up.pointwise_conv.weight", {64, 64, 1, 1}},
                                                  {"1.conv7_down.pointwise_conv.bias", {64}},
                                                  {"1.conv4_down.bn.running_var", {64}},
                                                  {"0.p6_w1", {2}},
                                                  {"0.p4_w2", {3}},
                                                  {"2.p7_w2", {2}}}) {
    ASSERT_TRUE(shapes.contains(name)) << name;
    EXPECT_EQ(shapes.at(name), shape) << name;
  }
  EXPECT_FALSE(shapes.contains("0.p3_level_connection.down_conv.weight"));
  EXPECT_FALSE(shapes.contains("1.p3_down_channel.down_conv.weight"));
}

TEST(Bifpn, AWrongConfigNamesTheKey) {
  const auto message = [](const std::string& rest, const std::vector<FeatureSpec>& features) {
    return message_of<ConfigError>([&] { make_neck(R"({"type": "bifpn")" + rest + "}", features); });
  };
  const auto three = backbone_maps({4, 6, 10});
  EXPECT_NE(message("", {three[0], three[2]}).find("bifpn needs maps each of which has twice the stride"),
            std::string::npos);
  EXPECT_NE(message(R"(, "extra_levels": {"count": 0})", {three[0]}).find("bifpn needs 2 maps at least"),
            std::string::npos);
  EXPECT_NE(message(R"(, "extra_levels": {"type": "conv"})", three).find("f.json: extra_levels.type"),
            std::string::npos);
  EXPECT_NE(message(R"(, "conv": "depthwise")", three).find("f.json: conv"), std::string::npos);
  EXPECT_NE(message(R"(, "fusion": "softmax")", three).find("f.json: fusion"), std::string::npos);
  EXPECT_NE(message(R"(, "repeats": 0)", three).find("f.json: repeats"), std::string::npos);
  EXPECT_NE(message(R"(, "norm": "group", "channels": 88)", three).find("f.json: norm_groups"),
            std::string::npos);
}

}  // namespace
}  // namespace rcnn::nn
