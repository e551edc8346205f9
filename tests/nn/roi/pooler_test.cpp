#include <rcnn/boxes/box.h>
#include <rcnn/config/config.h>
#include <rcnn/nn/registry.h>
#include <rcnn/nn/roi/pooler.h>
#include <rcnn/ops/roi_align.h>
#include <rcnn/ops/roi_pool.h>

#include "tests/support/message_of.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

const std::vector<FeatureSpec> kPyramid = {{"p2", 1, 4}, {"p3", 1, 8}, {"p4", 1, 16}, {"p5", 1, 32}};

at::Tensor squares(const std::vector<float>& sides) {
  const auto side = torch::tensor(sides), corner = torch::full_like(side, 8);
  return at::stack({corner, corner, corner + side, corner + side}, 1);
}

at::Tensor levels(std::vector<int64_t> values) {
  return torch::tensor(values, at::kLong);
}

TEST(LevelPooler, LevelsAreThePapers) {
  const auto boxes = squares({55, 56, 111, 112, 223, 224, 447, 448, 10000});
  EXPECT_TRUE(identical(LevelPoolerImpl(kPyramid, {}).levels(boxes), levels({0, 0, 0, 1, 1, 2, 2, 3, 3})));
  // Without p2 the small ones go to p3, which is then number 0.
  EXPECT_TRUE(identical(LevelPoolerImpl({kPyramid[1], kPyramid[2]}, {}).levels(boxes),
                        levels({0, 0, 0, 0, 0, 1, 1, 1, 1})));
}

TEST(LevelPooler, TheAreaDecidesTheLevel) {
  const auto boxes =
      torch::tensor({{0.f, 0.f, 448.f, 112.f}, {0.f, 0.f, 448.f, 111.f}, {5.f, 5.f, 5.f, 90.f}});
  EXPECT_TRUE(identical(LevelPoolerImpl(kPyramid, {}).levels(boxes), levels({2, 1, 0})));
  EXPECT_TRUE(identical(LevelPoolerImpl(kPyramid, {}).levels(torch::zeros({0, 4})), levels({})));
}

TEST(LevelPooler, PoolsEachBoxFromItsLevelAndImage) {
  std::vector<at::Tensor> maps;
  for (int64_t level = 0; level < 4; ++level) {
    const auto side = 512 >> (level + 2);
    maps.push_back(torch::full({3, 1, side, side}, static_cast<float>(level)));
    for (int64_t image = 0; image < 3; ++image) maps.back()[image] += static_cast<float>(10 * image);
  }
  const auto grids = LevelPoolerImpl(kPyramid, {.size = 2})
                         .forward(maps, {squares({448, 60}), torch::zeros({0, 4}), squares({224, 112, 50})});
  ASSERT_EQ(grids.size(), 1u);
  const auto& pooled = grids[0];
  ASSERT_EQ(pooled.sizes(), (std::vector<int64_t>{5, 1, 2, 2}));
  const auto expected = torch::tensor({3.f, 0.f, 22.f, 21.f, 20.f}).view({5, 1, 1, 1}).expand({5, 1, 2, 2});
  EXPECT_TRUE(close(pooled, expected));
}

TEST(LevelPooler, OptionsReachTheOp) {
  torch::manual_seed(1);
  const auto map = at::randn({1, 2, 20, 20});
  const std::vector<at::Tensor> boxes = {squares({33, 70})};
  const auto rois = boxes::to_rois(boxes);
  const std::vector<FeatureSpec> one = {{"c4", 2, 16}};
  const auto aligned =
      LevelPoolerImpl(one, {.size = 3, .sampling_ratio = 0, .aligned = true}).forward({map}, boxes)[0];
  EXPECT_TRUE(identical(
      aligned,
      ops::roi_align(map, rois, 1. / 16, {.height = 3, .width = 3, .sampling_ratio = 0, .aligned = true})));
  const auto pooled =
      LevelPoolerImpl(one, {.kind = RoiPoolerOptions::Kind::pool, .size = 4}).forward({map}, boxes)[0];
  EXPECT_TRUE(identical(pooled, ops::roi_pool(map, rois, 4, 4, 1. / 16)));
}

