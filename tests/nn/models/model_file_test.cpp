#include <rcnn/io/safetensors.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/models/inference.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

constexpr const char* kFileConfig = R"({
  "model": {
    "type": "faster_rcnn",
    "pixels": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.5, 1]},
    "backbone": {"type": "resnet18", "width": 4},
    "rpn": {"anchors": {"sizes": [16, 32]}, "test": {"pre_nms": 50, "post_nms": 20}},
    "roi": {"head": {"type": "mlp", "hidden": 8}, "score_threshold": 0.01}
  },
  "train": {"iterations": 7}
})";
const std::vector<Category> kCategories = {{3, "cat"}, {90, "dog \"of\" Zürich"}};

DescribedModel fresh_model() {
  torch::manual_seed(1);
  auto config = config::Config::parse(kFileConfig, "test");
  auto model = make_detection_model(config.root().child("model"), static_cast<int64_t>(kCategories.size()));
  return {std::move(model), kCategories, std::move(config)};
}

Detections detect(ModelImpl& model) {
  torch::manual_seed(2);
  const torch::NoGradGuard no_grad;
  model.eval();
  return dynamic_cast<DetectionModelImpl&>(model).detect(
      {{at::randint(256, {64, 64, 3}, at::kByte)}, {{64, 64}}})[0];
}

class ModelFile : public testing::Test {
 protected:
  ModelFile() { save_model(file_, original_); }

  std::string load_error() const {
    return message_of<WeightsError>([&] { load_model(file_); });
  }
  std::string path() const { return file_.string(); }

  TempFolder folder_;
  std::filesystem::path file_ = folder_.path() / "model.safetensors";
  DescribedModel original_ = fresh_model();
};

TEST_F(ModelFile, TellsEverythingThatIsNeededToDetect) {
  const auto loaded = load_model(file_);
  EXPECT_EQ(loaded.categories, kCategories);
  EXPECT_EQ(loaded.config.dump(), original_.config.dump());
  EXPECT_EQ(loaded.model->pixels().std, original_.model->pixels().std);
  const auto want = detect(*original_.model), got = detect(*loaded.model);
  EXPECT_GT(want.scores.size(0), 5);
  EXPECT_TRUE(identical(got.boxes, want.boxes));
  EXPECT_TRUE(identical(got.scores, want.scores));
  EXPECT_TRUE(identical(got.labels, want.labels));
}

TEST_F(ModelFile, OverridesChangeTheDescriptionAndStayInIt) {
  const std::string none[] = {"model.roi.score_threshold=0.99"};
  const auto strict = load_model(file_, none);
  EXPECT_EQ(detect(*strict.model).scores.size(0), 0);
  EXPECT_NE(strict.config.dump().find("0.99"), std::string::npos);

  const std::string few[] = {"model.roi.max_detections=3"};
  EXPECT_EQ(detect(*load_model(file_, few).model).scores.size(0), 3);

  const std::string unknown[] = {"model.roi.score_treshold=0.5"};
  EXPECT_NE(message_of<ConfigError>([&] { load_model(file_, unknown); }).find("score_threshold"),
            std::string::npos);
}

TEST_F(ModelFile, PlainWeightsAreRefused) {
  io::write_safetensors(file_, {.tensors = state_of(*original_.model), .metadata = {{"format", "pt"}}});
  EXPECT_EQ(load_error(), path() +
                              ": has weights but no description of the model (config, categories); give a "
                              "file that rcnn train wrote, or describe it: rcnn weights convert " +
                              path() + " OUT.safetensors --config CONFIG");
}

TEST_F(ModelFile, WeightsAreDescribedByAConfig) {
  const auto tensors = state_of(*original_.model);
  const auto described = describe_weights(tensors, original_.config, kCategories, "f");
  EXPECT_TRUE(described.report.fresh.empty());
  save_model(file_, described.model);
  const auto want = detect(*original_.model), got = detect(*load_model(file_).model);
  EXPECT_TRUE(identical(got.boxes, want.boxes));

  const auto numbered = describe_weights(tensors, original_.config, {}, "f").model.categories;
  EXPECT_EQ(numbered, (std::vector<Category>{{1, "1"}, {2, "2"}}));
  const auto named = config::Config::parse(
      std::string(R"({"data": {"classes": ["cat", "dog"]}, )") + std::string(kFileConfig).substr(1), "test");
  EXPECT_EQ(describe_weights(tensors, named, {}, "f").model.categories,
            (std::vector<Category>{{1, "cat"}, {2, "dog"}}));
  const auto others = config::Config::parse(
      std::string(R"({"data": {"classes": ["a", "b", "c"]}, )") + std::string(kFileConfig).substr(1), "test");
  EXPECT_EQ(describe_weights(tensors, others, {}, "f").model.categories, numbered);
}

