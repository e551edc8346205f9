#include <rcnn/nn/backbones/resnet.h>
#include <rcnn/nn/necks/rfp.h>

#include "tests/nn/necks/oracle.h"
#include "tests/support/message_of.h"
#include "tests/support/names.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

std::shared_ptr<FeatureExtractorImpl> extractor_of(const std::string& json) {
  return make_feature_extractor(config::Config::parse(json, "f.json").root());
}

std::string small(const std::string& neck, const std::string& conv = "plain", int64_t depth = 18) {
  return fmt::format(R"({{"backbone": {{"type": "resnet{}", "width": 4, "conv": "{}", "frozen_stages": 0,
    "levels": ["c2", "c3", "c4", "c5"]}}, "neck": {{{}}}}})",
                     depth, conv, neck);
}

TEST(Rfp, BackboneAndPyramidAreMmdetections) {
  const auto cases = golden("detectors.json").at("cases");
  for (const auto& [key, want] : cases.items()) {
    SCOPED_TRACE(key);
    const auto extractor = extractor_of(want.at("config").dump());
    extractor->to(at::kDouble);
    fill_neck(*extractor);
    int64_t count = 0;
    for (const auto& parameter : extractor->parameters()) count += parameter.numel();
    EXPECT_EQ(count, want.at("parameters").get<int64_t>());
    const auto images =
        noise_tensor({2, 3, want.at("size").at(0), want.at("size").at(1)}, 1000).requires_grad_();
    const auto maps = extractor->forward(images).maps;
    ASSERT_EQ(maps.size(), want.at("outputs").size());
    auto sum = at::zeros({}, at::kDouble);
    for (size_t i = 0; i < maps.size(); ++i) {
      EXPECT_EQ(maps[i].sizes().vec(), want.at("shapes").at(i).get<std::vector<int64_t>>());
      expect_summary(maps[i], want.at("outputs").at(i), fmt::format("map {}", i));
      sum = sum + maps[i].flatten().dot(cosines(maps[i].numel()));
    }
    sum.backward();
    expect_summary(images.grad(), want.at("input_gradient"), "gradient of the images");
    EXPECT_EQ(extractor->named_parameters().size(), want.at("gradients").size());
    for (const auto& parameter : extractor->named_parameters()) {
      ASSERT_TRUE(want.at("gradients").contains(parameter.key())) << parameter.key();
      expect_summary(parameter.value().grad(), want.at("gradients").at(parameter.key()), parameter.key());
    }
  }
}

TEST(Rfp, NamesAndShapesAreMmdetections) {
  const auto extractor = extractor_of(R"({"backbone": {"type": "resnet50", "conv": "deformable_sac",
    "levels": ["c2", "c3", "c4", "c5"]}, "neck": {"type": "rfp"}})");
  std::map<std::string, std::vector<int64_t>> want;
  const auto names = golden("detectors.json").at("names");
  for (const auto& [name, shape] : names.items()) {
    want.emplace(name, shape.get<std::vector<int64_t>>());
  }
  EXPECT_EQ(shapes_of(*extractor), want);
}

