#include <cmath>

#include <rcnn/config/config.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/weights/compress_weights.h>

#include "tests/support/goldens.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

TEST(TruncatedSvd, IsNumpys) {
  for (const auto& golden_case : golden("svd.json").at("cases")) {
    const auto weight = golden_tensor(golden_case["weight"]);
    const auto svd = truncated_svd(weight, golden_case["rank"]);
    EXPECT_TRUE(close(svd.second.matmul(svd.first), golden_tensor(golden_case["approximation"]), 1e-6));
    EXPECT_NEAR(svd.energy, golden_case["energy"].get<double>(), 1e-7);
    const auto rank = golden_case["rank"].get<int64_t>();
    const auto singular = golden_tensor(golden_case["singular_values"]).narrow(0, 0, rank);
    EXPECT_TRUE(close(svd.first.norm(2, 1), singular, 1e-5)) << "the first layer has the singular values";
    EXPECT_TRUE(close(svd.second.t().matmul(svd.second), at::eye(rank), 1e-5));
    EXPECT_NEAR(svd.error * svd.error * weight.to(at::kDouble).square().sum().item<double>(),
                golden_case["squared_error"].get<double>(), 1e-6);
  }
}

TEST(TruncatedSvd, LosesTheSquaresOfWhatIsDiscarded) {
  torch::manual_seed(1);
  const auto weight = at::randn({64, 100}), squares = at::linalg_svdvals(weight.to(at::kDouble)).square();
  for (const int64_t rank : {1, 20, 63}) {
    const auto svd = truncated_svd(weight, rank);
    const auto difference = svd.second.to(at::kDouble).matmul(svd.first.to(at::kDouble)) - weight;
    const auto discarded = squares.slice(0, rank).sum().item<double>();
    EXPECT_NEAR(difference.square().sum().item<double>(), discarded, 1e-5 * discarded) << rank;
    EXPECT_NEAR(svd.error, std::sqrt(discarded / squares.sum().item<double>()), 1e-6);
    EXPECT_NEAR(svd.error * svd.error, 1 - svd.energy, 1e-12);
  }
  const auto whole = truncated_svd(weight, 64);
  const auto x = at::randn({5, 100});
  EXPECT_TRUE(close(x.matmul(whole.first.t()).matmul(whole.second.t()), x.matmul(weight.t()), 1e-5));
}

TEST(TruncatedSvd, OfAnEnergyIsTheLeastThatKeepsIt) {
  torch::manual_seed(2);
  const auto weight = at::randn({30, 50}) * at::pow(0.9, at::arange(30)).unsqueeze(1);
  for (const double energy : {0.5, 0.9, 0.99}) {
    const auto svd = truncated_svd_of_energy(weight, energy);
    const auto rank = svd.first.size(0);
    EXPECT_GE(svd.energy, energy);
    EXPECT_LT(truncated_svd(weight, rank - 1).energy, energy);
  }
  // All of a weight of rank 2, and of one without anything in it.
  const auto low = at::randn({10, 2}).matmul(at::randn({2, 12}));
  EXPECT_EQ(truncated_svd_of_energy(low, 0.9999).first.size(0), 2);
  EXPECT_EQ(truncated_svd_of_energy(at::zeros({4, 6}), 0.9).first.size(0), 1);
  EXPECT_EQ(truncated_svd_of_energy(at::eye(4), 1).first.size(0), 4);
}

TEST(TruncatedSvd, OfMoreRowsThanColumnsAndOfFewSingularValues) {
  torch::manual_seed(3);
  const auto tall = at::randn({40, 6});
  const auto svd = truncated_svd(tall, 6);
  EXPECT_TRUE(close(svd.second.matmul(svd.first), tall, 1e-5));
  const auto low = at::randn({10, 2}).matmul(at::randn({2, 12}));
  const auto full = truncated_svd(low, 10);
  EXPECT_TRUE(close(full.second.matmul(full.first), low, 1e-5));
  EXPECT_NE(error_of([&] { truncated_svd(tall, 7); }).find("rank: expected 1 to"), std::string::npos);
}

constexpr const char* kCompressedConfig = R"({"model": {
    "type": "faster_rcnn",
    "backbone": {"type": "vgg16", "width": 4, "frozen_stages": 0},
    "rpn": {"anchors": {"sizes": [16, 32, 64]}, "train": {"pre_nms": 200, "post_nms": 50},
            "test": {"pre_nms": 100, "post_nms": 20}},
    "roi": {"pooler": {"size": 3}, "head": HEAD, "batch_per_image": 16, "score_threshold": 0}}})";

constexpr const char* kMlpHead = R"({"type": "mlp", "hidden": 24})";

