#include <cmath>

#include <spdlog/fmt/fmt.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/backbones/resnet.h>
#include <rcnn/nn/registry.h>
#include <rcnn/nn/roi/box_head.h>

#include "tests/support/message_of.h"
#include "tests/support/names.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

std::shared_ptr<BoxHeadImpl> box_head(const std::string& json, int64_t in_channels, int64_t size = 7) {
  return box_heads().make(config::Config::parse(json, "f.json").root(), {{in_channels, size}});
}

TEST(BoxHead, MlpNamesAndShapesAreTorchvisions) {
  EXPECT_EQ(shapes_of(*box_head("{}", 256)),
            torchvision_shapes("fasterrcnn_resnet50_fpn", "roi_heads.box_head."));
}

TEST(BoxHead, MlpIsTwoRectifiedLayers) {
  torch::manual_seed(1);
  const torch::NoGradGuard no_grad;
  const auto head = box_head(R"({"type": "mlp", "hidden": 6})", 2, 3);
  const auto state = state_of(*head);
  const auto pooled = at::randn({4, 2, 3, 3});
  const auto fc6 = at::relu(at::linear(pooled.flatten(1), state.at("fc6.weight"), state.at("fc6.bias")));
  const auto fc7 = at::relu(at::linear(fc6, state.at("fc7.weight"), state.at("fc7.bias")));
  EXPECT_TRUE(close(head->forward({pooled}), fc7));
  EXPECT_EQ(head->channels(), 6);
  EXPECT_EQ(head->forward({torch::zeros({0, 2, 3, 3})}).sizes(), (std::vector<int64_t>{0, 6}));
}

TEST(BoxHead, ConvNamesAndShapesAreTorchvisions) {
  for (const char* norm : {"frozen", "batch"}) {
    auto shapes = shapes_of(*box_head(fmt::format(R"({{"type": "conv", "norm": "{}"}})", norm), 256));
    std::erase_if(shapes, [](const auto& entry) { return entry.first.ends_with("num_batches_tracked"); });
    EXPECT_EQ(shapes, torchvision_shapes("fasterrcnn_resnet50_fpn_v2", "roi_heads.box_head."));
  }
}

TEST(BoxHead, ConvIsConvolutionsAndOneRectifiedLayer) {
  torch::manual_seed(5);
  const torch::NoGradGuard no_grad;
  const auto head = box_head(R"({"type": "conv", "convs": 2, "channels": 3, "hidden": 6})", 2, 5);
  const auto state = state_of(*head);
  const auto pooled = at::randn({4, 2, 5, 5});
  auto x = pooled;
  for (const auto* conv : {"0.0", "1.0"}) {
    x = at::relu(
        at::conv2d(x, state.at(std::string(conv) + ".weight"), state.at(std::string(conv) + ".bias"), 1, 1));
  }
  x = at::relu(at::linear(x.flatten(1), state.at("3.weight"), state.at("3.bias")));
  EXPECT_TRUE(close(head->forward({pooled}), x));
  EXPECT_EQ(head->channels(), 6);
  EXPECT_EQ(head->forward({torch::zeros({0, 2, 5, 5})}).sizes(), (std::vector<int64_t>{0, 6}));
}

TEST(BoxHead, DropoutActsInTrainingOnly) {
  torch::manual_seed(2);
  const auto head = box_head(R"({"hidden": 64, "dropout": 0.5})", 2, 3);
  const auto pooled = at::randn({4, 2, 3, 3});
  head->eval();
  EXPECT_TRUE(identical(head->forward({pooled}), head->forward({pooled})));
  head->train();
  EXPECT_FALSE(identical(head->forward({pooled}), head->forward({pooled})));
}

