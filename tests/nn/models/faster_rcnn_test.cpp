#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/models/faster_rcnn.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/nn/models/oracle.h"
#include "tests/support/message_of.h"
#include "tests/support/names.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using Json = nlohmann::json;

constexpr int64_t kClasses = 3;

// Every anchor and every RoI counts, so nothing is random (tests/oracle/make_faster_rcnn.py).
constexpr const char* kC4 = R"({
  "type": "faster_rcnn",
  "backbone": {"type": "resnet18", "width": 8, "levels": ["c4"], "frozen_stages": 0},
  "rpn": {"anchors": {"sizes": [16, 32, 48]}, "batch_per_image": 1048576,
          "train": {"pre_nms": 150, "post_nms": 60}, "test": {"pre_nms": 150, "post_nms": 40}},
  "roi": {"head": {"type": "mlp"}, "batch_per_image": 1048576}
})";
constexpr const char* kFpn = R"({
  "type": "faster_rcnn",
  "backbone": {"type": "resnet18", "width": 8, "levels": ["c2", "c3", "c4", "c5"], "frozen_stages": 0},
  "neck": {"type": "fpn", "channels": 16},
  "rpn": {"anchors": {"sizes": [8, 16, 32, 64, 96]}, "batch_per_image": 1048576,
          "train": {"pre_nms": 150, "post_nms": 60}, "test": {"pre_nms": 150, "post_nms": 40}},
  "roi": {"head": {"type": "mlp"}, "batch_per_image": 1048576}
})";

std::shared_ptr<DetectionModelImpl> make_faster_rcnn(const std::string& json) {
  return make_detection_model(config::Config::parse(json, "test").root(), kClasses);
}

Json golden() {
  return Json::parse(std::ifstream(RCNN_FIXTURES "/faster_rcnn.json"));
}

class FasterRcnnGolden : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(FasterRcnnGolden, LossesAndGradientsAreTorchvisions) {
  const auto [kind, config] = GetParam();
  auto model = make_faster_rcnn(config);
  fill(*model);
  model->train();
  const auto all = golden();
  for (const auto& want : all.at(kind).at("cases")) {
    SCOPED_TRACE(want.at("targets").dump());
    model->zero_grad();
    at::Tensor sum = torch::zeros({});
    for (const auto& loss : model->losses(oracle_images(), targets(want.at("targets")))) {
      const auto value = want.at("losses").at(loss.name).get<double>();
      EXPECT_NEAR(loss.value.item<double>(), value, 1e-5 * std::max(1.0, value)) << loss.name;
      sum = sum + loss.value;
    }
    sum.backward();
    for (const auto& item : model->named_parameters()) {
      const auto& gradient = item.value().grad();
      const auto g = gradient.defined() ? gradient.to(torch::kDouble).flatten()
                                        : torch::zeros({item.value().numel()}, torch::kDouble);
      const auto probe = torch::cos(0.3 * torch::arange(g.numel(), torch::kDouble));
      const auto norm = want.at("gradients").at(item.key())[0].get<double>();
      const auto projection = want.at("gradients").at(item.key())[1].get<double>();
      EXPECT_NEAR(g.norm().item<double>(), norm, 1e-4 * norm + 1e-7) << item.key();
      // The projection is a sum with cancellation: its error scales with the gradient's norm.
      EXPECT_NEAR(g.dot(probe).item<double>(), projection, 1e-3 * norm + 1e-7) << item.key();
    }
  }
}