TEST(LevelPooler, RoisOfTheSameCellsPoolTheSame) {
  const RoiPoolerOptions pool{.kind = RoiPoolerOptions::Kind::pool, .size = 3};
  const LevelPoolerImpl one({{"c4", 2, 16}}, pool);
  // Half a cell rounds away from zero, on both sides of it.
  EXPECT_TRUE(identical(one.cells(torch::tensor({{8.f, 7.9f, 40.f, 39.9f}, {-8.f, -7.9f, 24.f, 23.9f}})),
                        torch::tensor({{1., 0., 3., 2.}, {-1., 0., 2., 1.}}, at::kDouble)));
  EXPECT_EQ(one.cells(torch::zeros({0, 4})).sizes(), (std::vector<int64_t>{0, 4}));
  EXPECT_FALSE(LevelPoolerImpl(kPyramid, {}).cells(squares({33})).defined()) << "RoIAlign does not round";

  torch::manual_seed(3);
  const auto map = at::randn({1, 2, 20, 20});
  const auto corner = at::rand({300, 2}) * 300 - 10, size = at::rand({300, 2}) * 60;
  const auto boxes = at::cat({corner, corner + size}, 1);
  const auto middles = one.cells(boxes).to(at::kFloat) * 16;
  LevelPoolerImpl pooler({{"c4", 2, 16}}, pool);
  EXPECT_TRUE(identical(pooler.forward({map}, {boxes})[0], pooler.forward({map}, {middles})[0]));
}

TEST(LevelPooler, NoBoxesGiveAnEmptyGrid) {
  const std::vector<at::Tensor> boxes = {torch::zeros({0, 4}), torch::zeros({0, 4})};
  std::vector<at::Tensor> maps;
  for (int level = 0; level < 4; ++level) maps.push_back(torch::zeros({2, 1, 32 >> level, 32 >> level}));
  EXPECT_EQ(LevelPoolerImpl(kPyramid, {}).forward(maps, boxes)[0].sizes(),
            (std::vector<int64_t>{0, 1, 7, 7}));
  const RoiPoolerOptions pool{.kind = RoiPoolerOptions::Kind::pool};
  EXPECT_EQ(LevelPoolerImpl({kPyramid[0]}, pool).forward({maps[0]}, boxes)[0].sizes(),
            (std::vector<int64_t>{0, 1, 7, 7}));
}

TEST(LevelPooler, RoiPoolOnAPyramidIsRefused) {
  EXPECT_NE(message_of<ConfigError>([] {
              LevelPooler(kPyramid, RoiPoolerOptions{.kind = RoiPoolerOptions::Kind::pool});
            }).find("roi.pooler.type"),
            std::string::npos);
}

// The equation's number of a level would be another one's, or none's: torchvision pools zeros then.
TEST(LevelPooler, LevelsThatAreNoPyramidAreRefused) {
  const auto make = [](const std::vector<int64_t>& strides) {
    std::vector<FeatureSpec> levels;
    for (const int64_t stride : strides) levels.push_back({"p", 1, stride});
    LevelPoolerImpl(levels, {});
  };
  const auto message = [&](const std::vector<int64_t>& strides) {
    return message_of<ConfigError>([&] { make(strides); });
  };
  EXPECT_NE(message({4, 16}).find("levels of strides 4, 16 are no pyramid"), std::string::npos);
  for (const auto& strides : std::vector<std::vector<int64_t>>{
           {4, 8, 32}, {8, 4}, {16, 16}, {4, 8, 16, 16}, {6, 12, 24}, {0, 0}, {-4, -8}}) {
    EXPECT_NE(message(strides).find("are no pyramid"), std::string::npos) << at::IntArrayRef(strides);
  }
  for (const auto& strides : std::vector<std::vector<int64_t>>{{6}, {4, 8}, {1, 2, 4}, {64, 128}}) {
    EXPECT_NO_THROW(make(strides)) << at::IntArrayRef(strides);
  }
}

TEST(LevelPooler, ReadsAndChecksItsKeys) {
  const auto make = [](const char* json) {
    return poolers().make(config::Config::parse(json, "f.json").root(), {{"c4", 3, 16}});
  };
  const auto grids = make(R"({"type": "pool", "size": 14, "sampling_ratio": 0, "aligned": true})")->grids();
  ASSERT_EQ(grids.size(), 1u);
  EXPECT_EQ(grids[0].channels, 3);
  EXPECT_EQ(grids[0].size, 14);
  EXPECT_EQ(make("{}")->grids()[0].size, 7);
  RoiPoolerOptions options;
  options.read(config::Config::parse(R"({"sampling_ratio": 0, "aligned": true})", "f.json").root());
  EXPECT_EQ(options.sampling_ratio, 0);
  EXPECT_TRUE(options.aligned);
  for (const auto& [json, key] : std::vector<std::pair<const char*, const char*>>{
           {R"({"type": "crop"})", "f.json: type: unknown type 'crop'; known: adaptive, align"},
           {R"({"size": 0})", "f.json: size"},
           {R"({"sampling_ratio": -1})", "f.json: sampling_ratio"},
           {R"({"sampling_ratio": 1025})", "f.json: sampling_ratio"},
           {R"({"level_rule": "paper"})", "f.json: level_rule"},
           {R"({"type": "pool", "level_rule": "mmdetection"})", "f.json: level_rule"},
           {R"({"algined": true})", "aligned"}}) {
    EXPECT_NE(message_of<ConfigError>([&, text = json] { make(text); }).find(key), std::string::npos) << json;
  }
}

}  // namespace
}  // namespace rcnn::nn