TEST(BoxHead, MlpsLayersMayDifferInWidth) {
  const auto head = box_head(R"({"hidden": [8, 3]})", 2, 3);
  const auto shapes = shapes_of(*head);
  EXPECT_EQ(shapes.at("fc6.weight"), (std::vector<int64_t>{8, 18}));
  EXPECT_EQ(shapes.at("fc7.weight"), (std::vector<int64_t>{3, 8}));
  EXPECT_EQ(head->channels(), 3);
}

// Caffe's dropout with scale_train false: training keeps an activation or drops it, detecting halves all.
TEST(BoxHead, DropoutMayScaleWhenDetecting) {
  torch::manual_seed(4);
  const torch::NoGradGuard no_grad;
  const auto plain = box_head(R"({"hidden": 64})", 2, 3);
  const auto head = box_head(R"({"hidden": 64, "dropout": 0.5, "dropout_scaling": "inference"})", 2, 3);
  const auto state = state_of(*plain);
  for (const auto& [name, tensor] : state_of(*head)) at::Tensor(tensor).copy_(state.at(name));
  const auto pooled = at::randn({500, 2, 3, 3});
  plain->eval();
  const auto whole = plain->forward({pooled});

  // With the weights behind each dropout scaled instead, which leaves biases as they are.
  head->eval();
  const auto kept = 0.5;
  const auto fc6 = at::relu(at::linear(pooled.flatten(1), state.at("fc6.weight"), state.at("fc6.bias")));
  const auto fc7 = at::relu(at::linear(fc6, state.at("fc7.weight") * kept, state.at("fc7.bias")));
  EXPECT_TRUE(close(head->forward({pooled}), fc7 * kept));
  EXPECT_FALSE(close(head->forward({pooled}), whole));

  // fc7 alone behind fc6 = relu(1): what is kept is 1, the mean of a sum over the mask is that of detecting.
  state_of(*head).at("fc6.weight").zero_();
  state_of(*head).at("fc6.bias").fill_(1);
  state_of(*head).at("fc7.weight").fill_(1);
  state_of(*head).at("fc7.bias").zero_();
  EXPECT_TRUE(at::allclose(head->forward({pooled}), torch::full({500, 64}, 64 * kept * kept), 1e-5));
  head->train();
  const auto trained = head->forward({pooled});
  EXPECT_TRUE(identical(trained, trained.round())) << "a sum of ones, or 0";
  EXPECT_NEAR((trained == 0).to(at::kFloat).mean().item<float>(), 0.5, 0.012);  // 32,000 draws: 4 deviations
  EXPECT_NEAR(trained.mean().item<float>(), 64 * kept * kept, 0.5);
}

TEST(BoxHead, Res5IsTheLastStageAveraged) {
  torch::manual_seed(3);
  const torch::NoGradGuard no_grad;
  const auto head = box_head(R"({"type": "res5", "depth": 50, "width": 2})", 32, 14);
  EXPECT_EQ(head->channels(), 64);
  auto stage = make_resnet_stage({.depth = 50, .width = 2}, 4);
  auto state = state_of(*head);
  for (auto& [name, tensor] : state_of(*stage)) at::Tensor(tensor).copy_(state.at("layer4." + name));
  const auto pooled = at::randn({3, 32, 14, 14});
  const auto vectors = head->forward({pooled});
  EXPECT_EQ(vectors.sizes(), (std::vector<int64_t>{3, 64}));
  EXPECT_TRUE(close(vectors, stage->forward(pooled).mean({2, 3})));
  EXPECT_EQ(head->forward({torch::zeros({0, 32, 14, 14})}).sizes(), (std::vector<int64_t>{0, 64}));
}

TEST(BoxHead, Res5NamesAndShapesAreTorchvisions) {
  EXPECT_EQ(shapes_of(*box_head(R"({"type": "res5"})", 1024), "layer4."),
            torchvision_shapes("resnet50", "layer4."));
}

