#include <map>
#include <memory>
#include <string>

#include <ATen/record_function.h>
#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/nn/models/model_summary.h>
#include <rcnn/nn/models/segmentation_model.h>

#include "tests/support/tiny_model.h"

namespace rcnn::nn {
namespace {

using Shape = std::vector<int64_t>;

std::map<std::string, LayerSummary> by_name(const std::vector<LayerSummary>& layers) {
  std::map<std::string, LayerSummary> map;
  for (const auto& layer : layers) map[layer.name] = layer;
  return map;
}

std::shared_ptr<DetectionModelImpl> model(const std::string& text, int64_t classes) {
  return make_detection_model(config::Config::parse(text, "here").root(), classes);
}

TEST(ModelSummary, BothKernelsOfASwitchableConvolutionCount) {
  for (const char* conv : {"sac", "deformable_sac"}) {
    const auto summary = summarize(*model(fmt::format(R"({{"type": "rpn",
      "backbone": {{"type": "resnet18", "width": 4, "levels": ["c3"], "conv": "{}"}}}})",
                                                      conv),
                                          1),
                                   {64, 96});
    auto layers = by_name(summary.layers);
    const auto& layer = layers["backbone.body.layer2.1.conv2"];
    EXPECT_EQ(layer.multiply_adds, 2 * 8 * 12 * 8 * 8 * 9) << conv;
    EXPECT_EQ(layer.outputs, (std::vector<Shape>{{1, 8, 8, 12}, {1, 8, 8, 12}})) << conv;
  }
}

TEST(ModelSummary, OfATinyDetectorIsWhatPaperAndPencilSay) {
  const auto tiny = tiny_model(5);
  const auto summary = summarize(*tiny, {64, 96});
  auto layers = by_name(summary.layers);
  const auto rois = layers["roi_heads.box_head.fc6"].outputs.at(0).at(0);
  ASSERT_GT(rois, 0);

  // A cell of the last map is 16 pixels, so there are 4 x 6; widths are 4, 8, 16, 32, 32.
  EXPECT_EQ(layers["backbone.body.features.0"].parameters, 4 * 3 * 9 + 4);
  EXPECT_EQ(layers["backbone.body.features.0"].multiply_adds, 64 * 96 * 4 * 3 * 9);
  EXPECT_EQ(layers["backbone.body.features.0"].outputs, (std::vector<Shape>{{1, 4, 64, 96}}));
  auto parts = by_name(nn::parts(summary.layers));
  EXPECT_EQ(parts.size(), 4u);
  EXPECT_EQ(parts["backbone.body.features"].multiply_adds,
            64 * 96 * 9 * (3 * 4 + 4 * 4) + 32 * 48 * 9 * (4 * 8 + 8 * 8) +
                16 * 24 * 9 * (8 * 16 + 2 * 16 * 16) + 8 * 12 * 9 * (16 * 32 + 2 * 32 * 32) +
                4 * 6 * 9 * 3 * 32 * 32);
  EXPECT_EQ(parts["backbone.body.features"].outputs, (std::vector<Shape>{{1, 32, 4, 6}}));
  EXPECT_EQ(parts["rpn.head"].multiply_adds, 4 * 6 * (32 * 32 * 9 + 32 * 9 + 32 * 36)) << "9 anchors a cell";
  EXPECT_EQ(parts["rpn.head"].parameters, 32 * 32 * 9 + 32 + 32 * 9 + 9 + 32 * 36 + 36);
  EXPECT_EQ(parts["roi_heads.box_head"].multiply_adds, rois * (32 * 16 * 32 + 32 * 32));
  EXPECT_EQ(parts["roi_heads.box_predictor"].multiply_adds, rois * (32 * 6 + 32 * 24));

  const auto all = total(summary.layers);
  int64_t parameters = 0;
  for (const auto& parameter : tiny->parameters()) parameters += parameter.numel();
  EXPECT_EQ(all.parameters, parameters);
  EXPECT_EQ(all.trainable, parameters);
  EXPECT_EQ(summary.weight_bytes, 4 * parameters);
  EXPECT_EQ(all.multiply_adds,
            parts["backbone.body.features"].multiply_adds + parts["rpn.head"].multiply_adds +
                parts["roi_heads.box_head"].multiply_adds + parts["roi_heads.box_predictor"].multiply_adds);
  EXPECT_FALSE(at::hasCallbacks()) << "nothing watches any more";
}

TEST(ModelSummary, TorchvisionsDetectorHasTorchvisionsParameters) {
  const auto summary = summarize(*model(R"({"type": "faster_rcnn",
    "backbone": {"type": "resnet50", "levels": ["c2", "c3", "c4", "c5"]}, "neck": {"type": "fpn"},
    "rpn": {"anchors": {"sizes": [32, 64, 128, 256, 512]}}, "roi": {"head": {"type": "mlp"}}})",
                                        90),
                                 {64, 64});
  const auto all = total(summary.layers);
  EXPECT_EQ(all.parameters, 41755286) << "what torchvision's documentation says";
  auto parts = by_name(nn::parts(summary.layers));
  EXPECT_EQ(all.parameters - all.trainable,
            parts["backbone.body.conv1"].parameters + parts["backbone.body.layer1"].parameters);
  EXPECT_EQ(parts["backbone.body.layer1"].trainable, 0);
  EXPECT_EQ(
      parts["rpn.head"].outputs,
      (std::vector<Shape>{{1, 12, 16, 16}, {1, 12, 8, 8}, {1, 12, 4, 4}, {1, 12, 2, 2}, {1, 12, 1, 1}}));
  EXPECT_EQ(parts["backbone.body.layer3"].outputs, (std::vector<Shape>{{1, 1024, 4, 4}}));
  EXPECT_FALSE(parts.contains("")) << "every product has its parameter, also where a norm is folded into it";
  for (const auto& layer : summary.layers) EXPECT_GT(layer.multiply_adds, 0) << layer.name;
  // Weights, and four numbers for each channel of the frozen norms.
  EXPECT_EQ(summary.weight_bytes, 4 * (41755286 + 4 * 26560));
}

