// The backbones' maps are those of torchvision's classification networks, whose weights load as they are.

#include <rcnn/nn/backbones/backbone.h>
#include <rcnn/nn/registry.h>

#include "tests/parity/parity.h"

namespace rcnn::nn {
namespace {

class BackboneParity : public test::Parity<testing::TestWithParam<std::string>> {
 protected:
  void SetUp() override { read(GetParam()); }
};

TEST_P(BackboneParity, MapsAreTheClassifiers) {
  const bool resnet = GetParam().starts_with("resnet");
  const auto config =
      config::Config::parse(fmt::format(R"({{"type": "{}"{}}})", GetParam(),
                                        resnet ? R"(, "levels": ["c2", "c3", "c4", "c5"])" : ""),
                            "test");
  const auto body = backbones().make(config.root());
  // Where a detector has it.
  torch::nn::Module detector;
  detector.register_module("backbone", std::make_shared<torch::nn::Module>())->register_module("body", body);
  const auto report = load_initial(detector, test::parity_weights(GetParam()), GetParam());
  EXPECT_TRUE(report.fresh.empty()) << counted_parts(report.fresh);
  detector.eval();

  const torch::NoGradGuard no_grad;
  const auto compare = [&](at::ScalarType type, at::MemoryFormat format) {
    detector.to(type);
    const auto maps = body->forward(want("images").to(type).contiguous(format));
    const auto features = body->features();
    ASSERT_EQ(maps.size(), features.size());
    for (size_t i = 0; i < maps.size(); ++i) {
      const auto& map = want(features[i].name);
      ASSERT_EQ(maps[i].sizes(), map.sizes()) << features[i].name;
      EXPECT_EQ(map.size(1), features[i].channels);
      // The same method; in float32 rounding does no more than it does to torchvision's maps, up to the order
      // of sums and the algorithms that oneDNN takes for a memory format.
      const auto tolerance =
          type == at::kDouble ? 1e-12 : 10 * test::relative_error(want("float32." + features[i].name), map);
      EXPECT_LE(test::relative_error(maps[i], map), tolerance) << features[i].name << " in " << type;
    }
  };
  compare(at::kFloat, at::MemoryFormat::Contiguous);
  compare(at::kFloat, at::MemoryFormat::ChannelsLast);
  compare(at::kDouble, at::MemoryFormat::Contiguous);
}

INSTANTIATE_TEST_SUITE_P(, BackboneParity,
                         testing::Values("vgg16", "vgg16_bn", "resnet18", "resnet34", "resnet50", "resnet101",
                                         "resnet152"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace rcnn::nn
