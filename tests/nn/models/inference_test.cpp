#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/models/faster_rcnn.h>
#include <rcnn/nn/models/inference.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/support/devices.h"
#include "tests/support/tensors.h"
#include "tests/support/tiny_model.h"

namespace rcnn::nn {
namespace {

/// Norms that do something: statistics and factors away from 0 and 1.
void stir(torch::nn::Module& module) {
  torch::manual_seed(3);
  const torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : state_of(module)) {
    if (!tensor.is_floating_point() || tensor.dim() != 1) continue;
    const bool positive = name.ends_with("var") || name.ends_with("weight");
    at::Tensor(tensor).uniform_(positive ? 0.5 : -0.5, positive ? 1.5 : 0.5);
  }
}

std::shared_ptr<DetectionModelImpl> inferring_model(const std::string& backbone, const std::string& rest) {
  torch::manual_seed(1);
  const auto model =
      make_detection_model(config::Config::parse(R"({"type": "faster_rcnn", "backbone": )" + backbone +
                                                     R"(, "rpn": {"anchors": {"sizes": )" + rest + "}",
                                                 "here")
                               .root(),
                           3);
  stir(*model);
  model->eval();
  return model;
}

const std::string kOneLevel = R"([16, 32, 64]}, "convs": 2}, "roi": {"pooler": {"size": 4}, )";
const std::string kMlp = kOneLevel + R"("head": {"hidden": 16}})";

/// Every kind of layer with a norm, and every kind of norm.
std::vector<std::pair<std::string, std::shared_ptr<DetectionModelImpl>>> inferring_models() {
  return {
      {"resnet18, frozen", inferring_model(R"({"type": "resnet18", "width": 8})", kMlp)},
      {"resnet50, batch", inferring_model(R"({"type": "resnet50", "width": 4, "norm": "batch"})", kMlp)},
      {"vgg16", inferring_model(R"({"type": "vgg16", "width": 4})", kMlp)},
      {"vgg16_bn", inferring_model(R"({"type": "vgg16_bn", "width": 4, "norm": "batch"})", kMlp)},
      {"res5", inferring_model(R"({"type": "resnet50", "width": 4})",
                               kOneLevel + R"("head": {"type": "res5", "depth": 50, "width": 4}})")},
      {"dilated",
       inferring_model(R"({"type": "resnet50", "width": 4, "levels": ["c5"], "c5_dilation": 2})", kMlp)},
      {"pyramid", inferring_model(R"({"type": "resnet18", "width": 8, "levels": ["c2", "c3", "c4", "c5"]},
           "neck": {"type": "fpn", "channels": 16, "norm": "batch"})",
                                  R"([16, 32, 64, 128, 256]}}, "roi": {"pooler": {"size": 4},
           "head": {"type": "conv", "convs": 2, "channels": 8, "hidden": 16, "norm": "batch"}})")},
      {"group norms",
       inferring_model(R"({"type": "resnet18", "width": 8, "norm": "group", "norm_groups": 4,
           "levels": ["c3", "c4", "c5"]},
           "neck": {"type": "panet", "channels": 16, "norm": "group", "norm_groups": 4})",
                       R"([16, 32, 64, 128]}}, "roi": {"pooler": {"type": "adaptive", "size": 4},
           "head": {"type": "adaptive", "hidden": 16, "norm": "group", "norm_groups": 4}})")},
      {"bifpn", inferring_model(R"({"type": "resnet18", "width": 8, "levels": ["c3", "c4", "c5"]},
           "neck": {"type": "bifpn", "channels": 16, "repeats": 2})",
                                R"([16, 32, 64, 96, 128]}}, "roi": {"pooler": {"size": 4},
           "head": {"hidden": 16}})")},
      {"nas_fpn", inferring_model(R"({"type": "resnet18", "width": 8, "levels": ["c3", "c4", "c5"]},
           "neck": {"type": "nas_fpn", "channels": 16, "stacks": 2})",
                                  R"([16, 32, 64, 96, 128]}}, "roi": {"pooler": {"size": 4},
           "head": {"hidden": 16}})")},
      {"aug_fpn", inferring_model(R"({"type": "resnet18", "width": 8, "levels": ["c3", "c4", "c5"]},
           "neck": {"type": "aug_fpn", "channels": 16})",
                                  R"([16, 32, 64, 128]}}, "roi": {"pooler": {"type": "soft", "size": 4},
           "head": {"hidden": 16}, "auxiliary": {"head": {"hidden": 16}}})")},
      {"pyramid without norms",
       inferring_model(R"({"type": "resnet18", "width": 8, "levels": ["c3", "c4", "c5"]},
           "neck": {"type": "fpn", "channels": 16})",
                       R"([16, 32, 64, 128]}}, "roi": {"pooler": {"size": 4},
           "head": {"hidden": 16}})")},
  };
}

