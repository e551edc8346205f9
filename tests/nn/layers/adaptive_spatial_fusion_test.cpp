#include <cmath>

#include <rcnn/nn/layers/adaptive_spatial_fusion.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/support/names.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

std::vector<at::Tensor> three_maps() {
  std::vector<at::Tensor> maps;
  for (int i = 0; i < 3; ++i) maps.push_back(at::randn({2, 4, 5, 6}, at::kDouble));
  return maps;
}

AdaptiveSpatialFusion fusion_of_three() {
  torch::manual_seed(1);
  AdaptiveSpatialFusion fusion(4, 3);
  fusion->to(at::kDouble);
  return fusion;
}

TEST(AdaptiveSpatialFusion, WeighsEveryPlaceByASigmoidOfItsOwn) {
  const torch::NoGradGuard no_grad;
  auto fusion = fusion_of_three();
  const auto state = state_of(*fusion);
  const auto maps = three_maps();
  const auto hidden = at::relu(at::conv2d(at::cat(maps, 1), state.at("0.weight"), state.at("0.bias")));
  const auto weights = at::sigmoid(at::conv2d(hidden, state.at("2.weight"), state.at("2.bias"), 1, 1));
  at::Tensor want = at::zeros_like(maps[0]);
  for (int64_t i = 0; i < 3; ++i)
    want = want + weights.select(1, i).unsqueeze(1) * maps[static_cast<size_t>(i)];
  EXPECT_TRUE(close(fusion->forward(maps), want, 1e-12, 1e-12));
  fusion->fuse(Precision::fp32);
  EXPECT_TRUE(close(fusion->forward(maps), want, 1e-12, 1e-12)) << "fused for inference";
}

TEST(AdaptiveSpatialFusion, WithoutASecondConvolutionIsHalfOfTheSum) {
  const torch::NoGradGuard no_grad;
  auto fusion = fusion_of_three();
  for (const auto& [name, tensor] : state_of(*fusion)) {
    if (name.starts_with("2.")) at::Tensor(tensor).zero_();
  }
  const auto maps = three_maps();
  EXPECT_TRUE(close(fusion->forward(maps), (maps[0] + maps[1] + maps[2]) / 2, 1e-12, 1e-12));
}

TEST(AdaptiveSpatialFusion, BeginsXavierUniform) {
  torch::manual_seed(2);
  const auto state = state_of(*AdaptiveSpatialFusion(64, 3));
  EXPECT_EQ(
      shapes_of(*AdaptiveSpatialFusion(64, 3)),
      (Shapes{
          {"0.weight", {64, 192, 1, 1}}, {"0.bias", {64}}, {"2.weight", {3, 64, 3, 3}}, {"2.bias", {3}}}));
  for (const auto& [name, fans] : {std::pair{"0.weight", 192 + 64}, {"2.weight", 9 * (64 + 3)}}) {
    const auto bound = std::sqrt(6.0 / fans);
    const auto largest = state.at(name).abs().max().item<double>();
    EXPECT_LE(largest, bound) << name;
    EXPECT_GT(largest, 0.95 * bound) << name;
  }
  EXPECT_EQ(state.at("0.bias").abs().max().item<double>(), 0);
}

TEST(AdaptiveSpatialFusion, OfNothingIsNothing) {
  auto fusion = fusion_of_three();
  const std::vector<at::Tensor> none(3, at::zeros({0, 4, 7, 7}, at::kDouble));
  const auto result = fusion->forward(none);
  EXPECT_EQ(result.sizes(), (std::vector<int64_t>{0, 4, 7, 7}));
  result.sum().backward();
  EXPECT_EQ(fusion->parameters().front().grad().abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace rcnn::nn