TEST(Rfp, WithWeightsOfOneBackboneItIsFpnAtFirst) {
  const torch::NoGradGuard no_grad;
  for (const char* conv : {"plain", "sac", "deformable_sac"}) {
    for (const char* rest : {R"("steps": 2)", R"("steps": 4)", R"("shared": true)"}) {
      SCOPED_TRACE(fmt::format("{} {}", conv, rest));
      torch::manual_seed(6);
      const auto body =
          make_resnet(18, config::Config::parse(R"({"width": 4, "levels": ["c5"]})", "").root());
      const auto fpn = extractor_of(small(R"("type": "fpn", "channels": 8)", conv));
      const auto rfp = extractor_of(small(fmt::format(R"("type": "rfp", "channels": 8, {})", rest), conv));
      TensorMap weights;
      for (const auto& [name, tensor] : state_of(*body)) weights.emplace("body." + name, tensor);
      load_initial(*fpn, weights, "imagenet");
      const auto report = load_initial(*rfp, weights, "imagenet");
      EXPECT_EQ(report.loaded.size(), weights.size());
      for (const auto& name : report.fresh) {
        EXPECT_TRUE(name.starts_with("rfp.inner") || name.starts_with("rfp.layer") ||
                    name.starts_with("rfp.rfp_aspp") || name.starts_with("rfp.rfp_weight") ||
                    name.find("rfp_conv") != std::string::npos || std::string(conv) != "plain")
            << name;
      }
      TensorMap pyramid;
      for (const auto& [name, tensor] : state_of(*fpn)) {
        if (name.starts_with("fpn.")) pyramid.emplace("rfp." + name.substr(4), tensor);
      }
      load_initial(*rfp, pyramid, "fpn");
      const auto images = at::rand({1, 3, 96, 128});
      const auto want = fpn->forward(images).maps, maps = rfp->forward(images).maps;
      ASSERT_EQ(maps.size(), want.size());
      for (size_t i = 0; i < maps.size(); ++i) EXPECT_TRUE(close(maps[i], want[i], 1e-5)) << i;
      EXPECT_EQ(state_of(*rfp).contains("rfp.rfp_modules.0.conv1.weight"),
                std::string(rest) != R"("shared": true)");
    }
  }
}

TEST(Rfp, AFileWithAFurtherBackboneIsBelieved) {
  torch::manual_seed(7);
  const auto source = extractor_of(small(R"("type": "rfp", "channels": 8)"));
  const auto made = extractor_of(small(R"("type": "rfp", "channels": 8)"));
  auto weights = state_of(*source);
  weights.erase("rfp.rfp_modules.0.layer1.0.conv1.weight");
  const auto report = load_initial(*made, weights, "damaged");
  EXPECT_TRUE(report.derived.empty());
  EXPECT_EQ(report.fresh, (std::vector<std::string>{"rfp.rfp_modules.0.layer1.0.conv1.weight"}));
}

TEST(Rfp, PatternsThatTakeTheBackboneFillTheFurtherOnesToo) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(7);
  const auto source = extractor_of(small(R"("type": "fpn", "channels": 8)"));
  const auto made = extractor_of(small(R"("type": "rfp", "channels": 8)"));
  for (auto& parameter : made->parameters()) parameter.add_(1);
  const std::vector<std::string> only = {"body.*"};
  load_initial(*made, state_of(*source), "fpn", only);
  const auto first = shapes_of(*made, "body.");
  const auto state = state_of(*made);
  for (const auto& [name, shape] : first) {
    EXPECT_TRUE(identical(state.at("rfp.rfp_modules.0." + name), state.at("body." + name))) << name;
  }
  for (const auto* zero : {"rfp.rfp_modules.0.layer2.0.rfp_conv.weight", "rfp.rfp_weight.bias"}) {
    EXPECT_EQ(state.at(zero).abs().max().item<float>(), 0) << zero;
  }
}

TEST(Rfp, WrongArgumentsAreNamed) {
  const auto body =
      make_resnet(18, config::Config::parse(R"({"width": 4, "levels": ["c3", "c4"]})", "").root());
  const NeckInputs inputs{.features = body->features(), .body = body, .another_body = [] {
                            return make_resnet(18, config::Config::parse(R"({"width": 4})", "").root());
                          }};
  const FpnOptions narrow{.channels = 8};
  EXPECT_NE(error_of([&] { RfpImpl(inputs, {.steps = 1, .fpn = narrow}); }).find("2 steps at least"),
            std::string::npos);
  EXPECT_NE(error_of([&] { RfpImpl(inputs, {.fpn = {.channels = 6}}); }).find("multiple of 4, got 2 and 6"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              RfpImpl({.features = body->features(), .body = body}, {.fpn = narrow});
            }).find("another_body"),
            std::string::npos);
}