TEST_F(ModelFile, DescribedForOtherClassesTheLastLayersAreFresh) {
  const auto tensors = state_of(*original_.model);
  const auto other = describe_weights(tensors, original_.config, {{1, "a"}, {2, "b"}, {3, "c"}}, "f");
  EXPECT_EQ(other.report.fresh.size(), 4u);
  EXPECT_TRUE(other.report.fresh[0].starts_with("roi_heads.box_predictor.")) << other.report.fresh[0];
  EXPECT_NE(message_of<WeightsError>([&] {
              describe_weights({{"conv1.weight", torch::ones({1})}}, original_.config, {}, "f");
            }).find("missing: backbone.body.bn1.bias, "),
            std::string::npos);
}

TEST_F(ModelFile, ATruncatedFileIsRefused) {
  const auto size = std::filesystem::file_size(file_);
  for (const auto length : {size - 1, size / 2, uintmax_t{100}, uintmax_t{4}, uintmax_t{0}}) {
    std::filesystem::resize_file(file_, length);
    EXPECT_NE(load_error().find(path()), std::string::npos) << length;
  }
}

TEST_F(ModelFile, BrokenCategoriesAreRefused) {
  auto content = io::read_safetensors(file_);
  for (const char* broken : {"[{\"id\": 1", "[{\"id\": \"one\", \"name\": \"cat\"}]", "[{\"id\": 1}]", "7"}) {
    content.metadata["categories"] = broken;
    io::write_safetensors(file_, content);
    EXPECT_NE(load_error().find(path() + ": its list of categories is broken"), std::string::npos) << broken;
  }
}

TEST_F(ModelFile, WeightsThatDoNotFitTheirDescriptionAreRefused) {
  auto content = io::read_safetensors(file_);
  content.tensors.erase("rpn.head.cls_logits.bias");
  content.metadata["categories"] = R"([{"id": 1, "name": "cat"}])";
  io::write_safetensors(file_, content);
  const auto message = load_error();
  EXPECT_NE(message.find("missing: rpn.head.cls_logits.bias"), std::string::npos) << message;
  EXPECT_NE(message.find("box_predictor.cls_score.weight [2, 8], the file has [3, 8]"), std::string::npos)
      << message;
}

TEST_F(ModelFile, SavingTwiceGivesTheSameBytes) {
  const auto before = file_bytes(file_);
  save_model(file_, load_model(file_));
  EXPECT_EQ(file_bytes(file_), before);
}

TEST_F(ModelFile, AModelThatOnlyDetectsCannotBeSaved) {
  const auto before = file_bytes(file_);
  for (const auto precision : {Precision::fp32, Precision::bf16}) {
    auto loaded = load_model(file_);
    EXPECT_FALSE(only_detects(*loaded.model));
    prepare_for_inference(*loaded.model, precision);
    EXPECT_TRUE(only_detects(*loaded.model));
    EXPECT_EQ(
        message_of<WeightsError>([&] { save_model(file_, loaded); }),
        path() +
            ": not written: the model was prepared for inference, which folds its weights away; save it "
            "before");
  }
  EXPECT_EQ(file_bytes(file_), before);
}

TEST_F(ModelFile, WhatPythonPutsBeforeNamesIsTakenOff) {
  auto content = io::read_safetensors(file_);
  TensorMap wrapped;
  for (const auto& [name, tensor] : content.tensors) wrapped.emplace("_orig_mod.module." + name, tensor);
  content.tensors = wrapped;
  io::write_safetensors(file_, content);
  EXPECT_EQ(load_model(file_).categories, kCategories);
}

}  // namespace
}  // namespace rcnn::nn
