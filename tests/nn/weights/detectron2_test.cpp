// What detectron2's configs change in anchors and pooling, beside a few numbers of detectron2's own. Whole
// detectors are compared in tests/parity.

#include <filesystem>

#include <rcnn/boxes/anchors.h>
#include <rcnn/config/config.h>
#include <rcnn/nn/roi/pooler.h>
#include <rcnn/nn/rpn/rpn.h>

#include "tests/support/goldens.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

config::Config shipped(const std::string& name) {
  return config::Config::load(std::filesystem::path(RCNN_CONFIGS) / "detectron2" / (name + ".json"));
}

TEST(Detectron2, RoisArePooledAlignedAndFromTheSameLevels) {
  const auto want = golden("detectron2.json");
  const std::vector<FeatureSpec> features = {{"p2", 2, 4}, {"p3", 2, 8}, {"p4", 2, 16}, {"p5", 2, 32}};
  std::vector<at::Tensor> maps;
  for (const auto& map : want["maps"]) maps.push_back(golden_tensor(map));
  const auto boxes = golden_tensor(want["boxes"]);
  const auto pooled = [&](const std::string& config, const std::vector<FeatureSpec>& levels,
                          const std::vector<at::Tensor>& features_of_levels) {
    const auto all = shipped(config);
    RoiPoolerOptions options;
    options.read(all.root().child("model").child("roi").child("pooler"));
    options.size = 2;
    return LevelPoolerImpl(levels, options).forward(features_of_levels, {boxes})[0];
  };
  EXPECT_TRUE(close(pooled("faster_rcnn_R_50_FPN", features, maps), golden_tensor(want["pooled_fpn"]), 1e-5));
  EXPECT_TRUE(
      close(pooled("faster_rcnn_R_50_C4", {features[2]}, {maps[2]}), golden_tensor(want["pooled_c4"]), 1e-5));
}

TEST(Detectron2, AnchorsKeepTheirFractionsAndTheStride) {
  const auto want = golden("detectron2.json");
  const auto anchors = [](const std::string& config, const std::vector<int64_t>& strides,
                          const std::vector<ImageSize>& maps) {
    const auto all = shipped(config);
    const auto options = RpnOptions::from(all.root().child("model").child("rpn")).anchors;
    return boxes::AnchorGenerator(options, strides).anchors(maps, at::kCPU).back();
  };
  // Coordinates are up to 1000: two roundings of float32.
  EXPECT_TRUE(close(anchors("faster_rcnn_R_50_C4", {16}, {{1, 2}}), golden_tensor(want["anchors_c4"]), 1e-4));
  EXPECT_TRUE(
      close(anchors("faster_rcnn_R_50_FPN", {4, 8, 16, 32, 64}, {{32, 16}, {16, 8}, {8, 4}, {4, 2}, {2, 1}}),
            golden_tensor(want["anchors_p6"]), 1e-4));
}

}  // namespace
}  // namespace rcnn::nn