TEST(ModelSummary, Vgg16At224HasTheMultiplyAddsThatEveryoneQuotes) {
  const auto summary = summarize(*model(R"({"type": "faster_rcnn", "backbone": {"type": "vgg16"},
    "roi": {"pooler": {"type": "pool"}, "head": {"type": "mlp", "hidden": 8}}})",
                                        20),
                                 {224, 224});
  EXPECT_EQ(by_name(parts(summary.layers))["backbone.body.features"].multiply_adds, 15346630656)
      << "15.5 G with its three linear layers";
}

/// Its detect() takes 4000 bytes, gives them back, and takes 2400 and 3200.
class Fake : public DetectionModelImpl {
 public:
  Fake() {
    const auto layer = register_module("layer", std::make_shared<torch::nn::Module>());
    weight_ = layer->register_parameter("weight", at::ones({4, 3}));
  }
  std::vector<Loss> losses(const ImageBatch&, const std::vector<Target>& targets) override {
    targets_ = targets;
    return {{"loss", weight_.sum()}};
  }
  std::vector<Detections> detect(const ImageBatch&) override {
    at::empty({1000});
    const auto a = at::empty({600}), b = at::empty({800});
    if (products_) {
      at::mm(at::ones({5, 3}, at::kDouble), weight_.to(at::kDouble).t());
      at::linear(at::ones({2, 3}), weight_);
      at::bmm(at::ones({2, 3, 4}), at::ones({2, 4, 5}));
      at::conv_transpose1d(at::ones({1, 4, 7}), weight_.unsqueeze(2));
    }
    return {};
  }
  const PixelOptions& pixels() const override { return pixels_; }
  const SuppressionOptions& suppression() const override { return suppression_; }

  bool products_ = false;
  std::vector<Target> targets_;

 private:
  at::Tensor weight_;
  PixelOptions pixels_;
  SuppressionOptions suppression_;
};

TEST(ModelSummary, MemoryIsTheMostThatIsAliveAtOnce) {
  const auto fake = std::make_shared<Fake>();
  const auto summary = summarize(*fake, {32, 48});
  EXPECT_EQ(summary.inference_bytes, 2400 + 3200);
  EXPECT_FALSE(fake->is_training());
}

TEST(ModelSummary, ProductsFindTheirParameterThroughViewsAndCopies) {
  const auto fake = std::make_shared<Fake>();
  fake->products_ = true;
  auto layers = by_name(summarize(*fake, {32, 48}).layers);
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers["layer"].outputs, (std::vector<Shape>{{5, 4}, {2, 4}, {1, 3, 7}}));
  EXPECT_EQ(layers["layer"].multiply_adds, 5 * 3 * 4 + 2 * 3 * 4 + 7 * 4 * 3);
  EXPECT_EQ(layers[""].outputs, (std::vector<Shape>{{2, 3, 5}})) << "no parameter in it";
  EXPECT_EQ(layers[""].multiply_adds, 2 * 3 * 4 * 5);
}

/// Its segment() multiplies once.
class Segmenter : public SegmentationModelImpl {
 public:
  Segmenter() : weight_(register_parameter("weight", at::ones({4, 3}))) {}
  std::vector<Loss> losses(const ImageBatch&, const std::vector<Target>&) override {
    return {{"loss", weight_.sum()}};
  }
  std::vector<at::Tensor> segment(const ImageBatch& images) override {
    at::mm(at::ones({2, 4}), weight_);
    return {at::zeros({images.sizes[0].height, images.sizes[0].width}, at::kByte)};
  }
  const PixelOptions& pixels() const override { return pixels_; }

 private:
  at::Tensor weight_;
  PixelOptions pixels_;
};

TEST(ModelSummary, IsOfModelsThatSegmentToo) {
  const auto segmenter = std::make_shared<Segmenter>();
  const auto summary = summarize(*segmenter, {32, 48});
  EXPECT_EQ(total(summary.layers).multiply_adds, 2 * 4 * 3);
  EXPECT_EQ(total(summary.layers).parameters, 12);
  EXPECT_GE(summary.inference_bytes, 32 * 48);
  EXPECT_GT(training_bytes(*segmenter, {32, 48}), 0);
}

TEST(TrainingMemory, HoldsGradientsAndLeavesNone) {
  const auto tiny = tiny_model(5);
  int64_t parameters = 0;
  for (const auto& parameter : tiny->parameters()) parameters += parameter.numel();
  EXPECT_GT(training_bytes(*tiny, {64, 96}), 4 * parameters);
  EXPECT_LT(training_bytes(*tiny, {64, 96}), training_bytes(*tiny, {128, 192}));
  EXPECT_TRUE(tiny->is_training());
  for (const auto& parameter : tiny->parameters()) EXPECT_FALSE(parameter.grad().defined());

  const auto fake = std::make_shared<Fake>();
  training_bytes(*fake, {32, 48});
  ASSERT_EQ(fake->targets_.size(), 1u);
  EXPECT_EQ(fake->targets_[0].boxes.size(0), fake->targets_[0].labels.size(0));
  EXPECT_TRUE(at::equal(fake->targets_[0].boxes[0], at::tensor({0.0F, 0.0F, 48.0F, 32.0F})));
}

}  // namespace
}  // namespace rcnn::nn