TEST_P(FasterRcnnGolden, DetectionsAreTorchvisions) {
  const auto [kind, config] = GetParam();
  auto model = make_faster_rcnn(config);
  fill(*model);
  model->eval();
  const torch::NoGradGuard no_grad;
  const auto detections = model->detect(oracle_images());
  const auto want = golden().at(kind).at("detections");
  ASSERT_EQ(detections.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    const auto count = static_cast<int64_t>(want[i].at("scores").size());
    ASSERT_EQ(detections[i].scores.size(0), count);
    EXPECT_GT(count, 5);
    for (int64_t d = 0; d < count; ++d) {
      EXPECT_NEAR(detections[i].scores[d].item<double>(), want[i].at("scores")[d].get<double>(), 1e-4);
      EXPECT_EQ(detections[i].labels[d].item<int64_t>(), want[i].at("labels")[d].get<int64_t>());
      for (int64_t c = 0; c < 4; ++c) {
        EXPECT_NEAR(detections[i].boxes[d][c].item<double>(), want[i].at("boxes")[d][c].get<double>(), 1e-2);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Necks, FasterRcnnGolden,
                         testing::Values(std::pair{"c4", kC4}, std::pair{"fpn", kFpn}),
                         [](const auto& info) { return std::string(info.param.first); });

TEST(FasterRcnn, NamesAndShapesOfResNet50FpnAreTorchvisions) {
  const auto model = make_detection_model(config::Config::parse(R"({
    "type": "faster_rcnn",
    "backbone": {"type": "resnet50", "levels": ["c2", "c3", "c4", "c5"]},
    "neck": {"type": "fpn"},
    "rpn": {"anchors": {"sizes": [32, 64, 128, 256, 512]}}})",
                                                                "test")
                                              .root(),
                                          90);
  EXPECT_EQ(test::shapes_of(*model), test::torchvision_shapes("fasterrcnn_resnet50_fpn"));
}

TEST(FasterRcnn, ABatchWithoutAnyBoxGivesFiniteLossesAndGradients) {
  auto model = make_faster_rcnn(kC4);
  model->train();
  at::Tensor sum = torch::zeros({});
  for (const auto& loss : model->losses(oracle_images(), targets(Json::parse(R"([{"boxes": [], "labels": []},
                                                                          {"boxes": [], "labels": []}])")))) {
    EXPECT_TRUE(torch::isfinite(loss.value).item<bool>()) << loss.name;
    sum = sum + loss.value;
  }
  sum.backward();
  for (const auto& item : model->named_parameters()) {
    if (item.value().grad().defined()) {
      EXPECT_TRUE(torch::isfinite(item.value().grad()).all().item<bool>()) << item.key();
    }
  }
}

TEST(FasterRcnn, ZeroProposalsAndZeroBoxesGiveZeroHeadLosses) {
  auto model = make_faster_rcnn(kC4);
  fill(*model);
  const torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : state_of(*model)) {
    // A tiny predicted size leaves no proposal above min_size: exp(-1000) is 0.
    if (name == "rpn.head.bbox_pred.bias") at::Tensor(tensor).fill_(-1000);
  }
  model->train();
  const auto losses = model->losses(oracle_images(), targets(Json::parse(R"([{"boxes": [], "labels": []},
                                                                      {"boxes": [], "labels": []}])")));
  EXPECT_EQ(losses[2].value.item<float>(), 0);
  EXPECT_EQ(losses[3].value.item<float>(), 0);
  model->eval();
  for (const auto& detections : model->detect(oracle_images())) EXPECT_EQ(detections.boxes.size(0), 0);
}

TEST(FasterRcnn, AnIgnoreRegionKeepsItsAnchorsOutOfTheLoss) {
  auto model = make_faster_rcnn(kC4);
  fill(*model);
  model->train();
  const torch::NoGradGuard no_grad;
  auto with = targets(golden().at("c4").at("cases")[0].at("targets"));
  const auto before = model->losses(oracle_images(), with);
  with[0].ignore = torch::tensor({{0.f, 0.f, 96.f, 64.f}});
  const auto after = model->losses(oracle_images(), with);
  EXPECT_NE(before[0].value.item<float>(), after[0].value.item<float>());
}

TEST(FasterRcnn, FrozenStagesHaveNoGradient) {
  std::string config = kC4;
  config.replace(config.find("\"frozen_stages\": 0"), 18, "\"frozen_stages\": 2");
  auto model = make_faster_rcnn(config);
  for (const auto& item : model->named_parameters()) {
    const bool frozen =
        item.key().starts_with("backbone.body.conv1") || item.key().starts_with("backbone.body.layer1");
    EXPECT_EQ(item.value().requires_grad(), !frozen) << item.key();
  }
}

TEST(FasterRcnn, Vgg16AndRes5HeadsTrainAndDetect) {
  for (const auto* config : {R"({"type": "faster_rcnn", "backbone": {"type": "vgg16", "width": 4},
            "rpn": {"anchors": {"sizes": [16, 32, 64]}, "cross_boundary": "drop"},
            "roi": {"pooler": {"type": "pool"}, "head": {"type": "mlp", "hidden": 32, "dropout": 0.5}}})",
                             R"({"type": "faster_rcnn", "backbone": {"type": "resnet50", "width": 4},
            "rpn": {"anchors": {"sizes": [16, 32, 64]}},
            "roi": {"pooler": {"size": 14}, "head": {"type": "res5", "depth": 50, "width": 4},
                    "class_agnostic": true}})"}) {
    auto model = make_faster_rcnn(config);
    model->train();
    at::Tensor sum = torch::zeros({});
    for (const auto& loss :
         model->losses(oracle_images(), targets(golden().at("c4").at("cases")[0].at("targets")))) {
      sum = sum + loss.value;
    }
    sum.backward();
    EXPECT_TRUE(torch::isfinite(sum).item<bool>());
    model->eval();
    const torch::NoGradGuard no_grad;
    EXPECT_EQ(model->detect(oracle_images()).size(), 2u);
  }
}

