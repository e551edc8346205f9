// mmdetection's rules that configs/_base_/models/mmdetection_r50_fpn.json chooses, one by one. Whole
// detectors are compared in tests/parity.

#include <cmath>
#include <filesystem>

#include <spdlog/fmt/fmt.h>

#include <rcnn/boxes/anchors.h>
#include <rcnn/config/config.h>
#include <rcnn/nn/roi/pooler.h>
#include <rcnn/nn/roi/roi_heads.h>
#include <rcnn/nn/rpn/rpn.h>

#include "tests/support/goldens.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

class Mmdetection : public testing::Test {
 protected:
  at::Tensor boxes(const char* name) const {
    std::vector<float> all;
    for (const auto& row : rules_.at(name)) {
      for (const auto& value : row) all.push_back(value.get<float>());
    }
    return torch::tensor(all).view({-1, 4});
  }

  config::Node model() const { return config_.root().child("model"); }

  const nlohmann::json rules_ = golden("mmdetection.json").at("rules");
  const config::Config config_ =
      config::Config::load(std::filesystem::path(RCNN_CONFIGS) / "necks/resnet50_fpn_coco.json");
};

std::vector<ImageSize> sizes_of(const nlohmann::json& maps) {
  std::vector<ImageSize> sizes;
  for (const auto& map : maps) sizes.push_back({map.at(0), map.at(1)});
  return sizes;
}

const std::vector<int64_t> kStrides = {4, 8, 16, 32, 64};

TEST_F(Mmdetection, DeltasAreLimitedOnBothSides) {
  BoxBranchOptions options;
  options.read(model().child("roi"));
  const auto decoded = boxes::BoxCoder(options.coder).decode(boxes("references"), boxes("deltas"));
  EXPECT_TRUE(close(decoded, boxes("decoded"), 1e-6, 1e-3));  // of coordinates up to 6000
  options.coder.limit = boxes::BoxCoderOptions::Limit::above;
  const auto above = boxes::BoxCoder(options.coder).decode(boxes("references"), boxes("deltas"));
  EXPECT_FALSE(close(above, boxes("decoded"), 1e-6, 1e-3)) << "some shrink by more";
  EXPECT_EQ(RpnOptions::from(model().child("rpn")).delta_limit, boxes::BoxCoderOptions::Limit::both);
}

TEST_F(Mmdetection, RoisAreOfItsLevels) {
  const std::vector<FeatureSpec> features = {{"p2", 1, 4}, {"p3", 1, 8}, {"p4", 1, 16}, {"p5", 1, 32}};
  const auto sides = torch::tensor(rules_.at("sides").get<std::vector<float>>());
  const auto squares = at::stack({at::zeros_like(sides), at::zeros_like(sides), sides, sides}, 1);
  const auto levels = torch::tensor(rules_.at("levels").get<std::vector<int64_t>>());
  using Rule = RoiPoolerOptions::LevelRule;
  EXPECT_TRUE(
      identical(LevelPoolerImpl(features, {.level_rule = Rule::mmdetection}).levels(squares), levels));
  EXPECT_FALSE(identical(LevelPoolerImpl(features, {}).levels(squares), levels)) << "just below a power";
  // It counts from the finest level, whatever its stride.
  const std::vector<FeatureSpec> coarser = {{"p3", 1, 8}, {"p4", 1, 16}, {"p5", 1, 32}, {"p6", 1, 64}};
  EXPECT_TRUE(identical(LevelPoolerImpl(coarser, {.level_rule = Rule::mmdetection}).levels(squares), levels));

  const auto pooler = make_roi_heads_of(model(), features, 2);
  const auto& made = dynamic_cast<const LevelPoolerImpl&>(pooler->pooler());
  EXPECT_TRUE(identical(made.levels(squares), levels));
}

