#include <spdlog/fmt/fmt.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/backbones/vgg.h>

#include "tests/support/message_of.h"
#include "tests/support/names.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

/// Places of the convolutions in torchvision's vgg16.features, stage by stage.
const std::vector<std::vector<int>> kConvs = {{0, 2}, {5, 7}, {10, 12, 14}, {17, 19, 21}, {24, 26, 28}};

std::shared_ptr<BackboneImpl> make_vgg(const std::string& json) {
  return make_vgg16(config::Config::parse(json, "f.json").root());
}

TEST(Vgg, NamesAndShapesAreTorchvisions) {
  EXPECT_EQ(shapes_of(*make_vgg("{}")), torchvision_shapes("vgg16"));
}

TEST(Vgg, WithNormsHasTorchvisionsNames) {
  const auto node = config::Config::parse(R"({"norm": "batch", "frozen_stages": 1})", "f.json").root();
  const auto vgg = make_vgg16_bn(node);
  node.finish();
  auto shapes = shapes_of(*vgg);
  std::erase_if(shapes, [](const auto& entry) { return entry.first.ends_with("num_batches_tracked"); });
  EXPECT_EQ(shapes, torchvision_shapes("vgg16_bn"));
  for (const auto& item : vgg->named_parameters()) {
    const auto name = item.key();
    const bool first = name.starts_with("features.0.") || name.starts_with("features.1.") ||
                       name.starts_with("features.3.") || name.starts_with("features.4.");
    EXPECT_EQ(item.value().requires_grad(), !first) << name;
  }
}

TEST(Vgg, RoundsOddSidesDown) {
  const torch::NoGradGuard no_grad;
  EXPECT_EQ(make_vgg(R"({"width": 1})")->forward(torch::rand({1, 3, 47, 31}))[0].sizes().slice(2),
            (std::vector<int64_t>{2, 1}));
}

TEST(Vgg, RoundsThemUpLikeCaffe) {
  const torch::NoGradGuard no_grad;
  const auto vgg = make_vgg(R"({"width": 1})");
  const auto image = torch::rand({1, 3, 32, 48});
  const auto exact = vgg->forward(image)[0];
  vgg->pool_like_caffe();
  EXPECT_TRUE(identical(vgg->forward(image)[0], exact)) << "nothing to round";
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{33, 49}, {47, 31}, {600, 17}}) {
    EXPECT_EQ(vgg->forward(torch::rand({1, 3, height, width}))[0].sizes().slice(2),
              (std::vector<int64_t>{(height + 15) / 16, (width + 15) / 16}));
  }
}

TEST(Vgg, IsConvolutionsAndFourPoolings) {
  torch::manual_seed(1);
  const torch::NoGradGuard no_grad;
  const auto vgg = make_vgg(R"({"width": 2})");
  const auto state = state_of(*vgg);
  auto x = torch::rand({2, 3, 32, 64});
  const auto maps = vgg->forward(x);
  for (size_t stage = 0; stage < kConvs.size(); ++stage) {
    if (stage > 0) x = at::max_pool2d(x, 2, 2);
    for (const int place : kConvs[stage]) {
      const auto name = fmt::format("features.{}", place);
      x = at::relu(at::conv2d(x, state.at(name + ".weight"), state.at(name + ".bias"), 1, 1));
    }
  }
  ASSERT_EQ(maps.size(), 1u);
  EXPECT_TRUE(close(maps[0], x));
  EXPECT_GT(x.max().item<float>(), 0);
  EXPECT_EQ(maps[0].sizes(), (std::vector<int64_t>{2, vgg->features()[0].channels, 2, 4}));
  EXPECT_EQ(vgg->features()[0].name, "conv5");
  EXPECT_EQ(vgg->features()[0].stride, 16);
}

TEST(Vgg, FreezesTheFirstStages) {
  for (size_t frozen = 0; frozen <= kConvs.size(); ++frozen) {
    const auto vgg = make_vgg(fmt::format(R"({{"width": 1, "frozen_stages": {}}})", frozen));
    const auto parameters = vgg->named_parameters();
    for (size_t stage = 0; stage < kConvs.size(); ++stage) {
      for (const int place : kConvs[stage]) {
        for (const char* part : {".weight", ".bias"}) {
          const auto name = fmt::format("features.{}{}", place, part);
          EXPECT_EQ(parameters[name].requires_grad(), stage >= frozen) << name << " of " << frozen;
        }
      }
    }
  }
}

TEST(Vgg, AWrongConfigNamesTheKey) {
  EXPECT_NE(
      message_of<ConfigError>([] { make_vgg(R"({"frozen_stages": 6})"); }).find("f.json: frozen_stages"),
      std::string::npos);
  EXPECT_NE(message_of<ConfigError>([] { make_vgg(R"({"width": 0})"); }).find("f.json: width"),
            std::string::npos);
}

}  // namespace
}  // namespace rcnn::nn
