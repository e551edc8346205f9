#include <spdlog/fmt/fmt.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/layers/conv_norm.h>
#include <rcnn/nn/registry.h>
#include <rcnn/nn/roi/adaptive_head.h>

#include "tests/support/message_of.h"
#include "tests/support/names.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

std::shared_ptr<BoxHeadImpl> adaptive_head(const std::string& rest, size_t grids = 4,
                                           GridSpec grid = {2, 3}) {
  const auto json = R"({"type": "adaptive", "hidden": 6)" + rest + "}";
  return box_heads().make(config::Config::parse(json, "f.json").root(), std::vector(grids, grid));
}

/// A linear layer or a convolution of a state with its bias, rectified.
at::Tensor rectified_layer(const TensorMap& state, const std::string& name, const at::Tensor& x) {
  const auto& weight = state.at(name + ".weight");
  const auto& bias = state.at(name + ".bias");
  return at::relu(weight.dim() == 2 ? at::linear(x.flatten(1), weight, bias)
                                    : at::conv2d(x, weight, bias, 1, 1));
}

std::vector<at::Tensor> random_grids() {
  std::vector<at::Tensor> grids;
  for (int i = 0; i < 4; ++i) grids.push_back(at::randn({5, 2, 3, 3}));
  return grids;
}

TEST(AdaptiveHead, FusesAFirstLayerOfEachGrid) {
  torch::manual_seed(1);
  const torch::NoGradGuard no_grad;
  for (const char* fusion : {"max", "sum"}) {
    const auto head = adaptive_head(fmt::format(R"(, "fusion": "{}")", fusion));
    const auto state = state_of(*head);
    const auto grids = random_grids();
    auto want = rectified_layer(state, "fc6_0", grids[0]);
    for (size_t i = 1; i < 4; ++i) {
      const auto other = rectified_layer(state, fmt::format("fc6_{}", i), grids[i]);
      want = fusion == std::string("max") ? at::max(want, other) : want + other;
    }
    EXPECT_TRUE(close(head->forward(grids), rectified_layer(state, "fc7", want))) << fusion;
    EXPECT_EQ(head->channels(), 6);
    const std::vector<at::Tensor> none(4, torch::zeros({0, 2, 3, 3}));
    EXPECT_EQ(head->forward(none).sizes(), (std::vector<int64_t>{0, 6}));
  }
}

TEST(AdaptiveHead, OfEqualLayersAndGridsIsTheHeadOfOne) {
  torch::manual_seed(2);
  const torch::NoGradGuard no_grad;
  const auto grid = at::randn({5, 2, 3, 3});
  for (const char* fusion : {"max", "sum"}) {
    const auto head = adaptive_head(fmt::format(R"(, "fusion": "{}")", fusion));
    auto state = state_of(*head);
    for (int i = 1; i < 4; ++i) state.at(fmt::format("fc6_{}.weight", i)).copy_(state.at("fc6_0.weight"));
    const auto once = rectified_layer(state, "fc6_0", grid);
    const auto want = rectified_layer(state, "fc7", fusion == std::string("max") ? once : 4 * once);
    EXPECT_TRUE(close(head->forward({grid, grid, grid, grid}), want)) << fusion;
  }
}

TEST(AdaptiveHead, TheGradientOfTheMaximumReachesTheLevelThatHasIt) {
  torch::manual_seed(3);
  const auto head = adaptive_head("");
  std::vector<at::Tensor> grids;
  for (int i = 0; i < 4; ++i) grids.push_back(at::full({1, 2, 3, 3}, i == 2 ? 1.0 : 0.1).requires_grad_());
  {
    const torch::NoGradGuard no_grad;
    for (const auto& [name, tensor] : state_of(*head)) {
      if (tensor.dim() == 2) at::Tensor(tensor).fill_(0.5);
    }
  }
  head->forward(grids).sum().backward();
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(grids[i].grad().abs().max().item<double>() > 0, i == 2) << i;
  }
}