TEST(Rfp, EverythingLearnsOnceItsZerosHaveMoved) {
  for (const char* rest :
       {R"("shared": true)", R"("extra_levels": {"type": "conv"}, "norm": "group", "norm_groups": 2)"}) {
    const auto extractor =
        extractor_of(small(fmt::format(R"("type": "rfp", "channels": 8, {})", rest), "deformable_sac"));
    {
      const torch::NoGradGuard no_grad;
      torch::manual_seed(8);
      for (auto& parameter : extractor->parameters()) parameter.add_(0.05 * at::randn_like(parameter));
    }
    at::Tensor sum = at::zeros({});
    for (const auto& map : extractor->forward(at::rand({2, 3, 128, 128})).maps)
      sum = sum + map.square().sum();
    sum.backward();
    for (const auto& parameter : extractor->named_parameters()) {
      EXPECT_TRUE(parameter.value().grad().defined()) << parameter.key();
    }
  }
}

TEST(Rfp, FusedItComputesTheSameAndInBfloat16NearlySo) {
  const torch::NoGradGuard no_grad;
  for (const char* conv : {"plain", "aws", "sac", "deformable_sac"}) {
    SCOPED_TRACE(conv);
    const auto json = small(R"("type": "rfp", "channels": 8)", conv);
    const auto exact = extractor_of(json), rounded = extractor_of(json);
    const auto fuse = [](torch::nn::Module& module, Precision precision) {
      for (const auto& part : module.modules()) {
        if (auto* fusible = dynamic_cast<Fusible*>(part.get())) fusible->fuse(precision);
      }
    };
    torch::manual_seed(9);
    exact->to(at::kDouble);
    for (auto& parameter : exact->parameters()) parameter.add_(0.02 * at::randn_like(parameter));
    load_state(*rounded, state_of(*exact), "exact");
    const auto images = noise_tensor({1, 3, 96, 128}, 3).contiguous(at::MemoryFormat::ChannelsLast);
    const auto want = exact->forward(images).maps;
    for (const auto& map : want) EXPECT_TRUE(map.is_contiguous(at::MemoryFormat::ChannelsLast));
    fuse(*exact, Precision::fp32);
    const auto fused = exact->forward(images).maps;
    rounded->to(at::kFloat);
    fuse(*rounded, Precision::bf16);
    const Autocast autocast(at::kCPU, Precision::bf16);
    const auto in_bfloat16 = rounded->forward(images.to(at::kFloat)).maps;
    for (size_t i = 0; i < want.size(); ++i) {
      const double norm = want[i].norm().item<double>();
      EXPECT_LT((fused[i] - want[i]).norm().item<double>(), 1e-10 * norm) << i;
      EXPECT_EQ(in_bfloat16[i].scalar_type(), at::kBFloat16) << i;
      // 8 bits, through two backbones and two pyramids in a row.
      EXPECT_LT((in_bfloat16[i] - want[i]).norm().item<double>(), 0.2 * norm) << i;
    }
  }
}

TEST(Rfp, AWrongConfigNamesTheKey) {
  const auto message = [](const std::string& json) {
    return message_of<ConfigError>([&] { extractor_of(json); });
  };
  EXPECT_EQ(
      message(R"({"backbone": {"type": "vgg16"}, "neck": {"type": "rfp"}})"),
      "f.json: neck.type: rfp needs a backbone that takes feedback: a resnet with one of the levels c3, c4 "
      "and c5");
  EXPECT_NE(message(R"({"backbone": {"type": "resnet18", "levels": ["c2"]}, "neck": {"type": "rfp"}})")
                .find("f.json: neck.type: rfp needs a backbone that takes feedback"),
            std::string::npos);
  EXPECT_EQ(message(small(R"("type": "rfp", "channels": 6)")),
            "f.json: neck.channels: must be a multiple of 4, the branches of ASPP: got 6");
  EXPECT_NE(message(small(R"("type": "rfp", "steps": 1)")).find("f.json: neck.steps"), std::string::npos);
  EXPECT_NE(message(small(R"("type": "rfp", "share": true)")).find("f.json: neck.share"), std::string::npos);
}

}  // namespace
}  // namespace rcnn::nn
