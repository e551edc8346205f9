#include <spdlog/fmt/fmt.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/backbones/resnet.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/support/message_of.h"
#include "tests/support/names.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

std::shared_ptr<BackboneImpl> resnet(int64_t depth, const std::string& json) {
  const auto node = config::Config::parse(json, "f.json").root();
  auto backbone = make_resnet(depth, node);
  node.finish();
  return backbone;
}

TEST(ResNet, NamesAndShapesAreTorchvisions) {
  for (const int64_t depth : {18, 34, 50, 101, 152}) {
    EXPECT_EQ(shapes_of(*resnet(depth, R"({"levels": ["c5"]})")),
              torchvision_shapes(fmt::format("resnet{}", depth)))
        << depth;
  }
}

TEST(ResNet, MapsAreWhatFeaturesSay) {
  const torch::NoGradGuard no_grad;
  for (const int64_t depth : {18, 50}) {
    const auto backbone = resnet(depth, R"({"width": 4, "levels": ["c2", "c3", "c4", "c5"]})");
    const auto features = backbone->features();
    const auto maps = backbone->forward(torch::rand({2, 3, 50, 71}));
    ASSERT_EQ(maps.size(), 4u);
    for (size_t i = 0; i < 4; ++i) {
      const auto stride = int64_t{4} << i;
      EXPECT_EQ(features[i].name, fmt::format("c{}", i + 2));
      EXPECT_EQ(features[i].stride, stride);
      EXPECT_EQ(features[i].channels, (int64_t{4} << i) * (depth == 50 ? 4 : 1));
      EXPECT_EQ(maps[i].sizes(), (std::vector<int64_t>{2, features[i].channels, (50 + stride - 1) / stride,
                                                       (71 + stride - 1) / stride}));
    }
  }
}

TEST(ResNet, GivesTheLevelsAskedForAndNoLaterStage) {
  const auto backbone = resnet(18, R"({"width": 4, "levels": ["c2", "c4"]})");
  const torch::NoGradGuard no_grad;
  const auto maps = backbone->forward(torch::rand({1, 3, 64, 64}));
  ASSERT_EQ(maps.size(), 2u);
  EXPECT_EQ(maps[0].size(2), 16);
  EXPECT_EQ(maps[1].size(2), 4);
  EXPECT_TRUE(shapes_of(*backbone, "layer4.").empty());
}

TEST(ResNet, FeedbackIsAddedInTheFirstBlockOfItsStage) {
  torch::manual_seed(11);
  const torch::NoGradGuard no_grad;
  for (const int64_t depth : {18, 50}) {
    const auto made = resnet(depth, R"({"width": 4, "levels": ["c2", "c3", "c4", "c5"]})");
    EXPECT_EQ(made->feedback_levels(), (std::vector<size_t>{1, 2, 3}));
    made->take_feedback(6);
    const auto images = at::randn({2, 3, 64, 96});
    const auto plain = made->forward(images);
    const auto none = made->forward_with(images, {at::Tensor(), at::Tensor()});
    for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(identical(none[i], plain[i])) << i;

    const auto like = [](const at::Tensor& map) { return at::rand({2, 6, map.size(2), map.size(3)}); };
    const std::vector<at::Tensor> feedback = {like(plain[0]), like(plain[1]), like(plain[2])};
    const auto fresh = made->forward_with(images, feedback);
    for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(close(fresh[i], plain[i])) << "it counts nothing at first";
    state_of(*made).at("layer3.0.rfp_conv.weight").normal_();
    const auto with = made->forward_with(images, feedback);
    EXPECT_TRUE(identical(with[0], plain[0]));
    EXPECT_TRUE(close(with[1], plain[1]));
    EXPECT_FALSE(close(with[2], plain[2]));
    EXPECT_FALSE(close(with[3], plain[3]));
  }
  ResidualBlock block(ResNetShape{.depth = 18, .width = 4}, 4, 4, 1);
  block->take_feedback(4);
  state_of(*block).at("rfp_conv.weight").copy_(at::eye(4).view({4, 4, 1, 1}));
  const auto x = at::randn({1, 4, 5, 5}), feedback = at::randn({1, 4, 5, 5});
  // What is left of the sum where the ReLU is open.
  const auto big = at::full_like(x, 100);
  EXPECT_TRUE(close(block->forward_with(x, big + feedback) - block->forward_with(x, big), feedback, 1e-4));
}

TEST(ResNet, FeedbackThatNothingTakesIsRefused) {
  const auto backbone = resnet(18, R"({"width": 4, "levels": ["c3"]})");
  EXPECT_NE(error_of([&] {
              backbone->forward_with(at::rand({1, 3, 16, 16}), {at::rand({1, 2, 2, 2})});
            }).find("take_feedback() was not called"),
            std::string::npos);
}

