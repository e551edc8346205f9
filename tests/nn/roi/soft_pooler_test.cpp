#include <rcnn/boxes/box.h>
#include <rcnn/nn/roi/soft_pooler.h>
#include <rcnn/ops/roi_align.h>

#include "tests/nn/necks/oracle.h"
#include "tests/support/message_of.h"
#include "tests/support/names.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

std::vector<FeatureSpec> levels_of(const std::vector<int64_t>& strides, int64_t channels) {
  std::vector<FeatureSpec> levels;
  for (const auto stride : strides) levels.push_back({fmt::format("p{}", levels.size()), channels, stride});
  return levels;
}

std::shared_ptr<RoiPoolerImpl> soft_pooler(const std::vector<FeatureSpec>& levels,
                                           const std::string& rest = "") {
  return poolers().make(config::Config::parse(R"({"type": "soft")" + rest + "}", "f.json").root(), levels);
}

/// RoIAlign of the first level and others, as the pooler's options say.
std::vector<at::Tensor> aligned(const std::vector<at::Tensor>& maps, const std::vector<FeatureSpec>& levels,
                                const std::vector<at::Tensor>& boxes) {
  std::vector<at::Tensor> grids;
  for (size_t i = 0; i < maps.size(); ++i) {
    grids.push_back(ops::roi_align(maps[i], boxes::to_rois(boxes),
                                   1.0 / static_cast<double>(levels[i].stride),
                                   {.height = 7, .width = 7, .sampling_ratio = 2, .aligned = false}));
  }
  return grids;
}

std::vector<at::Tensor> random_maps(const std::vector<FeatureSpec>& levels) {
  torch::manual_seed(1);
  std::vector<at::Tensor> maps;
  for (const auto& level : levels) {
    maps.push_back(at::randn({2, level.channels, 128 / level.stride, 96 / level.stride}));
  }
  return maps;
}

const std::vector<at::Tensor> kSoftBoxes = {
    torch::tensor({{3.f, 5.f, 90.f, 100.f}, {10.f, 10.f, 14.f, 19.f}}),
    torch::tensor({{0.f, 0.f, 96.f, 128.f}})};

TEST(SoftPooler, IsWhatTorchvisionsPiecesMake) {
  const auto want = golden("aug_fpn.json").at("soft_pooler");
  const auto strides = want.at("strides").get<std::vector<int64_t>>();
  const auto channels = want.at("channels").get<int64_t>();
  const auto pooler = soft_pooler(levels_of(strides, channels));
  pooler->to(at::kDouble);
  fill_neck(*pooler);
  std::vector<std::vector<int64_t>> sizes;
  for (const auto stride : strides) sizes.push_back({128 / stride, 96 / stride});
  const auto maps = oracle_maps(std::vector<int64_t>(strides.size(), channels), sizes);
  std::vector<at::Tensor> boxes;
  for (const auto& of_image : want.at("boxes").get<std::vector<std::vector<std::vector<float>>>>()) {
    boxes.push_back(torch::zeros({std::ssize(of_image), 4}));
    for (size_t i = 0; i < of_image.size(); ++i) {
      for (size_t c = 0; c < 4; ++c)
        boxes.back()[static_cast<int64_t>(i)][static_cast<int64_t>(c)] = of_image[i][c];
    }
  }
  const auto grids = pooler->forward(maps, boxes);
  ASSERT_EQ(grids.size(), 1u);
  EXPECT_EQ(grids[0].sizes().vec(), want.at("shape").get<std::vector<int64_t>>());
  expect_summary(grids[0], want.at("grids"), "grids");
  grids[0].flatten().dot(cosines(grids[0].numel())).backward();
  for (size_t i = 0; i < maps.size(); ++i) {
    expect_summary(maps[i].grad(), want.at("map_gradients").at(i), fmt::format("gradient of map {}", i));
  }
  for (const auto& parameter : pooler->named_parameters()) {
    expect_summary(parameter.value().grad(), want.at("gradients").at(parameter.key()), parameter.key());
  }
}

TEST(SoftPooler, WithoutTheLastConvolutionIsHalfOfTheSumOfTheGrids) {
  const torch::NoGradGuard no_grad;
  const auto levels = levels_of({4, 8, 16, 32}, 3);
  const auto pooler = soft_pooler(levels);
  for (const auto& [name, tensor] : state_of(*pooler)) {
    if (name.starts_with("spatial_attention_conv.2.")) at::Tensor(tensor).zero_();
  }
  const auto maps = random_maps(levels);
  const auto grids = aligned(maps, levels, kSoftBoxes);
  EXPECT_TRUE(
      close(pooler->forward(maps, kSoftBoxes).front(), (grids[0] + grids[1] + grids[2] + grids[3]) / 2));
}