TEST(BoxHead, AWrongConfigNamesTheKey) {
  for (const auto& [json, part] : std::vector<std::pair<const char*, const char*>>{
           {R"({"type": "cnn"})", "f.json: type: unknown type 'cnn'; known: adaptive, conv"},
           {R"({"hidden": 0})", "f.json: hidden"},
           {R"({"hidden": [8, 0]})", "f.json: hidden"},
           {R"({"hidden": [8, 8, 8]})", "f.json: hidden: must be one number, or two"},
           {R"({"dropout_scaling": "never"})", "f.json: dropout_scaling"},
           {R"({"dropout": 1})", "f.json: dropout"},
           {R"({"depth": 50})", "f.json: depth"},
           {R"({"type": "res5", "depth": 19})", "must be 18, 34, 50, 101 or 152"},
           {R"({"type": "res5", "hidden": 8})", "f.json: hidden"},
           {R"({"type": "res5", "depth": 18, "stride_in_1x1": true})", "f.json: stride_in_1x1"},
           {R"({"type": "conv", "dropout": 0.5})", "f.json: dropout"},
           {R"({"type": "conv", "norm_eps": 0})", "f.json: norm_eps"},
           {R"({"type": "res5", "depth": 18})", "does not fit the backbone"}}) {
    const auto message = message_of<ConfigError>([&, text = json] { box_head(text, 1024); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

TEST(BoxHead, MostTakeOneGrid) {
  for (const char* type : {"mlp", "conv", "res5"}) {
    const auto config = config::Config::parse(fmt::format(R"({{"type": "{}"}})", type), "f.json");
    EXPECT_EQ(message_of<ConfigError>([&] {
                box_heads().make(config.root(), {{1024, 7}, {1024, 7}});
              }),
              "f.json: type: takes one grid of features a RoI, the pooler gives 2; adaptive fuses them");
  }
}

TEST(BoxPredictor, NamesAndShapesAreTorchvisions) {
  EXPECT_EQ(shapes_of(*BoxPredictor(1024, 90, false)),
            torchvision_shapes("fasterrcnn_resnet50_fpn", "roi_heads.box_predictor."));
}

TEST(BoxPredictor, GivesScoresAndABoxForEachClassOrForAll) {
  const auto x = torch::ones({5, 8});
  for (const bool agnostic : {false, true}) {
    const auto output = BoxPredictor(8, 3, agnostic)->forward(x);
    EXPECT_EQ(output.scores.sizes(), (std::vector<int64_t>{5, 4}));
    EXPECT_EQ(output.deltas.sizes(), (std::vector<int64_t>{5, agnostic ? 1 : 4, 4}));
    const auto none = BoxPredictor(8, 3, agnostic)->forward(x.slice(0, 0, 0));
    EXPECT_EQ(none.scores.sizes(), (std::vector<int64_t>{0, 4}));
    EXPECT_EQ(none.deltas.sizes(), (std::vector<int64_t>{0, agnostic ? 1 : 4, 4}));
  }
}

TEST(BoxPredictor, DeltasOfAClassLieTogether) {
  const torch::NoGradGuard no_grad;
  BoxPredictor predictor(1, 2, false);
  predictor->named_parameters()["bbox_pred.weight"].zero_();
  predictor->named_parameters()["bbox_pred.bias"].copy_(at::arange(12));
  EXPECT_TRUE(
      identical(predictor->forward(torch::ones({1, 1})).deltas, at::arange(12, at::kFloat).view({1, 3, 4})));
}

TEST(BoxPredictor, StartsUniformLikeTorchvisions) {
  torch::manual_seed(4);
  const auto state = state_of(*BoxPredictor(1024, 20, false));
  for (const auto* name : {"cls_score.weight", "bbox_pred.weight"}) {
    EXPECT_LE(state.at(name).abs().max().item<double>(), 1.0 / 32) << name;  // 1 / sqrt(1024)
    EXPECT_NEAR(state.at(name).std().item<double>(), 1.0 / 32 / std::sqrt(3.0), 0.0005) << name;
  }
}

}  // namespace
}  // namespace rcnn::nn