DescribedModel described_model(const std::string& head) {
  torch::manual_seed(5);
  std::string json = kCompressedConfig;
  json.replace(json.find("HEAD"), 4, head);
  auto config = config::Config::parse(json, "f.json");
  auto model = make_model(config.root().child("model"), 3);
  return {std::move(model), {{1, "a"}, {2, "b"}, {3, "c"}}, std::move(config)};
}

ImageBatch one_image() {
  torch::manual_seed(6);
  return {.images = {at::randint(0, 256, {64, 80, 3}, at::kByte)}, .sizes = {{64, 80}}};
}

Detections detections_of(const DescribedModel& described) {
  const torch::NoGradGuard no_grad;
  described.model->eval();
  return std::dynamic_pointer_cast<DetectionModelImpl>(described.model)->detect(one_image())[0];
}

TEST(CompressWeights, GivesTwoLayersForOneAndAConfigThatSaysSo) {
  const auto model = described_model(kMlpHead);
  const auto smaller =
      compress_weights(model, {.layers = {{"fc6", 5}, {"roi_heads.box_head.fc7", 4}, {"bbox_pred", 2}}}, "f");
  const auto state = state_of(*smaller.model.model), before = state_of(*model.model);
  EXPECT_EQ(state.at("roi_heads.box_head.fc6_L.weight").sizes(), (std::vector<int64_t>{5, 32 * 9}));
  EXPECT_EQ(state.at("roi_heads.box_head.fc6_U.weight").sizes(), (std::vector<int64_t>{24, 5}));
  EXPECT_TRUE(identical(state.at("roi_heads.box_head.fc6_U.bias"), before.at("roi_heads.box_head.fc6.bias")));
  EXPECT_TRUE(state.contains("roi_heads.box_predictor.bbox_pred_L.weight"));
  EXPECT_FALSE(state.contains("roi_heads.box_head.fc6_L.bias"));
  EXPECT_FALSE(state.contains("roi_heads.box_head.fc6.weight"));
  EXPECT_TRUE(identical(state.at("roi_heads.box_predictor.cls_score.weight"),
                        before.at("roi_heads.box_predictor.cls_score.weight")));
  const auto ranks = smaller.model.config.root().child("model").child("roi").child("head").child("svd");
  int64_t rank = 0;
  ranks.read("fc7", rank);
  EXPECT_EQ(rank, 4);
  ASSERT_EQ(smaller.layers.size(), 3u);
  const auto& fc6 = smaller.layers[0];
  EXPECT_EQ(fc6.name, "roi_heads.box_head.fc6");
  EXPECT_EQ(fc6.before(), 24 * 288);
  EXPECT_EQ(fc6.after(), 5 * (24 + 288));
  EXPECT_NEAR(fc6.error, truncated_svd(before.at("roi_heads.box_head.fc6.weight"), 5).error, 1e-12);
}

TEST(CompressWeights, AtFullRankDetectsTheSame) {
  for (const auto& [head, layers] :
       std::vector<std::pair<const char*, std::map<std::string, std::optional<int64_t>>>>{
           {kMlpHead, {{"fc6", 24}, {"fc7", 24}, {"cls_score", 4}, {"bbox_pred", 16}}},
           {R"({"type": "conv", "convs": 2, "channels": 8, "hidden": 12})", {{"3", 12}}}}) {
    const auto model = described_model(head);
    const auto whole = detections_of(model),
               two = detections_of(compress_weights(model, {.layers = layers}, "f").model);
    ASSERT_GT(whole.scores.size(0), 10);
    EXPECT_TRUE(close(two.boxes, whole.boxes, 1e-3));
    EXPECT_TRUE(close(two.scores, whole.scores, 1e-5));
  }
}

TEST(CompressWeights, TheResultIsAModelLikeAnyOther) {
  const TempFolder folder;
  const auto file = folder.path() / "small.safetensors";
  const auto small =
      compress_weights(described_model(kMlpHead), {.layers = {{"fc6", 6}, {"cls_score", 2}}}, "f").model;
  save_model(file, small);
  const auto loaded = load_model(file);
  EXPECT_TRUE(identical(detections_of(loaded).scores, detections_of(small).scores));
  EXPECT_EQ(loaded.model->classes_in(state_of(*loaded.model)), 3);
  // It trains, and its two layers with it.
  loaded.model->train();
  const auto losses = loaded.model->losses(one_image(), {{.boxes = torch::tensor({{10.f, 10.f, 40.f, 50.f}}),
                                                          .labels = torch::ones({1}, at::kLong),
                                                          .ignore = torch::zeros({0, 4})}});
  at::Tensor sum = torch::zeros({});
  for (const auto& loss : losses) sum = sum + loss.value;
  sum.backward();
  const auto parameters = loaded.model->named_parameters();
  for (const auto* name : {"roi_heads.box_head.fc6_L.weight", "roi_heads.box_head.fc6_U.weight"}) {
    EXPECT_GT(parameters[name].grad().norm().item<float>(), 0) << name;
  }
  EXPECT_TRUE(load_initial(*small.model, state_of(*loaded.model), "f").fresh.empty());
  // What is whole can be compressed later.
  const auto smaller = compress_weights(loaded, {.layers = {{"fc7", 3}}}, "f").model;
  EXPECT_TRUE(state_of(*smaller.model).contains("roi_heads.box_head.fc7_L.weight"));
  EXPECT_TRUE(state_of(*smaller.model).contains("roi_heads.box_head.fc6_L.weight"));
}

