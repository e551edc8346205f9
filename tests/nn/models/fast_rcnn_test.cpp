#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/torch.h>

#include <rcnn/boxes/box.h>
#include <rcnn/config/config.h>
#include <rcnn/nn/models/fast_rcnn.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/models/model_summary.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/nn/models/oracle.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::nn {
namespace {

using testing::HasSubstr;

constexpr int64_t kFastClasses = 3;

/// The oracles' detector: every RoI counts, so nothing is random (tests/oracle/make_fast_rcnn*.py).
std::string fast_rcnn_config(const std::string& pooler, const std::string& more = "",
                             const std::string& of_pooler = "") {
  return R"({"type": "fast_rcnn",
             "backbone": {"type": "resnet18", "width": 8, "levels": ["c4"], "frozen_stages": 0},
             "roi": {"pooler": {"type": ")" +
         pooler + "\"" + of_pooler + R"(}, "head": {"type": "mlp"}, "batch_per_image": 1048576)" + more +
         "}}";
}

std::shared_ptr<DetectionModelImpl> fast_rcnn(const std::string& json) {
  return make_detection_model(config::Config::parse(json, "test").root(), kFastClasses);
}

nlohmann::json fast_rcnn_golden(const std::string& file = "fast_rcnn.json") {
  return nlohmann::json::parse(std::ifstream(RCNN_FIXTURES "/" + file));
}

ImageBatch with_proposals(const nlohmann::json& list) {
  auto batch = oracle_images();
  for (const auto& of_image : list) {
    const auto boxes = torch::zeros({static_cast<int64_t>(of_image.size()), 4});
    for (int64_t i = 0; i < boxes.size(0); ++i) {
      for (int64_t c = 0; c < 4; ++c) boxes[i][c] = of_image[i][c].get<float>();
    }
    batch.proposals.push_back(boxes);
  }
  return batch;
}

/// What a library made of the detector.
struct Judge {
  std::string name, file, golden, config;
};

class FastRcnnGolden : public testing::TestWithParam<Judge> {};

TEST_P(FastRcnnGolden, LossesAndGradientsAreTheJudges) {
  const auto model = fast_rcnn(GetParam().config);
  fill(*model);
  model->train();
  const auto all = fast_rcnn_golden(GetParam().file);
  for (const auto& want : all.at(GetParam().golden).at("cases")) {
    model->zero_grad();
    at::Tensor sum = torch::zeros({});
    for (const auto& loss :
         model->losses(with_proposals(want.at("proposals")), targets(want.at("targets")))) {
      EXPECT_NEAR(loss.value.item<double>(), want.at("losses").at(loss.name).get<double>(), 2e-5)
          << loss.name;
      sum = sum + loss.value;
    }
    sum.backward();
    for (const auto& item : model->named_parameters()) {
      const auto norm = want.at("gradients").at(item.key()).get<double>();
      EXPECT_NEAR(item.value().grad().to(torch::kDouble).norm().item<double>(), norm, 1e-4 * norm + 1e-7)
          << item.key();
    }
  }
}

TEST_P(FastRcnnGolden, DetectionsAreTheJudges) {
  const auto model = fast_rcnn(GetParam().config);
  fill(*model);
  model->eval();
  const torch::NoGradGuard no_grad;
  const auto golden = fast_rcnn_golden(GetParam().file).at(GetParam().golden);
  const auto found = model->detect(with_proposals(golden.at("cases")[0].at("proposals")));
  const auto& want = golden.at("detections");
  ASSERT_EQ(found.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(found[i].scores.size(0), static_cast<int64_t>(want[i].at("scores").size()));
    for (int64_t d = 0; d < found[i].scores.size(0); ++d) {
      EXPECT_NEAR(found[i].scores[d].item<double>(), want[i].at("scores")[d].get<double>(), 1e-4);
      EXPECT_EQ(found[i].labels[d].item<int64_t>(), want[i].at("labels")[d].get<int64_t>());
      for (int64_t c = 0; c < 4; ++c) {
        EXPECT_NEAR(found[i].boxes[d][c].item<double>(), want[i].at("boxes")[d][c].get<double>(), 1e-2);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Judges, FastRcnnGolden,
    testing::Values(Judge{"torchvision_align", "fast_rcnn.json", "align", fast_rcnn_config("align")},
                    Judge{"torchvision_pool", "fast_rcnn.json", "pool", fast_rcnn_config("pool")},
                    // The differences of mmdetection's configs: L1, RoIAlign with the half-cell shift.
                    Judge{"mmdetection", "fast_rcnn_mmdet.json", "align_l1",
                          fast_rcnn_config("align", R"(, "beta": 0)",
                                           R"(, "aligned": true, "sampling_ratio": 0)")}),
    [](const auto& info) { return info.param.name; });

TEST(FastRcnn, ProposalsOfTheSameCellsAreComputedOnceAndKeepTheirOwnBoxes) {
  torch::manual_seed(4);
  const auto model = fast_rcnn(fast_rcnn_config("pool"));
  fill(*model);
  model->eval();
  const torch::NoGradGuard no_grad;
  auto batch = with_proposals(fast_rcnn_golden().at("pool").at("cases")[0].at("proposals"));
  // A few pixels aside, where rounding to a stride of 16 leads to the same cells.
  const auto given = batch.proposals;
  for (auto& boxes : batch.proposals) boxes = at::cat({boxes, boxes + 0.25, boxes - 0.125});
  const auto together = model->candidates(batch);
  for (size_t image = 0; image < given.size(); ++image) {
    std::vector<at::Tensor> boxes, scores;
    for (const double shift : {0.0, 0.25, -0.125}) {
      auto alone = batch;
      for (size_t i = 0; i < given.size(); ++i) alone.proposals[i] = given[i] + shift;
      const auto found = model->candidates(alone)[image];
      boxes.push_back(found.boxes);
      scores.push_back(found.scores);
    }
    EXPECT_GT(together[image].boxes.size(0), 100);
    EXPECT_TRUE(at::allclose(together[image].boxes, at::cat(boxes), 1e-5, 1e-4));
    EXPECT_TRUE(at::allclose(together[image].scores, at::cat(scores), 1e-4, 1e-5));
  }
}

TEST(FastRcnn, WeightsAreThoseOfFasterRcnnWithoutTheRpn) {
  const auto fast = fast_rcnn(fast_rcnn_config("pool"));
  auto json = fast_rcnn_config("pool");
  json.replace(json.find("fast_rcnn"), 9, "faster_rcnn");
  const auto faster = fast_rcnn(json);
  auto names = state_of(*faster);
  std::erase_if(names, [](const auto& entry) { return entry.first.starts_with("rpn."); });
  const auto own = state_of(*fast);
  ASSERT_EQ(own.size(), names.size());
  for (const auto& [name, tensor] : own) EXPECT_EQ(tensor.sizes(), names.at(name).sizes()) << name;
  EXPECT_EQ(load_initial(*faster, own, "fast").loaded.size(), own.size());
  for (const auto& [name, tensor] : own) EXPECT_TRUE(at::equal(state_of(*faster).at(name), tensor)) << name;
  EXPECT_EQ(fast->classes_in(own), kFastClasses);
  EXPECT_TRUE(fast->depends_on_classes("roi_heads.box_predictor.cls_score.weight"));
  EXPECT_FALSE(fast->depends_on_classes("roi_heads.box_head.fc6.weight"));
}

TEST(FastRcnn, ImagesWithoutProposalsAreRefused) {
  const auto model = fast_rcnn(fast_rcnn_config("pool"));
  EXPECT_TRUE(model->needs_proposals());
  EXPECT_FALSE(model->finds_proposals());
  EXPECT_THAT(message_of<ConfigError>([&] { model->detect(oracle_images()); }),
              HasSubstr("data.test.proposals"));
  const auto truth = targets(fast_rcnn_golden().at("pool").at("cases")[0].at("targets"));
  EXPECT_THAT(message_of<ConfigError>([&] { model->losses(oracle_images(), truth); }),
              HasSubstr("data.train.proposals"));
  EXPECT_THAT(message_of<ConfigError>([&] { model->proposals(oracle_images()); }),
              HasSubstr("no region proposal network"));
}

TEST(FastRcnn, NoProposalsAtAllAreFine) {
  const auto model = fast_rcnn(fast_rcnn_config("pool"));
  auto batch = oracle_images();
  batch.proposals = {torch::zeros({0, 4}), torch::zeros({0, 4})};
  model->eval();
  const torch::NoGradGuard no_grad;
  for (const auto& found : model->detect(batch)) EXPECT_EQ(found.boxes.size(0), 0);
  model->train();
  const std::vector<Target> none(
      2, {torch::zeros({0, 4}), torch::zeros({0}, torch::kLong), torch::zeros({0, 4})});
  for (const auto& loss : model->losses(batch, none)) EXPECT_EQ(loss.value.item<float>(), 0) << loss.name;
}

TEST(FastRcnn, ASummaryCountsGivenProposals) {
  const auto model = fast_rcnn(fast_rcnn_config("align"));
  const auto summary = summarize(*model, {64, 96});
  for (const auto& part : parts(summary.layers)) {
    if (part.name != "roi_heads.box_predictor") continue;
    EXPECT_EQ(part.outputs.at(0).at(0), 2000);
  }
  EXPECT_GT(training_bytes(*model, {64, 96}), 0);
}

/// Two images on which each class but the third has several positive proposals.
TrainingSet jittered_set(double flip) {
  return {.size = 2,
          .boxes = [](int64_t image) -> TrainingSet::Boxes {
            torch::manual_seed(17 + static_cast<uint64_t>(image));
            const auto truth = torch::tensor({{4.f, 6.f, 40.f, 50.f}, {30.f, 10.f, 90.f, 60.f}});
            const auto near = truth.repeat({20, 1}) + torch::randn({40, 4}) * 2 + 1;
            return {.proposals = near,
                    .target = {truth, torch::tensor({1, 2}, torch::kLong), torch::zeros({0, 4})}};
          },
          .flip = flip};
}

/// A training's model with the statistics of jittered_set().
std::shared_ptr<DetectionModelImpl> with_statistics(const std::vector<std::string>& loaded = {}) {
  const auto model = fast_rcnn(fast_rcnn_config("pool", R"(, "target_statistics": "per_class")"));
  fill(*model);
  model->begin_training(jittered_set(0.5), loaded);
  return model;
}

TEST(FastRcnn, ClassesWithoutStatisticsOfTheirOwnAreNamed) {
  const auto model = fast_rcnn(fast_rcnn_config("pool", R"(, "target_statistics": "per_class")"));
  const auto said = [&](const std::vector<std::string>& classes) {
    auto images = jittered_set(0.5);
    images.classes = classes;
    testing::internal::CaptureStderr();
    model->begin_training(images, {});
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_THAT(
      said({"cat", "dog", "red panda"}),
      testing::HasSubstr("box targets: 1 of 3 classes have too few for a mean and a deviation of their "
                         "own and keep those of box_weights: red panda (0)\n"));
  EXPECT_THAT(said({}), testing::HasSubstr("box_weights: label 3 (0)\n"));
}

TEST(FastRcnn, WhatIsPublishedDetectsAsWhatLearnsWithStatistics) {
  const auto model = with_statistics();
  const auto published = model->published(state_of(*model));
  const auto plain = fast_rcnn(fast_rcnn_config("pool"));
  load_state(*plain, published, "published");  // no name more than torchvision's
  model->eval();
  plain->eval();
  const torch::NoGradGuard no_grad;
  const auto batch = with_proposals(fast_rcnn_golden().at("pool").at("cases")[0].at("proposals"));
  const auto before = model->detect(batch), after = plain->detect(batch);
  for (size_t i = 0; i < before.size(); ++i) {
    ASSERT_EQ(before[i].boxes.sizes(), after[i].boxes.sizes());
    EXPECT_GT(before[i].boxes.size(0), 20);
    EXPECT_TRUE(at::equal(before[i].labels, after[i].labels));
    EXPECT_LT((before[i].boxes - after[i].boxes).abs().max().item<double>(), 1e-4);  // of 96 pixels: 1e-6
  }
}

TEST(FastRcnn, AFileHasFoldedWeightsAndAStateDoesNot) {
  const TempFolder folder;
  const auto json = fast_rcnn_config("pool", R"(, "target_statistics": "per_class")");
  const auto config = config::Config::parse(R"({"model": )" + json + "}", "here");
  const DescribedModel described{with_statistics(), {{1, "a"}, {2, "b"}, {3, "c"}}, config};
  const auto state = state_of(*described.model);
  EXPECT_TRUE(state.contains("roi_heads.box_predictor.target_mean"));
  save_model(folder.path() / "m.safetensors", described);
  const auto loaded = state_of(*load_model(folder.path() / "m.safetensors").model);
  EXPECT_EQ(loaded.size() + 2, state.size());
  const auto name = "roi_heads.box_predictor.bbox_pred.weight";
  EXPECT_FALSE(at::equal(loaded.at(name), state.at(name)));
  EXPECT_TRUE(at::equal(loaded.at(name), described.model->published(state).at(name)));
}

TEST(FastRcnn, LoadedWeightsMeanTheSameWithStatistics) {
  const std::string bbox_pred = "roi_heads.box_predictor.bbox_pred.";
  const auto model = with_statistics({bbox_pred + "weight", bbox_pred + "bias"});
  const auto plain = fast_rcnn(fast_rcnn_config("pool"));
  fill(*plain);
  const auto published = model->published(state_of(*model)), loaded = state_of(*plain);
  EXPECT_FALSE(at::equal(state_of(*model).at(bbox_pred + "weight"), loaded.at(bbox_pred + "weight")));
  for (const auto& [name, tensor] : loaded) {
    EXPECT_TRUE(at::allclose(published.at(name), tensor, 1e-6, 1e-7)) << name;
  }
}

TEST(FastRcnn, BeginningAgainKeepsWhatWasLearnt) {
  const auto model = with_statistics();
  const auto before = model->published(state_of(*model));
  std::map<std::string, at::Tensor> copies;
  for (const auto& [name, tensor] : before) copies[name] = tensor.clone();
  model->begin_training(jittered_set(0), {});
  for (const auto& [name, tensor] : model->published(state_of(*model))) {
    EXPECT_TRUE(at::allclose(tensor, copies.at(name), 1e-6, 1e-6)) << name;
  }
}

TEST(FastRcnn, StatisticsNeedStoredProposalsAndClasses) {
  auto json = fast_rcnn_config("pool", R"(, "target_statistics": "per_class")");
  json.replace(json.find("fast_rcnn"), 9, "faster_rcnn");
  EXPECT_THAT(message_of<ConfigError>([&] { fast_rcnn(json); }),
              testing::AllOf(HasSubstr("roi.target_statistics"), HasSubstr("box_weights")));
  const auto agnostic =
      fast_rcnn_config("pool", R"(, "target_statistics": "per_class", "class_agnostic": true)");
  EXPECT_THAT(message_of<ConfigError>([&] { fast_rcnn(agnostic); }), HasSubstr("class_agnostic"));
}

}  // namespace
}  // namespace rcnn::nn