TEST(AdaptiveHead, TheHeavierOneFusesTheFirstConvolution) {
  torch::manual_seed(4);
  const torch::NoGradGuard no_grad;
  const auto head = adaptive_head(R"(, "convs": 4, "channels": 3)");
  const auto state = state_of(*head);
  const auto grids = random_grids();
  auto x = rectified_layer(state, "0.0.0", grids[0]);
  for (size_t i = 1; i < 4; ++i) x = at::max(x, rectified_layer(state, fmt::format("0.{}.0", i), grids[i]));
  for (const char* name : {"1.0", "2.0", "3.0"}) x = rectified_layer(state, name, x);
  const auto want = rectified_layer(state, "5", x);
  EXPECT_TRUE(close(head->forward(grids), want));
  EXPECT_EQ(head->forward(std::vector<at::Tensor>(4, torch::zeros({0, 2, 3, 3}))).sizes(),
            (std::vector<int64_t>{0, 6}));
  dynamic_cast<Fusible&>(*head).fuse(Precision::fp32);
  EXPECT_TRUE(close(head->forward(grids), want, 1e-5)) << "fused for inference";
}

TEST(AdaptiveHead, HasTheAuthorsNorms) {
  torch::manual_seed(5);
  const torch::NoGradGuard no_grad;
  const auto head = adaptive_head(R"(, "norm": "group", "norm_groups": 2)", 2);
  const auto state = state_of(*head);
  const auto normed = [&](const std::string& name, const at::Tensor& x) {
    const auto y = at::linear(x.flatten(1), state.at(name + ".weight"), state.at(name + ".bias"));
    return at::relu(at::group_norm(y, 2, state.at(name + "_norm.weight"), state.at(name + "_norm.bias")));
  };
  const auto grids = random_grids();
  const auto want = normed("fc7", at::max(normed("fc6_0", grids[0]), normed("fc6_1", grids[1])));
  EXPECT_TRUE(close(head->forward({grids[0], grids[1]}), want, 1e-5));
  EXPECT_EQ(head->forward(std::vector<at::Tensor>(2, torch::zeros({0, 2, 3, 3}))).sizes(),
            (std::vector<int64_t>{0, 6}));
  const auto heavy = shapes_of(*adaptive_head(R"(, "convs": 2, "norm": "group", "channels": 64)"));
  EXPECT_EQ(heavy.at("0.3.1.weight"), (std::vector<int64_t>{64}));
  EXPECT_EQ(heavy.at("3.weight"), (std::vector<int64_t>{6, 64 * 9}));
  EXPECT_FALSE(heavy.contains("1.0.bias")) << "a norm has it";
}

TEST(AdaptiveHead, ItsLayersMayBeCompressed) {
  const auto shapes = shapes_of(*adaptive_head(R"(, "svd": {"fc6_1": 4, "fc7": 2})", 2));
  EXPECT_EQ(shapes.at("fc6_1_L.weight"), (std::vector<int64_t>{4, 18}));
  EXPECT_EQ(shapes.at("fc7_U.weight"), (std::vector<int64_t>{6, 2}));
  EXPECT_TRUE(shapes.contains("fc6_0.weight"));
}

TEST(AdaptiveHead, AWrongConfigNamesTheKey) {
  for (const auto& [rest, part] : std::vector<std::pair<const char*, const char*>>{
           {R"(, "fusion": "mean")", "f.json: fusion"},
           {R"(, "channels": 8)", "f.json: channels"},
           {R"(, "convs": -1)", "f.json: convs"},
           {R"(, "norm": "batch")", "f.json: norm: must be none or group"},
           {R"(, "norm": "group")", "f.json: norm_groups"},
           {R"(, "dropout": 0.5)", "f.json: dropout"}}) {
    const auto message = message_of<ConfigError>([&, text = rest] { adaptive_head(text); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
  const auto config = config::Config::parse(R"({"type": "adaptive"})", "f.json");
  EXPECT_NE(message_of<ConfigError>([&] {
              box_heads().make(config.root(), {{2, 3}, {2, 4}});
            }).find("f.json: type: adaptive fuses grids of one size"),
            std::string::npos);
}

}  // namespace
}  // namespace rcnn::nn