TEST(SoftPooler, GivesOneGridAndHasTheAuthorsNames) {
  const auto pooler = soft_pooler(levels_of({4, 8, 16, 32}, 256));
  ASSERT_EQ(pooler->grids().size(), 1u);
  EXPECT_EQ(pooler->grids()[0].channels, 256);
  EXPECT_EQ(pooler->grids()[0].size, 7);
  EXPECT_EQ(shapes_of(*pooler), (Shapes{{"spatial_attention_conv.0.weight", {256, 1024, 1, 1}},
                                        {"spatial_attention_conv.0.bias", {256}},
                                        {"spatial_attention_conv.2.weight", {4, 256, 3, 3}},
                                        {"spatial_attention_conv.2.bias", {4}}}));
}

TEST(SoftPooler, TheGradientReachesTheBoxes) {
  const auto levels = levels_of({4, 8}, 3);
  const auto pooler = soft_pooler(levels);
  EXPECT_TRUE(pooler->is_differentiable_in_boxes());
  const auto maps = random_maps(levels);
  const auto gradient_by = [&](auto pool) {
    const auto boxes = torch::tensor({{3.f, 5.f, 90.f, 100.f}}).requires_grad_();
    const auto grid = pool(std::vector<at::Tensor>{boxes, torch::zeros({0, 4})});
    return torch::autograd::grad({grid.square().sum()}, {boxes}).front();
  };
  const auto state = state_of(*pooler);
  const auto name = [](const char* layer) { return std::string("spatial_attention_conv.") + layer; };
  const auto want = gradient_by([&](const std::vector<at::Tensor>& boxes) {
    const auto grids = aligned(maps, levels, boxes);
    const auto hidden =
        at::relu(at::conv2d(at::cat(grids, 1), state.at(name("0.weight")), state.at(name("0.bias"))));
    const auto weights =
        at::sigmoid(at::conv2d(hidden, state.at(name("2.weight")), state.at(name("2.bias")), 1, 1));
    return weights.narrow(1, 0, 1) * grids[0] + weights.narrow(1, 1, 1) * grids[1];
  });
  const auto got =
      gradient_by([&](const std::vector<at::Tensor>& boxes) { return pooler->forward(maps, boxes).front(); });
  EXPECT_GT(want.abs().max().item<double>(), 0);
  EXPECT_TRUE(close(got, want, 1e-5, 1e-4));
}

TEST(SoftPooler, FusesForInference) {
  const torch::NoGradGuard no_grad;
  const auto levels = levels_of({4, 8, 16}, 4);
  const auto pooler = soft_pooler(levels), rounded = soft_pooler(levels);
  fill_neck(*pooler);
  fill_neck(*rounded);
  const auto maps = random_maps(levels);
  const auto want = pooler->forward(maps, kSoftBoxes).front();
  dynamic_cast<Fusible&>(*pooler).fuse(Precision::fp32);
  EXPECT_TRUE(close(pooler->forward(maps, kSoftBoxes).front(), want, 1e-5));
  EXPECT_EQ(pooler->forward(maps, {torch::zeros({0, 4}), torch::zeros({0, 4})}).front().sizes(),
            (std::vector<int64_t>{0, 4, 7, 7}));
  dynamic_cast<Fusible&>(*rounded).fuse(Precision::bf16);
  std::vector<at::Tensor> small;
  for (const auto& map : maps) small.push_back(map.to(at::kBFloat16));
  const Autocast autocast(at::kCPU, Precision::bf16);
  const auto in_bfloat16 = rounded->forward(small, kSoftBoxes).front().to(at::kFloat);
  EXPECT_LT((in_bfloat16 - want).norm().item<double>(), 0.02 * want.norm().item<double>()) << "8 bits";
}

TEST(SoftPooler, AWrongConfigNamesTheKey) {
  EXPECT_NE(message_of<ConfigError>([] {
              soft_pooler(levels_of({16}, 4));
            }).find("f.json: type: soft selects among several levels, and RoIs are pooled from one"),
            std::string::npos);
  auto uneven = levels_of({4, 8}, 4);
  uneven[1].channels = 5;
  EXPECT_NE(message_of<ConfigError>([&] { soft_pooler(uneven); }).find("f.json: type: soft sums levels"),
            std::string::npos);
  EXPECT_NE(message_of<ConfigError>([] {
              soft_pooler(levels_of({4, 8}, 4), R"(, "size": 0)");
            }).find("f.json: size"),
            std::string::npos);
}

}  // namespace
}  // namespace rcnn::nn