TEST(ResNet, FeedbackLearnsInFrozenStagesToo) {
  const auto backbone = resnet(18, R"({"width": 4, "levels": ["c3", "c4"], "frozen_stages": 5})");
  EXPECT_EQ(backbone->feedback_levels(), (std::vector<size_t>{0, 1}));
  backbone->take_feedback(2);
  for (const auto& item : backbone->named_parameters()) {
    EXPECT_EQ(item.value().requires_grad(), item.key().find("rfp_conv") != std::string::npos) << item.key();
  }
}

TEST(ResNet, ASwitchableOneIsThePlainOneAtFirstAndHasMmdetectionsNames) {
  const torch::NoGradGuard no_grad;
  for (const int64_t depth : {18, 50}) {
    torch::manual_seed(3);
    const auto plain = resnet(depth, R"({"width": 4, "levels": ["c2", "c5"]})");
    const auto images = at::rand({1, 3, 96, 65});
    for (const char* conv : {"aws", "sac", "deformable_sac"}) {
      const auto made =
          resnet(depth, fmt::format(R"({{"width": 4, "levels": ["c2", "c5"], "conv": "{}"}})", conv));
      const auto report = load_initial(*made, state_of(*plain), "plain");
      EXPECT_EQ(report.loaded.size(), state_of(*plain).size());
      const auto maps = made->forward(images), want = plain->forward(images);
      for (size_t i = 0; i < 2; ++i) {
        EXPECT_LT((maps[i] - want[i]).norm().item<double>(), 1e-4 * want[i].norm().item<double>()) << conv;
      }
      const bool switchable = std::string(conv) != "aws";
      EXPECT_EQ(made->least_side(), switchable ? 65 : 1);
      const auto state = state_of(*made);
      EXPECT_TRUE(state.contains("conv1.weight_gamma"));
      EXPECT_TRUE(state.contains("layer2.0.downsample.0.weight_beta"));
      EXPECT_FALSE(state.contains("layer1.0.conv2.weight_diff"));
      EXPECT_EQ(state.contains("layer2.1.conv2.weight_diff"), switchable);
      EXPECT_EQ(state.contains("layer2.1.conv1.weight_diff"), switchable && depth == 18) << "both 3x3 ones";
      EXPECT_EQ(state.contains("layer4.0.conv2.offset_l.bias"), std::string(conv) == "deformable_sac");
    }
  }
}

TEST(ResNet, FreezesTheFirstStages) {
  const std::vector<std::string> stages = {"conv1.", "layer1.", "layer2.", "layer3.", "layer4."};
  for (size_t frozen = 0; frozen <= stages.size(); ++frozen) {
    const auto backbone =
        resnet(18, fmt::format(R"({{"width": 4, "levels": ["c5"], "frozen_stages": {}}})", frozen));
    for (size_t stage = 0; stage < stages.size(); ++stage) {
      for (const auto& item : backbone->named_parameters()) {
        if (!item.key().starts_with(stages[stage])) continue;
        EXPECT_EQ(item.value().requires_grad(), stage >= frozen) << item.key() << " of " << frozen;
      }
    }
  }
}

struct Bottleneck {
  int64_t in_channels, stride, dilation;
  bool stride_in_1x1;
};

/// relu(bn3(conv3(relu(bn2(conv2(relu(bn1(conv1(x)))))))) + bn(conv(x))), from the block's state.
at::Tensor plain_bottleneck(TensorMap state, const at::Tensor& x, const Bottleneck& block) {
  const auto conv_norm = [&](const std::string& conv, const std::string& norm, const at::Tensor& input,
                             int64_t conv_stride, int64_t dilation) {
    const auto weight = state.at(conv + ".weight");
    return at::batch_norm(at::conv2d(input, weight, {}, conv_stride, weight.size(2) / 2 * dilation, dilation),
                          state.at(norm + ".weight"), state.at(norm + ".bias"),
                          state.at(norm + ".running_mean"), state.at(norm + ".running_var"), false, 0.1, 1e-5,
                          false);
  };
  const auto stride = block.stride, first = block.stride_in_1x1 ? stride : 1;
  auto y = at::relu(conv_norm("conv1", "bn1", x, first, 1));
  y = at::relu(conv_norm("conv2", "bn2", y, stride / first, block.dilation));
  y = conv_norm("conv3", "bn3", y, 1, 1);
  const bool shortcut = state.contains("downsample.0.weight");
  return at::relu(y + (shortcut ? conv_norm("downsample.0", "downsample.1", x, stride, 1) : x));
}

