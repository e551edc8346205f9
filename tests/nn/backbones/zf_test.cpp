#include <spdlog/fmt/fmt.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/backbones/zf.h>

#include "tests/support/message_of.h"
#include "tests/support/names.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

config::Node zf_node(const std::string& json) {
  return config::Config::parse(json, "f.json").root();
}

// Of the published .caffemodel files.
TEST(Zf, NamesAndShapesAreThePublishedOnes) {
  const Shapes zf = {{"conv1.weight", {96, 3, 7, 7}},    {"conv1.bias", {96}},
                     {"conv2.weight", {256, 96, 5, 5}},  {"conv2.bias", {256}},
                     {"conv3.weight", {384, 256, 3, 3}}, {"conv3.bias", {384}},
                     {"conv4.weight", {384, 384, 3, 3}}, {"conv4.bias", {384}},
                     {"conv5.weight", {256, 384, 3, 3}}, {"conv5.bias", {256}}};
  EXPECT_EQ(shapes_of(*make_zf(zf_node("{}"))), zf);
  const Shapes vgg_m = {{"conv1.weight", {96, 3, 7, 7}},    {"conv1.bias", {96}},
                        {"conv2.weight", {256, 96, 5, 5}},  {"conv2.bias", {256}},
                        {"conv3.weight", {512, 256, 3, 3}}, {"conv3.bias", {512}},
                        {"conv4.weight", {512, 512, 3, 3}}, {"conv4.bias", {512}},
                        {"conv5.weight", {512, 512, 3, 3}}, {"conv5.bias", {512}}};
  EXPECT_EQ(shapes_of(*make_vgg_cnn_m_1024(zf_node("{}"))), vgg_m);
}

TEST(Zf, MapsHaveThePublishedSizes) {
  const torch::NoGradGuard no_grad;
  const auto zf = make_zf(zf_node(R"({"width": 1})")),
             vgg_m = make_vgg_cnn_m_1024(zf_node(R"({"width": 1})"));
  for (const auto& [side, of_zf, of_vgg_m] :
       std::vector<std::array<int64_t, 3>>{{224, 15, 13}, {375, 25, 22}, {600, 39, 36}, {1000, 64, 61}}) {
    const auto image = torch::zeros({1, 3, side, 224});
    EXPECT_EQ(zf->forward(image)[0].sizes().slice(2), (std::vector<int64_t>{of_zf, 15})) << side;
    EXPECT_EQ(vgg_m->forward(image)[0].sizes().slice(2), (std::vector<int64_t>{of_vgg_m, 13})) << side;
  }
}

TEST(Zf, FeaturesAreKnownBeforehand) {
  const auto zf = make_zf(zf_node("{}"))->features(), vgg_m = make_vgg_cnn_m_1024(zf_node("{}"))->features();
  ASSERT_EQ(zf.size(), 1u);
  EXPECT_EQ(zf[0].name, "conv5");
  EXPECT_EQ(zf[0].channels, 256);
  EXPECT_EQ(zf[0].stride, 16);
  EXPECT_EQ(vgg_m[0].channels, 512);
  EXPECT_EQ(make_zf(zf_node(R"({"width": 12})"))->features()[0].channels, 32);
}

TEST(Zf, EveryImageLeavesACell) {
  const torch::NoGradGuard no_grad;
  for (const auto& net :
       {make_zf(zf_node(R"({"width": 2})")), make_vgg_cnn_m_1024(zf_node(R"({"width": 2})"))}) {
    for (const auto& [height, width] :
         std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {24, 300}, {300, 7}}) {
      EXPECT_GT(net->forward(torch::rand({1, 3, height, width}))[0].numel(), 0);
    }
  }
  const auto vgg_m = make_vgg_cnn_m_1024(zf_node(R"({"width": 2})"));
  EXPECT_EQ(vgg_m->forward(torch::rand({1, 3, 25, 25}))[0].size(2), 1);
  // A margin of 0, right and below.
  const auto small = torch::rand({1, 3, 20, 40});
  EXPECT_TRUE(
      identical(vgg_m->forward(small)[0], vgg_m->forward(at::constant_pad_nd(small, {0, 0, 0, 5}))[0]));
}

TEST(Zf, FreezesTheFirstConvolutions) {
  const auto frozen_of = [](const BackboneImpl& net) {
    std::string frozen;
    for (const auto& item : net.named_parameters()) {
      if (!item.value().requires_grad() && item.key().ends_with("weight")) frozen += item.key()[4];
    }
    return frozen;
  };
  EXPECT_EQ(frozen_of(*make_zf(zf_node(R"({"width": 1})"))), "");
  EXPECT_EQ(frozen_of(*make_vgg_cnn_m_1024(zf_node(R"({"width": 1})"))), "1");
  EXPECT_EQ(frozen_of(*make_zf(zf_node(R"({"width": 1, "frozen_stages": 3})"))), "123");
}

TEST(Zf, ComputesTheSameWhenFused) {
  torch::manual_seed(1);
  const torch::NoGradGuard no_grad;
  const auto image = at::randn({1, 3, 90, 70}) * 50;
  for (const auto& net :
       {make_zf(zf_node(R"({"width": 8})")), make_vgg_cnn_m_1024(zf_node(R"({"width": 8})"))}) {
    const auto before = net->forward(image)[0];
    EXPECT_GT(before.abs().max().item<float>(), 0);
    dynamic_cast<Fusible&>(*net).fuse(Precision::fp32);
    EXPECT_TRUE(at::allclose(net->forward(image)[0], before, 1e-4, 1e-5));  // other orders of sums
  }
}

TEST(Zf, AWrongConfigNamesTheKey) {
  EXPECT_NE(message_of<ConfigError>([] {
              make_zf(zf_node(R"({"frozen_stages": 6})"));
            }).find("f.json: frozen_stages"),
            std::string::npos);
  EXPECT_NE(
      message_of<ConfigError>([] { make_vgg_cnn_m_1024(zf_node(R"({"width": 0})")); }).find("f.json: width"),
      std::string::npos);
}

}  // namespace
}  // namespace rcnn::nn