ImageBatch plain_images() {
  torch::manual_seed(2);
  return {.images = {torch::randint(0, 256, {100, 150, 3}, at::kByte)}, .sizes = {{100, 150}}};
}

class PrepareForInference : public test::OnDevice {
 protected:
  /// inferring_models() there.
  static auto models_there() {
    auto all = inferring_models();
    for (auto& [name, model] : all) model->to(device());
    return all;
  }
};

TEST_P(PrepareForInference, ChangesResultsByRoundingAlone) {
  const torch::NoGradGuard no_grad;
  for (const auto& [name, model] : models_there()) {
    SCOPED_TRACE(name);
    // In float64, where no choice among boxes hangs on a last digit: there is nothing left to round by.
    model->to(at::kDouble);
    const auto before = model->detect(plain_images()).front();
    prepare_for_inference(*model, Precision::fp32);
    const auto after = model->detect(plain_images()).front();
    ASSERT_GT(before.scores.size(0), 0);
    ASSERT_EQ(after.boxes.sizes(), before.boxes.sizes());
    EXPECT_LT((after.boxes - before.boxes).abs().max().item<double>(), 1e-3);
    EXPECT_LT((after.scores - before.scores).abs().max().item<double>(), 1e-6);
    EXPECT_TRUE(at::equal(after.labels, before.labels));
  }
}

TEST_P(PrepareForInference, MapsOfFloat32AreTheSameUpToRounding) {
  const torch::NoGradGuard no_grad;
  for (const auto& [name, model] : models_there()) {
    SCOPED_TRACE(name);
    auto& faster_rcnn = dynamic_cast<FasterRcnnImpl&>(*model);
    const auto before = faster_rcnn.feature_maps(plain_images());
    prepare_for_inference(*model, Precision::fp32);
    const auto after = faster_rcnn.feature_maps(plain_images());
    ASSERT_EQ(after.size(), before.size());
    for (size_t i = 0; i < before.size(); ++i) {
      EXPECT_LT((after[i] - before[i]).norm().item<double>(), 1e-5 * before[i].norm().item<double>());
    }
  }
}

TEST_P(PrepareForInference, ComputesInBfloat16AndAnswersInFloat32) {
  const torch::NoGradGuard no_grad;
  for (const auto& [name, model] : models_there()) {
    SCOPED_TRACE(name);
    auto& faster_rcnn = dynamic_cast<FasterRcnnImpl&>(*model);
    const auto exact = faster_rcnn.feature_maps(plain_images());
    prepare_for_inference(*model, Precision::bf16);
    const Autocast autocast(device().type(), Precision::bf16);
    const auto rounded = faster_rcnn.feature_maps(plain_images());
    for (size_t i = 0; i < exact.size(); ++i) {
      EXPECT_EQ(rounded[i].scalar_type(), at::kBFloat16);
      // 8 bits, through up to fifty layers in a row.
      EXPECT_LT((rounded[i] - exact[i]).norm().item<double>(), 0.1 * exact[i].norm().item<double>());
    }
    const auto found = model->detect(plain_images()).front();
    EXPECT_EQ(found.boxes.scalar_type(), at::kFloat);
    EXPECT_EQ(found.scores.scalar_type(), at::kFloat);
  }
}

TEST_P(PrepareForInference, LeavesNothingToLearnAndIsDoneOnce) {
  const auto model = models_there().front().second;
  model->train();
  prepare_for_inference(*model, Precision::fp32);
  EXPECT_FALSE(model->is_training());
  for (const auto& parameter : model->parameters()) EXPECT_FALSE(parameter.requires_grad());
  const torch::NoGradGuard no_grad;
  const auto once = model->detect(plain_images()).front();
  prepare_for_inference(*model, Precision::fp32);
  EXPECT_TRUE(at::equal(model->detect(plain_images()).front().boxes, once.boxes));
}

TEST_P(PrepareForInference, RefusesBfloat16OfAnotherType) {
  const auto model = models_there().front().second;
  model->to(at::kDouble);
  EXPECT_NE(test::error_of([&] { prepare_for_inference(*model, Precision::bf16); }), "");
}

INSTANTIATE_TEST_SUITE_P(, PrepareForInference, test::devices(), test::device_name);

}  // namespace
}  // namespace rcnn::nn