TEST(FasterRcnn, PadsToItsSizeDivisor) {
  std::string config = kC4;
  const auto maps = [&](const std::string& key) {
    auto model = make_faster_rcnn(std::string(config).insert(1, key));
    return dynamic_cast<FasterRcnnImpl&>(*model)
        .feature_maps({{image(65, 97, 0)}, {{65, 97}}})[0]
        .sizes()
        .vec();
  };
  EXPECT_EQ(maps("").back(), 128 / 16);
  EXPECT_EQ(maps(R"("size_divisor": 64,)")[2], 128 / 16);
  EXPECT_EQ(maps(R"("size_divisor": 16,)")[2], 80 / 16);
  EXPECT_NE(message_of<ConfigError>([&] { maps(R"("size_divisor": 1,)"); }).find("multiple of 16"),
            std::string::npos);
  const auto anchors = config.find("\"anchors\": {");
  ASSERT_NE(anchors, std::string::npos);
  config.insert(anchors + 12, R"("spacing": "stride", )");
  EXPECT_EQ(maps(R"("size_divisor": 1,)").back(), 7);  // 97 / 16, rounded up
}

TEST(FasterRcnn, AWrongConfigNamesTheKey) {
  const auto message = [](const std::string& json) {
    try {
      make_faster_rcnn(json);
      return std::string("no error");
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
  };
  EXPECT_NE(message(R"({"type": "faster_rcnn", "backbone": {"type": "resnet19"}})").find("known: resnet101"),
            std::string::npos);
  EXPECT_NE(message(R"({"type": "faster_rcnn", "backbone": {"type": "vgg16", "widht": 4}})").find("widht"),
            std::string::npos);
  EXPECT_NE(message(R"({"type": "faster_rcnn", "backbone": {"type": "resnet18", "levels": ["c3", "c2"]}})")
                .find("levels"),
            std::string::npos);
  for (const char* backbone : {R"({"type": "resnet18", "levels": ["c2", "c4"]})",
                               R"({"type": "resnet50", "levels": ["c4", "c5"], "c5_dilation": 2})"}) {
    EXPECT_NE(message(std::string(R"({"type": "faster_rcnn", "backbone": )") + backbone +
                      R"(, "neck": {"type": "fpn"}, "rpn": {"anchors": {"sizes": [8, 16, 32]}}})")
                  .find("model.backbone.levels must leave none out"),
              std::string::npos)
        << backbone;
  }
}

/// One map of stride 32: the mean colours of its cells.
class MeanColours : public FeatureExtractorImpl {
 public:
  Features forward(const at::Tensor& images) override {
    return {.maps = {at::avg_pool2d(images, 32) * scale_}};
  }
  std::vector<FeatureSpec> levels() const override { return {{"mean", 3, 32}}; }

 private:
  at::Tensor scale_ = register_parameter("scale", torch::ones({1}));
};

TEST(FasterRcnn, TakesPartsFromOutside) {
  torch::manual_seed(5);
  const auto extractor = std::make_shared<MeanColours>();
  const auto levels = extractor->levels();
  const auto roi = config::Config::parse(R"({"head": {"hidden": 4}})", "test");
  FasterRcnnImpl model(extractor, Rpn(levels, RpnOptions{.anchors = {.sizes = {32}}}),
                       make_roi_heads(roi.root(), levels, kClasses));
  EXPECT_TRUE(state_of(model).contains("backbone.scale"));
  at::Tensor sum = torch::zeros({});
  std::vector<std::string> names;
  for (const auto& loss :
       model.losses(oracle_images(), targets(golden().at("c4").at("cases")[0].at("targets")))) {
    names.push_back(loss.name);
    sum = sum + loss.value;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"loss_objectness", "loss_rpn_box_reg", "loss_classifier",
                                             "loss_box_reg"}));
  sum.backward();
  EXPECT_NE(state_of(model).at("backbone.scale").grad().item<float>(), 0);
  model.eval();
  const torch::NoGradGuard no_grad;
  EXPECT_EQ(model.detect(oracle_images()).size(), 2u);
}

TEST(FasterRcnn, SaysWhatDependsOnTheClasses) {
  const auto model = make_faster_rcnn(kC4);
  const auto other = make_detection_model(config::Config::parse(kC4, "test").root(), kClasses + 4);
  const auto of_other = state_of(*other);
  for (const auto& [name, tensor] : state_of(*model)) {
    EXPECT_EQ(model->depends_on_classes(name), tensor.sizes() != of_other.at(name).sizes()) << name;
  }
  EXPECT_EQ(model->classes_in(of_other), kClasses + 4);
  EXPECT_EQ(model->classes_in({}), 0);
}

TEST(FasterRcnn, ImagesWithoutTargetsAreRefused) {
  auto model = make_faster_rcnn(kC4);
  EXPECT_NE(test::error_of([&] {
              model->losses(oracle_images(), {});
            }).find("targets: expected one for each of 2 images, got 0"),
            std::string::npos);
}

}  // namespace
}  // namespace rcnn::nn