TEST(CompressWeights, AnEnergyChoosesRanksAndLeavesWholeWhatWouldGrow) {
  auto model = described_model(kMlpHead);
  {
    const torch::NoGradGuard no_grad;
    auto fc6 = model.model->named_parameters()["roi_heads.box_head.fc6.weight"];
    fc6.copy_(at::randn({24, 3}).matmul(at::randn({3, 288})));
  }
  const auto result = compress_weights(model, {.energy = 0.999}, "f");
  ASSERT_EQ(result.layers.size(), 2u) << "the predictor's are not of the head";
  EXPECT_EQ(result.layers[0].rank, 3);
  EXPECT_FALSE(result.layers[0].whole);
  EXPECT_TRUE(result.layers[1].whole);
  EXPECT_EQ(result.layers[1].after(), result.layers[1].before());
  EXPECT_TRUE(state_of(*result.model.model).contains("roi_heads.box_head.fc7.weight"));
  const auto named =
      compress_weights(model, {.layers = {{"fc6", std::nullopt}, {"fc7", 2}}, .energy = 0.999}, "f");
  EXPECT_EQ(named.layers[0].rank, 3);
  EXPECT_EQ(named.layers[1].rank, 2);
}

TEST(CompressWeights, WhatIsWrongIsNamed) {
  const auto model = described_model(kMlpHead);
  const auto once = compress_weights(model, {.layers = {{"fc6", 6}}}, "f").model;
  const auto of = [](const DescribedModel& described, const CompressOptions& options) {
    return message_of<ConfigError>([&] { compress_weights(described, options, "in.safetensors"); });
  };
  for (const auto& [message, part] : std::vector<std::pair<std::string, const char*>>{
           {of(model, {.layers = {{"fc6", 25}}}),
            "fc6: the rank must be from 1 to 24, the smaller side of 24 x 288, not 25"},
           {of(model, {.layers = {{"fc6", 0}}}), "not 0"},
           {of(model, {.layers = {{"fc8", 2}}}),
            "no fully connected layer fc8; did you mean fc6?; it has fc6, fc7"},
           {of(model, {.layers = {{"fc6", std::nullopt}}}), "no rank is given for fc6"},
           {of(model, {.layers = {{"fc6", 2}, {"roi_heads.box_head.fc6", 3}}}), "is named twice"},
           {of(model, {}), "nothing to compress by"},
           {of(model, {.energy = 1.5}), "must be above 0 and at most 1, not 1.5"},
           {of(model, {.energy = 1}), "no layer becomes smaller"},
           {of(model, {.layers = {{"fc6", 2}, {"fc7", 2}}, .energy = 0.9}),
            "an energy of 0.9 decides nothing where each layer has a rank"},
           {of(once, {.layers = {{"fc6", 2}}}), "in.safetensors: fc6 has been compressed already"},
           {of(once, {.layers = {{"fc6_L", 2}}}), "no fully connected layer fc6_L"},
           {of(described_model(
                   R"({"type": "conv", "convs": 1, "channels": 4, "hidden": 8, "svd": {"2": 3}})"),
               {.energy = 0.5}),
            "no fully connected layer that is not compressed"}}) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
  {
    const torch::NoGradGuard no_grad;
    model.model->named_parameters()["roi_heads.box_head.fc6.weight"][0][0] = std::nan("");
  }
  EXPECT_NE(
      message_of<WeightsError>([&] {
        compress_weights(model, {.layers = {{"fc6", 2}}}, "in");
      })
          .find("in: has values that are no finite numbers: roi_heads.box_head.fc6.weight (1 of 6912 NaN or "
                "infinite)"),
      std::string::npos);
}

TEST(SvdRanks, AreReadOfTheHead) {
  for (const auto& [svd, part] : std::vector<std::pair<const char*, const char*>>{
           {R"({"fc6": 25})",
            "roi.head.svd.fc6: must be at most 24, the smaller side of the layer's weight 24 x 288"},
           {R"({"cls_score": 5})", "roi.head.svd.cls_score: must be at most 4"},
           {R"({"bbox_pred": 0})", "roi.head.svd.bbox_pred"},
           {R"({"fc5": 2})", "roi.head.svd.fc5: unknown key; did you mean fc6?"}}) {
    const auto head = std::string(R"({"hidden": 24, "svd": )") + svd + "}";
    const auto message = message_of<ConfigError>([&] { described_model(head); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace rcnn::nn