TEST_F(Mmdetection, AnchorsAndWhatTheyLearnAreItsOwn) {
  const auto options = RpnOptions::from(model().child("rpn"));
  const auto anchors = at::cat(
      boxes::AnchorGenerator(options.anchors, kStrides).anchors(sizes_of(rules_.at("maps")), at::kCPU));
  EXPECT_TRUE(close(anchors.slice(0, 0, std::nullopt, 97), boxes("some_anchors"), 1e-6, 1e-4));

  const Target target{boxes("truths"), torch::tensor(rules_.at("labels").get<std::vector<int64_t>>()),
                      torch::zeros({0, 4})};
  const auto got = boxes::match(anchors, target, options.matcher);
  const auto positives = torch::tensor(rules_.at("positives").get<std::vector<int64_t>>());
  const auto truths = torch::tensor(rules_.at("their_truths").get<std::vector<int64_t>>());
  EXPECT_TRUE(identical((got.labels > 0).nonzero().squeeze(1), positives));
  EXPECT_TRUE(identical(got.truth.index_select(0, positives), truths));
  EXPECT_TRUE(identical(got.labels.index_select(0, positives), target.labels.index_select(0, truths)));
  EXPECT_EQ((got.labels == 0).sum().item<int64_t>(), rules_.at("negatives").get<int64_t>());
  // Neither of the two rules alone says the same.
  auto others = options.matcher;
  others.low_quality_iou = 0;
  EXPECT_GT((boxes::match(anchors, target, others).labels > 0).sum().item<int64_t>(), positives.size(0));
  others = options.matcher;
  others.low_quality_target = boxes::MatcherOptions::LowQualityTarget::own;
  const auto own = boxes::match(anchors, target, others);
  EXPECT_TRUE(identical((own.labels > 0).nonzero().squeeze(1), positives));
  EXPECT_FALSE(identical(own.truth.index_select(0, positives), truths));
}

// An image of 70 x 90, padded to 96 x 96 by itself, in a batch of 96 x 256, without objects. Logits are 1 on
// one level and 0 on the others: the loss tells that level's share of the anchors that take part.
TEST_F(Mmdetection, AnchorsOfAnotherImagesPaddingTakeNoPart) {
  const auto maps = sizes_of(rules_.at("batch_maps"));
  const auto valid = rules_.at("valid_cells").get<std::vector<int64_t>>();
  auto options = RpnOptions::from(model().child("rpn"));
  options.sampler = {.count = 1'000'000, .positive_fraction = 1};
  std::vector<FeatureSpec> features;
  for (size_t i = 0; i < kStrides.size(); ++i)
    features.push_back({fmt::format("p{}", i + 2), 4, kStrides[i]});
  const torch::NoGradGuard no_grad;
  const Target nothing{torch::zeros({0, 4}), torch::zeros({0}, at::kLong), torch::zeros({0, 4})};
  for (const bool dropped : {true, false}) {
    if (!dropped) options.cross_boundary = RpnOptions::CrossBoundary::keep;
    Rpn rpn(features, options);
    for (auto& parameter : rpn->parameters()) parameter.zero_();
    auto named = rpn->named_parameters();
    named["head.conv.0.0.weight"].select(3, 1).select(2, 1).fill_(0.25);
    named["head.cls_logits.weight"].fill_(0.25);
    for (size_t level = 0; level < maps.size(); ++level) {
      SCOPED_TRACE(testing::Message() << dropped << " " << level);
      std::vector<at::Tensor> inputs;
      for (size_t i = 0; i < maps.size(); ++i) {
        inputs.push_back(at::full({1, 4, maps[i].height, maps[i].width}, i == level ? 1.0 : 0.0));
      }
      const auto loss = rpn->losses(inputs, {{70, 90}}, {nothing})[0].value.item<double>();
      int64_t all = 0;
      std::vector<int64_t> cells;
      for (size_t i = 0; i < maps.size(); ++i) {
        cells.push_back(dropped ? valid[i] : maps[i].height * maps[i].width);
        all += cells.back();
      }
      const double share = static_cast<double>(cells[level]) / static_cast<double>(all);
      EXPECT_NEAR(loss, std::log(2.0) + share * (std::log1p(std::exp(1.0)) - std::log(2.0)), 1e-5);
    }
  }
}

}  // namespace
}  // namespace rcnn::nn
