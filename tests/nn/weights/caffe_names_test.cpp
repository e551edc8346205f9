#include <algorithm>

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/weights/convert_weights.h>
#include <rcnn/nn/weights/initial_weights.h>
#include <rcnn/nn/weights/weight_names.h>

#include "tests/support/caffe_file.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

/// Weights and a bias as a layer's blobs, all values different.
void add_layer(TensorMap& tensors, const std::string& name, at::IntArrayRef shape) {
  tensors.emplace(name + ".blobs.0", at::randn(shape));
  tensors.emplace(name + ".blobs.1", at::randn(shape[0]));
}

TensorMap zf_classifier() {
  torch::manual_seed(1);
  TensorMap tensors;
  add_layer(tensors, "conv1", {8, 3, 7, 7});
  add_layer(tensors, "conv2", {21, 8, 5, 5});
  add_layer(tensors, "conv3", {32, 21, 3, 3});
  add_layer(tensors, "conv4", {32, 32, 3, 3});
  add_layer(tensors, "conv5", {21, 32, 3, 3});
  add_layer(tensors, "fc6", {6, 21 * 36});
  add_layer(tensors, "fc7", {5, 6});
  add_layer(tensors, "fc8", {10, 5});
  return tensors;
}

/// A detector of py-faster-rcnn's over it, of two classes and nine anchors.
TensorMap zf_detector() {
  auto tensors = zf_classifier();
  tensors.erase("fc8.blobs.0");
  tensors.erase("fc8.blobs.1");
  add_layer(tensors, "rpn_conv/3x3", {4, 21, 3, 3});
  add_layer(tensors, "rpn_cls_score", {18, 4, 1, 1});
  add_layer(tensors, "rpn_bbox_pred", {36, 4, 1, 1});
  add_layer(tensors, "cls_score", {3, 5});
  add_layer(tensors, "bbox_pred", {12, 5});
  return tensors;
}

constexpr const char* kZfConfig = R"({"model": {"type": "faster_rcnn", "size_divisor": 1,
  "backbone": {"type": "zf", "width": 8}, "rpn": {"channels": 4, "anchors": {"spacing": "stride"}},
  "roi": {"pooler": {"type": "pool", "size": 6}, "head": {"hidden": [6, 5]}}},
  "data": {"classes": ["a", "b"]}})";

std::string file_of(const TensorMap& tensors, CaffeFormat format) {
  std::string bytes = field(1, "net");
  for (const auto& [name, tensor] : tensors) {
    if (!name.ends_with(".0")) continue;
    const auto layer = name.substr(0, name.find(".blobs."));
    std::vector<at::Tensor> blobs{tensor};
    if (const auto bias = tensors.find(layer + ".blobs.1"); bias != tensors.end())
      blobs.push_back(bias->second);
    bytes += caffe_layer(layer, blobs, format);
  }
  return bytes;
}

TEST(CaffeNames, ADetectorsLayersAndBack) {
  const auto source = zf_detector();
  EXPECT_EQ(weight_names_of(source), WeightNames::caffe);
  const auto here = to_torchvision(source, WeightNames::caffe);
  EXPECT_TRUE(here.left_out.empty());
  EXPECT_EQ(weight_names_of(here.tensors), WeightNames::torchvision);
  for (const auto& [theirs, ours] : std::vector<std::pair<std::string, std::string>>{
           {"conv1.blobs.0", "backbone.body.conv1.weight"},
           {"conv5.blobs.1", "backbone.body.conv5.bias"},
           {"fc6.blobs.0", "roi_heads.box_head.fc6.weight"},
           {"fc7.blobs.1", "roi_heads.box_head.fc7.bias"},
           {"rpn_conv/3x3.blobs.0", "rpn.head.conv.0.0.weight"},
           {"rpn_bbox_pred.blobs.0", "rpn.head.bbox_pred.weight"},
           {"cls_score.blobs.1", "roi_heads.box_predictor.cls_score.bias"}}) {
    ASSERT_TRUE(here.tensors.contains(ours)) << ours;
    EXPECT_TRUE(identical(here.tensors.at(ours), source.at(theirs))) << ours;
  }
  const auto back = from_torchvision(here.tensors, WeightNames::caffe);
  EXPECT_TRUE(back.left_out.empty());
  EXPECT_EQ(back.tensors.size(), source.size());
  for (const auto& [name, tensor] : source) {
    if (name.starts_with("rpn_cls_score")) continue;  // two scores whose difference is the same
    EXPECT_TRUE(close(back.tensors.at(name), tensor)) << name;
  }
  const auto again = to_torchvision(back.tensors, WeightNames::caffe);
  for (const auto& [name, tensor] : here.tensors) EXPECT_TRUE(close(again.tensors.at(name), tensor)) << name;
}