TEST(ResNet, ABottleneckStridesAndDilatesWhereItIsToldTo) {
  torch::manual_seed(1);
  const torch::NoGradGuard no_grad;
  for (const auto& [in_channels, stride, dilation, stride_in_1x1] :
       {Bottleneck{6, 2, 1, false}, Bottleneck{6, 1, 1, false}, Bottleneck{16, 1, 1, false},
        Bottleneck{16, 2, 1, false}, Bottleneck{6, 2, 1, true}, Bottleneck{6, 1, 2, false},
        Bottleneck{16, 1, 2, true}}) {
    ResidualBlock block(ResNetShape{.depth = 50, .stride_in_1x1 = stride_in_1x1}, in_channels, 4, stride,
                        dilation);
    for (auto& buffer : block->buffers()) buffer.copy_(at::rand_like(buffer) + 0.5);
    const auto x = at::randn({2, in_channels, 7, 9});
    const auto before = x.clone();
    EXPECT_TRUE(close(block->forward(x),
                      plain_bottleneck(state_of(*block), x, {in_channels, stride, dilation, stride_in_1x1}),
                      1e-4));
    EXPECT_TRUE(identical(x, before));
  }
}

TEST(ResNet, ADilatedLastStageKeepsTheStride) {
  const torch::NoGradGuard no_grad;
  const auto backbone = resnet(50, R"({"width": 2, "levels": ["c4", "c5"], "c5_dilation": 2})");
  const auto maps = backbone->forward(torch::rand({1, 3, 64, 96}));
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(backbone->features()[i].stride, 16);
    EXPECT_EQ(maps[i].sizes().slice(2), (std::vector<int64_t>{4, 6}));
  }
  // All three 3x3 convolutions of the stage are dilated: a change of one cell reaches 2 + 2 + 2 cells.
  auto stage = make_resnet_stage({.depth = 50, .width = 2}, 4, 2);
  auto x = torch::rand({1, 32, 17, 17});
  const auto before = stage->forward(x);
  x.select(2, 8).select(2, 8) += 1;
  const auto rows = (stage->forward(x) - before).abs().sum({0, 1, 3}).nonzero().squeeze(1);
  EXPECT_TRUE(identical(rows, at::arange(2, 15, 2)));
}

TEST(ResNet, AFrozenStageWithLearningNormsGoesOnWithItsStatistics) {
  const auto backbone = resnet(18, R"({"width": 2, "norm": "batch", "levels": ["c2"], "frozen_stages": 2})");
  for (const auto& item : backbone->named_parameters()) EXPECT_FALSE(item.value().requires_grad());
  backbone->train();
  backbone->forward(torch::rand({2, 3, 32, 32}));
  const auto state = state_of(*backbone);
  for (const auto* norm : {"bn1", "layer1.1.bn2"}) {
    EXPECT_GT(state.at(std::string(norm) + ".running_mean").abs().max().item<float>(), 0) << norm;
  }
}

TEST(ResNet, AWrongConfigNamesTheKey) {
  const auto message = [](const std::string& json) {
    return message_of<ConfigError>([&] { resnet(18, json); });
  };
  for (const char* levels :
       {"[]", R"(["c3", "c2"])", R"(["c2", "c2"])", R"(["c1"])", R"(["c6"])", R"([""])"}) {
    EXPECT_EQ(message(fmt::format(R"({{"levels": {}}})", levels)),
              "f.json: levels: must be some of c2, c3, c4, c5, in this order");
  }
  EXPECT_NE(message(R"({"frozen_stages": 6})").find("f.json: frozen_stages"), std::string::npos);
  for (const char* option : {R"("stride_in_1x1": true)", R"("levels": ["c5"], "c5_dilation": 2)"}) {
    EXPECT_NE(message(fmt::format("{{{}}}", option)).find("needs the blocks of resnet50"), std::string::npos);
  }
  EXPECT_EQ(message_of<ConfigError>([] { resnet(50, R"({"c5_dilation": 2})"); }),
            "f.json: c5_dilation: has no meaning without the level c5");
  EXPECT_NE(message(R"({"conv": "deformable"})").find("f.json: conv"), std::string::npos);
  EXPECT_NE(message(R"({"width": 1, "conv": "sac"})").find("f.json: conv: needs a width of 2"),
            std::string::npos);
  EXPECT_NE(message(R"({"width": 0})").find("f.json: width"), std::string::npos);
  EXPECT_NE(message(R"({"dephts": 0})").find("f.json: dephts"), std::string::npos);
}

}  // namespace
}  // namespace rcnn::nn
