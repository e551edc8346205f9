#include <rcnn/nn/models/faster_rcnn.h>

#include "tests/nn/necks/oracle.h"
#include "tests/support/message_of.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

/// A detector over c3..c5 of a small ResNet.
std::shared_ptr<FasterRcnnImpl> detector_with(const std::string& neck, const std::string& sizes,
                                              const std::string& roi = R"({"head": {"hidden": 16}})",
                                              const std::string& more = "",
                                              const std::string& conv = "plain") {
  torch::manual_seed(1);
  const auto json = R"({"type": "faster_rcnn",
    "backbone": {"type": "resnet18", "width": 8, "levels": ["c3", "c4", "c5"], "frozen_stages": 0,
                 "conv": ")" +
                    conv + R"("},
    "neck": )" + neck +
                    R"(, "rpn": {"anchors": {"sizes": )" + sizes + R"(}}, "roi": )" + roi + more + "}";
  return std::dynamic_pointer_cast<FasterRcnnImpl>(
      make_faster_rcnn(config::Config::parse(json, "f.json").root(), 3));
}

const char* const kFive = "[16, 32, 64, 96, 128]";

TEST(Neck, ImagesArePaddedToWhatItAsksFor) {
  const torch::NoGradGuard no_grad;
  const ImageBatch images{.images = {image(100, 150, 0)}, .sizes = {{100, 150}}};
  const auto finest = [&](const std::string& neck, const std::string& more) {
    const auto maps = detector_with(neck, kFive, R"({"head": {"hidden": 16}})", more)->feature_maps(images);
    return maps.front().sizes().slice(2).vec();
  };
  const std::string bifpn = R"({"type": "bifpn", "channels": 8, "repeats": 1, "norm": "frozen"})";
  EXPECT_EQ(finest(bifpn, ""), (std::vector<int64_t>{128 / 8, 256 / 8}));
  EXPECT_EQ(finest(bifpn, R"(, "size_divisor": 32)"), (std::vector<int64_t>{128 / 8, 160 / 8}));
  const std::string fpn = R"({"type": "fpn", "channels": 8, "extra_levels": {"type": ")";
  EXPECT_EQ(finest(fpn + R"(conv"}})", ""), (std::vector<int64_t>{128 / 8, 256 / 8}));
  EXPECT_EQ(finest(fpn + R"(pool", "count": 2}})", ""), (std::vector<int64_t>{128 / 8, 160 / 8}));
}

TEST(Neck, AnchorsHaveASizeForEachOfItsLevels) {
  EXPECT_NE(message_of<ConfigError>([] {
              detector_with(R"({"type": "nas_fpn", "channels": 8, "stacks": 1})", "[16, 32, 64]");
            }).find("f.json: rpn: anchors.sizes needs one size for each of the 5 levels"),
            std::string::npos);
}

TEST(Neck, APoolerThatTheHeadCannotTakeIsNamed) {
  const std::string panet = R"({"type": "panet", "channels": 8})";
  EXPECT_NE(message_of<ConfigError>([&] {
              detector_with(panet, "[16, 32, 64, 96]", R"({"pooler": {"type": "adaptive"}})");
            }).find("f.json: roi.head.type: takes one grid of features a RoI, the pooler gives 3; adaptive"),
            std::string::npos);
}

TEST(Neck, ImagesArePaddedUntilEverySwitchableConvolutionHasItsLeastMap) {
  const torch::NoGradGuard no_grad;
  const std::string fpn = R"({"type": "fpn", "channels": 8})";
  const auto finest = [&](const std::string& conv, ImageSize size) {
    const auto model = detector_with(fpn, "[16, 32, 64, 96]", R"({"head": {"hidden": 16}})", "", conv);
    const auto maps = model->feature_maps({.images = {image(size.height, size.width, 0)}, .sizes = {size}});
    return maps.front().sizes().slice(2).vec();
  };
  EXPECT_EQ(finest("aws", {1, 40}), (std::vector<int64_t>{4, 8}));
  EXPECT_EQ(finest("sac", {1, 40}), (std::vector<int64_t>{12, 12}));
  EXPECT_EQ(finest("deformable_sac", {100, 64}), (std::vector<int64_t>{16, 12}));
}

struct Combination {
  std::string neck, sizes, roi, conv = "plain";
};

const std::string kHidden = R"({"head": {"hidden": 16}})";

/// Every neck, and both adaptive heads.
const std::vector<Combination> kCombinations = {
    {R"({"type": "fpn", "channels": 8, "norm": "group", "norm_groups": 4, "extra_levels": {"type": "conv"}})",
     kFive, kHidden},
    {R"({"type": "panet", "channels": 8, "norm": "group", "norm_groups": 4})", "[16, 32, 64, 96]",
     R"({"pooler": {"type": "adaptive", "size": 4},
         "head": {"type": "adaptive", "hidden": 16, "norm": "group", "norm_groups": 4}})"},
    {R"({"type": "panet", "form": "pafpn", "channels": 8})", "[16, 32, 64, 96]",
     R"({"pooler": {"type": "adaptive", "size": 4},
         "head": {"type": "adaptive", "hidden": 16, "convs": 2, "channels": 8, "fusion": "sum"}})"},
    {R"({"type": "bifpn", "channels": 8, "repeats": 2})", kFive, kHidden},
    {R"({"type": "nas_fpn", "channels": 8, "stacks": 2})", kFive, kHidden},
    {R"({"type": "rfp", "channels": 8})", "[16, 32, 64, 96]", kHidden},
    {R"({"type": "rfp", "channels": 8, "shared": true})", "[16, 32, 64, 96]", kHidden, "deformable_sac"},
    {R"({"type": "aug_fpn", "channels": 8, "norm": "group", "norm_groups": 4})", "[16, 32, 64, 96]",
     R"({"pooler": {"type": "soft", "size": 4}, "head": {"hidden": 16},
         "auxiliary": {"head": {"hidden": 16}}})"}};

TEST(Neck, TrainsInADetectorAndAllOfItLearns) {
  for (const auto& [neck, sizes, roi, conv] : kCombinations) {
    SCOPED_TRACE(neck);
    const auto model = detector_with(neck, sizes, roi, "", conv);
    model->train();
    const auto losses = model->losses(
        {.images = {image(120, 100, 0), image(90, 128, 50)}, .sizes = {{120, 100}, {90, 128}}},
        {{torch::tensor({{4.f, 6.f, 40.f, 50.f}, {30.f, 10.f, 90.f, 60.f}}), torch::tensor({1, 2}, at::kLong),
          torch::zeros({0, 4})},
         {torch::tensor({{10.f, 20.f, 100.f, 80.f}}), torch::tensor({3}, at::kLong), torch::zeros({0, 4})}});
    at::Tensor sum;
    for (const auto& loss : losses) {
      EXPECT_TRUE(std::isfinite(loss.value.item<double>())) << loss.name;
      sum = sum.defined() ? sum + loss.value : loss.value;
    }
    sum.backward();
    for (const auto& parameter : model->named_parameters()) {
      ASSERT_TRUE(parameter.value().grad().defined()) << parameter.key();
      EXPECT_TRUE(parameter.value().grad().isfinite().all().item<bool>()) << parameter.key();
    }
  }
}

}  // namespace
}  // namespace rcnn::nn