// The first A scores are background's: softmax over the two is the sigmoid of the difference.
TEST(CaffeNames, TwoScoresOfAnAnchorBecomeOne) {
  torch::manual_seed(2);
  TensorMap source;
  add_layer(source, "rpn_cls_score", {18, 4, 1, 1});
  const auto here = to_torchvision(source, WeightNames::caffe).tensors;
  const auto map = at::randn({2, 4, 5, 6});
  const auto theirs = at::conv2d(map, source.at("rpn_cls_score.blobs.0"), source.at("rpn_cls_score.blobs.1"));
  const auto ours =
      at::conv2d(map, here.at("rpn.head.cls_logits.weight"), here.at("rpn.head.cls_logits.bias"));
  const auto objects = theirs.view({2, 2, 9, 5, 6}).softmax(1).select(1, 1);
  EXPECT_TRUE(at::allclose(ours.sigmoid(), objects, 1e-5, 1e-6));
}

TEST(CaffeNames, DeltasOfBoxesAreInUnitsOfTheBoxWeights) {
  TensorMap source;
  add_layer(source, "cls_score", {2, 3});
  add_layer(source, "bbox_pred", {8, 3});
  const auto weights = at::tensor({10., 10., 5., 5.}).to(at::kFloat).repeat({2});
  const auto name = "roi_heads.box_predictor.bbox_pred.";
  const auto here = to_torchvision(source, WeightNames::caffe).tensors;
  EXPECT_TRUE(identical(here.at(fmt::format("{}bias", name)), source.at("bbox_pred.blobs.1") * weights));
  EXPECT_TRUE(identical(here.at(fmt::format("{}weight", name)),
                        source.at("bbox_pred.blobs.0") * weights.unsqueeze(1)));
  const auto raw = to_torchvision(source, WeightNames::caffe, {.box_weights = {1, 1, 1, 1}}).tensors;
  EXPECT_TRUE(identical(raw.at(fmt::format("{}bias", name)), source.at("bbox_pred.blobs.1")));
  const auto config = config::Config::parse(R"({"roi": {"box_weights": [1, 2, 3, 4]}})", "f.json");
  EXPECT_EQ(WeightNamesOptions::from(config.root()).box_weights, (std::array<double, 4>{1, 2, 3, 4}));
}

// models/pascal_voc/ZF/faster_rcnn_alt_opt calls it otherwise than faster_rcnn_end2end.
TEST(CaffeNames, TheRpnsConvolutionHasTwoNames) {
  TensorMap source;
  add_layer(source, "rpn_cls_score", {18, 4, 1, 1});
  add_layer(source, "rpn_conv1", {4, 4, 3, 3});
  const auto here = to_torchvision(source, WeightNames::caffe).tensors;
  EXPECT_TRUE(identical(here.at("rpn.head.conv.0.0.weight"), source.at("rpn_conv1.blobs.0")));
  add_layer(source, "rpn_conv/3x3", {4, 4, 3, 3});
  EXPECT_EQ(message_of<WeightsError>([&] { to_torchvision(source, WeightNames::caffe); }),
            "rpn_conv1.blobs.0 and another layer are both rpn.head.conv.0.0.weight");
}

TEST(CaffeNames, Vgg16sPlacesAreTorchvisions) {
  TensorMap source;
  for (const auto* name : {"conv1_1", "conv1_2", "conv2_1", "conv3_3", "conv5_1", "conv5_3"})
    add_layer(source, name, {2, 2, 3, 3});
  for (const auto* name : {"fc6", "fc7", "fc8"}) add_layer(source, name, {2, 2});
  const auto names_in = [](const TensorMap& tensors) {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : tensors) {
      if (name.ends_with(".weight")) names.push_back(name.substr(0, name.size() - 7));
    }
    return names;
  };
  EXPECT_EQ(
      names_in(to_torchvision(source, WeightNames::caffe).tensors),
      (std::vector<std::string>{"classifier.0", "classifier.3", "classifier.6", "features.0", "features.14",
                                "features.2", "features.24", "features.28", "features.5"}));
  add_layer(source, "cls_score", {2, 2});
  const auto detector = to_torchvision(source, WeightNames::caffe);
  EXPECT_TRUE(detector.tensors.contains("backbone.body.features.28.bias"));
  EXPECT_TRUE(detector.tensors.contains("roi_heads.box_head.fc6.weight"));
  EXPECT_EQ(detector.left_out, (std::vector<std::string>{"fc8", "fc8"}));
}

