#include <rcnn/boxes/box.h>
#include <rcnn/config/config.h>
#include <rcnn/nn/registry.h>
#include <rcnn/nn/roi/adaptive_pooler.h>
#include <rcnn/ops/roi_align.h>

#include "tests/support/message_of.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

std::shared_ptr<RoiPoolerImpl> adaptive_pooler(const char* json, const std::vector<FeatureSpec>& levels) {
  return poolers().make(config::Config::parse(json, "f.json").root(), levels);
}

TEST(AdaptivePooler, PoolsEveryRoiFromEveryLevel) {
  torch::manual_seed(1);
  const std::vector<FeatureSpec> levels = {{"p2", 3, 4}, {"p3", 3, 8}, {"p5", 3, 32}};  // of any strides
  std::vector<at::Tensor> maps;
  for (const auto& level : levels) maps.push_back(at::randn({2, 3, 128 / level.stride, 96 / level.stride}));
  const std::vector<at::Tensor> boxes = {torch::tensor({{3.f, 5.f, 90.f, 100.f}, {10.f, 10.f, 14.f, 19.f}}),
                                         torch::tensor({{0.f, 0.f, 96.f, 128.f}})};
  const auto pooler =
      adaptive_pooler(R"({"type": "adaptive", "size": 5, "sampling_ratio": 0, "aligned": true})", levels);
  const auto grids = pooler->forward(maps, boxes);
  ASSERT_EQ(grids.size(), 3u);
  ASSERT_EQ(pooler->grids().size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(pooler->grids()[i].channels, 3);
    EXPECT_EQ(pooler->grids()[i].size, 5);
    const auto want =
        ops::roi_align(maps[i], boxes::to_rois(boxes), 1.0 / static_cast<double>(levels[i].stride),
                       {.height = 5, .width = 5, .sampling_ratio = 0, .aligned = true});
    EXPECT_TRUE(identical(grids[i], want)) << i;
  }
  EXPECT_TRUE(pooler->is_differentiable_in_boxes());
}

TEST(AdaptivePooler, NoBoxesGiveEmptyGrids) {
  const std::vector<FeatureSpec> levels = {{"p2", 3, 4}, {"p3", 3, 8}};
  const auto grids =
      adaptive_pooler(R"({"type": "adaptive"})", levels)
          ->forward({torch::zeros({1, 3, 8, 8}), torch::zeros({1, 3, 4, 4})}, {torch::zeros({0, 4})});
  ASSERT_EQ(grids.size(), 2u);
  for (const auto& grid : grids) EXPECT_EQ(grid.sizes(), (std::vector<int64_t>{0, 3, 7, 7}));
}

TEST(AdaptivePooler, ReadsThePoolersKeys) {
  EXPECT_NE(message_of<ConfigError>([] {
              adaptive_pooler(R"({"type": "adaptive", "size": 0})", {{"p2", 3, 4}});
            }).find("f.json: size"),
            std::string::npos);
}

}  // namespace
}  // namespace rcnn::nn