TEST(CaffeNames, CompressedLayersKeepTheirTwoFactors) {
  TensorMap source = {{"fc6_L.blobs.0", torch::ones({2, 8})}};
  add_layer(source, "fc6_U", {4, 2});
  add_layer(source, "cls_score", {2, 4});
  const auto here = to_torchvision(source, WeightNames::caffe).tensors;
  for (const auto* name : {"fc6_L.weight", "fc6_U.weight", "fc6_U.bias"})
    EXPECT_TRUE(here.contains(fmt::format("roi_heads.box_head.{}", name))) << name;
}

TEST(CaffeNames, OlderAndConvolutionalShapesAreMatrices) {
  for (const auto& shape : std::vector<std::vector<int64_t>>{{1, 1, 6, 36}, {6, 36}, {6, 4, 3, 3}}) {
    const TensorMap source = {{"fc6.blobs.0", torch::arange(216).to(at::kFloat).view(shape)},
                              {"fc6.blobs.1", torch::ones({1, 1, 1, 6})}};
    const auto here = to_torchvision(source, WeightNames::caffe).tensors;
    EXPECT_TRUE(identical(here.at("fc6.weight"), torch::arange(216).to(at::kFloat).view({6, 36})));
    EXPECT_TRUE(identical(here.at("fc6.bias"), torch::ones({6})));
  }
}

TEST(CaffeNames, ShapesThatNoSuchLayerHasAreRefused) {
  const auto error = [](const char* name, const at::Tensor& tensor) {
    return message_of<WeightsError>([&] { to_torchvision({{name, tensor}}, WeightNames::caffe); });
  };
  EXPECT_EQ(error("rpn_cls_score.blobs.1", torch::ones({17})),
            "rpn_cls_score.blobs.1: [17] is no shape of two scores an anchor");
  EXPECT_EQ(error("conv1.blobs.0", torch::ones({4, 4})),
            "conv1.blobs.0: [4, 4] is no shape of a convolution");
  EXPECT_NE(error("fc6.blobs.0", torch::ones({4})), "");
  EXPECT_NE(error("bbox_pred.blobs.1", torch::ones({7})), "");
}

TEST(CaffeNames, ADetectorsFileBecomesOneThatDescribesItself) {
  const TempFolder folder;
  const auto config = config::Config::parse(kZfConfig, "f.json");
  const auto source = zf_detector();
  for (const auto format : {CaffeFormat::v0, CaffeFormat::v1, CaffeFormat::now}) {
    const auto from = folder.write("net.caffemodel", file_of(source, format)),
               to = folder.path() / "out.safetensors";
    const auto result = convert_weights(from, to, {.config = config});
    EXPECT_EQ(result.source, WeightNames::caffe);
    EXPECT_TRUE(result.described);
    EXPECT_TRUE(result.fresh.empty());
    EXPECT_TRUE(result.left_out.empty());
    const auto written = io::read_weight_file(to).tensors;
    for (const auto& [name, tensor] : to_torchvision(source, WeightNames::caffe).tensors)
      EXPECT_TRUE(identical(written.at(name), tensor)) << name;
  }
}

TEST(CaffeNames, AClassifiersFileFillsBackboneAndHead) {
  const TempFolder folder;
  const auto file = folder.write("zf.caffemodel", file_of(zf_classifier(), CaffeFormat::v1));
  const auto model =
      make_detection_model(config::Config::parse(kZfConfig, "f.json").root().child("model"), 2);
  const auto read = read_weights(file);
  EXPECT_EQ(read.left_out, (std::vector<std::string>{"fc8", "fc8"}));
  const auto report = load_initial(*model, read.tensors, file);
  EXPECT_EQ(report.loaded.size(), 14u);
  EXPECT_TRUE(report.unused.empty());
  EXPECT_EQ(doubts_about(report, *model), "");
  const auto state = state_of(*model);
  EXPECT_TRUE(identical(state.at("roi_heads.box_head.fc7.weight"), zf_classifier().at("fc7.blobs.0")));
  EXPECT_TRUE(identical(state.at("backbone.body.conv2.weight"), zf_classifier().at("conv2.blobs.0")));
}

TEST(CaffeNames, AnotherNetworksFileIsRefused) {
  const TempFolder folder;
  auto tensors = zf_classifier();
  tensors.at("conv3.blobs.0") = torch::ones({32, 8, 3, 3});  // AlexNet's groups
  const auto file = folder.write("alex.caffemodel", file_of(tensors, CaffeFormat::now));
  const auto model =
      make_detection_model(config::Config::parse(kZfConfig, "f.json").root().child("model"), 2);
  EXPECT_NE(message_of<WeightsError>([&] {
              load_initial(*model, read_weights(file).tensors, file);
            }).find("backbone.body.conv3.weight [32, 21, 3, 3], the file has [32, 8, 3, 3]"),
            std::string::npos);
}

}  // namespace
}  // namespace rcnn::nn
