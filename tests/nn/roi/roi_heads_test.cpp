#include <cmath>

#include <rcnn/config/config.h>
#include <rcnn/nn/registry.h>
#include <rcnn/nn/roi/roi_heads.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/support/message_of.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

RoiHeads configured(const std::string& json) {
  return make_roi_heads(config::Config::parse(json, "f.json").root(), {{"c4", 4, 16}}, 2);
}

TEST(RoiHeadsOptions, EveryKeyIsRead) {
  const auto config = config::Config::parse(R"({
    "positive_iou": 0.6, "negative_iou": 0.4, "negative_low": 0.1, "ignore_share": 0.9, "batch_per_image": 64,
    "positive_fraction": 0.5, "score_threshold": 0.3, "nms_threshold": 0.4, "max_detections": 9,
    "box_weights": [1, 2, 3, 4], "class_agnostic": true, "beta": 1, "iterations": 2})",
                                            "f.json");
  RoiHeadsOptions options;
  options.read(config.root());
  EXPECT_EQ(options.matcher.positive_iou, 0.6);
  EXPECT_EQ(options.matcher.negative_iou, 0.4);
  EXPECT_EQ(options.matcher.negative_low, 0.1);
  EXPECT_EQ(options.matcher.ignore_share, 0.9);
  EXPECT_FALSE(options.matcher.low_quality);
  EXPECT_EQ(options.sampler.count, 64);
  EXPECT_EQ(options.sampler.positive_fraction, 0.5);
  EXPECT_EQ(options.suppression.score_threshold, 0.3);
  EXPECT_EQ(options.suppression.nms_threshold, 0.4);
  EXPECT_EQ(options.suppression.max_detections, 9);
  EXPECT_EQ(options.iterations, 2);
  BoxBranchOptions branch;
  branch.read(config.root());
  EXPECT_EQ(branch.coder.weights, (std::array{1., 2., 3., 4.}));
  EXPECT_TRUE(branch.class_agnostic);
  EXPECT_EQ(branch.beta, 1);
  EXPECT_NO_THROW(config.root().finish());
}

TEST(RoiHeads, AreMadeOfAConfig) {
  const auto heads = configured(R"({"pooler": {"size": 3}, "head": {"type": "mlp", "hidden": 8}})");
  const auto state = state_of(*heads);
  EXPECT_EQ(state.at("box_head.fc6.weight").sizes(), (std::vector<int64_t>{8, 4 * 3 * 3}));
  EXPECT_EQ(state.at("box_predictor.cls_score.weight").sizes(), (std::vector<int64_t>{3, 8}));
  EXPECT_EQ(state.size(), 8u);
}

TEST(RoiHeads, WhatIsWrongOfAConfigIsNamed) {
  for (const auto& [json, part] : std::vector<std::pair<const char*, const char*>>{
           {R"({"positive_iou": 0.2})", "negative_iou: must not be above positive_iou"},
           {R"({"box_weights": [1, 2, 3]})", "box_weights: must be four numbers"},
           {R"({"box_weights": [1, 2, 3, 0]})", "f.json: box_weights"},
           {R"({"max_detections": 0})", "f.json: max_detections"},
           {R"({"iterations": 0})", "f.json: iterations"},
           {R"({"score_threshold": 2})", "f.json: score_threshold"},
           {R"({"negative_low": 0.5})", "f.json: negative_low: must be below negative_iou"},
           {R"({"negative_low": 0.3, "negative_iou": 0.2})", "f.json: negative_low: must be below"},
           {R"({"pooler": {"type": "crop"}})", "f.json: pooler.type"},
           {R"({"pooler": {"sise": 7}})", "f.json: pooler.sise"},
           {R"({"head": {"type": "cnn"}})", "f.json: head.type"},
           {R"({"nms_treshold": 0.5})", "nms_threshold"}}) {
    const auto message = message_of<ConfigError>([&, text = json] { configured(text); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

constexpr ImageSize kRoiHeadsSize{.height = 64, .width = 64};

/// Heads of two classes whose logits are the feature map's own values (above 0) at a RoI, and which leave
/// boxes where they are.
RoiHeads reader(const RoiHeadsOptions& options, const BoxBranchOptions& branch = {}) {
  const auto pooler =
      std::make_shared<LevelPoolerImpl>(std::vector<FeatureSpec>{{"c1", 3, 1}}, RoiPoolerOptions{.size = 1});
  const auto head =
      box_heads().make(config::Config::parse(R"({"hidden": 3})", "test").root(), pooler->grids());
  RoiHeads heads(pooler, BoxBranch(head, 2, branch), options);
  const torch::NoGradGuard no_grad;
  for (auto& item : heads->named_parameters()) {
    item.value().zero_();
    if (item.key().ends_with("weight") && item.key().find("bbox_pred") == std::string::npos)
      item.value().fill_diagonal_(1);
  }
  return heads;
}

void set(RoiHeads& heads, const std::string& parameter, const at::Tensor& value) {
  const torch::NoGradGuard no_grad;
  heads->named_parameters()["box_predictor." + parameter].copy_(value);
}

/// A map of `images` on which nothing but background is seen.
at::Tensor background(int64_t images = 1) {
  auto map = torch::zeros({images, 3, 64, 64});
  map.select(1, 0).fill_(50);
  return map;
}

/// Writes what makes the heads see these probabilities in a box of whole pixels.
void paint(const at::Tensor& map, int64_t image, const at::Tensor& box,
           std::initializer_list<float> probabilities) {
  const auto corner = [&](int64_t i) { return box[i].item<int64_t>(); };
  const auto logits = at::log(torch::tensor(std::vector<float>(probabilities))) + 20;
  map[image].slice(1, corner(1), corner(3)).slice(2, corner(0), corner(2)).copy_(logits.view({3, 1, 1}));
}

const at::Tensor kBoxes =
    torch::tensor({{0.f, 0.f, 20.f, 20.f}, {30.f, 0.f, 50.f, 20.f}, {0.f, 30.f, 20.f, 50.f}});

at::Tensor labels(std::vector<int64_t> values) {
  return torch::tensor(values, at::kLong);
}

TEST(RoiHeads, ReportWhatIsAboveTheThresholdBestFirst) {
  auto heads = reader({.suppression = {.score_threshold = 0.05}});
  const auto map = background();
  paint(map, 0, kBoxes[0], {0.4f, 0.56f, 0.04f});
  paint(map, 0, kBoxes[1], {0.1f, 0.06f, 0.84f});
  const auto found = heads->detect({map}, {kBoxes}, {kRoiHeadsSize})[0];
  EXPECT_TRUE(close(found.scores, torch::tensor({0.84f, 0.56f, 0.06f}), 1e-4));
  EXPECT_TRUE(identical(found.labels, labels({2, 1, 1})));
  EXPECT_TRUE(close(found.boxes, kBoxes.index_select(0, labels({1, 0, 1})), 1e-4));
}

/// Sees nothing, and remembers which boxes it was given.
class RecordingPooler : public RoiPoolerImpl {
 public:
  std::vector<at::Tensor> forward(const std::vector<at::Tensor>&,
                                  const std::vector<at::Tensor>& boxes) override {
    seen = boxes;
    return {torch::zeros({at::cat(boxes).size(0), 3, 1, 1})};
  }
  std::vector<GridSpec> grids() const override { return {{3, 1}}; }

  std::vector<at::Tensor> seen;
};

constexpr boxes::BoxCoderOptions kInPixels{.weights = {1, 1, 1, 1}, .convention = boxes::Convention::pixels};

RoiHeads heads_in_pixels(const std::shared_ptr<RoiPoolerImpl>& pooler) {
  const auto head =
      box_heads().make(config::Config::parse(R"({"hidden": 3})", "test").root(), pooler->grids());
  RoiHeads heads(
      pooler, BoxBranch(head, 2, BoxBranchOptions{.coder = kInPixels}),
      RoiHeadsOptions{.suppression = {.score_threshold = 0.3}, .convention = kInPixels.convention});
  const torch::NoGradGuard no_grad;
  for (auto& item : heads->named_parameters()) item.value().zero_();
  return heads;
}

// Twice the size of the image, of which the boxes are [4, 6, 13, 20] and [25, 0, 31, 9] by first and last
// pixel: im_detect() moves their centres (9, 13.5) and (28.5, 5) by a tenth of their widths 10 and 7 and
// makes them half as wide again: [2.5, 6, 17.5, 21], and [23.95, 0, 34.45, 10], which is clipped to 31.
TEST(RoiHeads, InPixelsDetectInTheImagesOwn) {
  const torch::NoGradGuard no_grad;
  auto heads = heads_in_pixels(std::make_shared<RecordingPooler>());
  const Frame frame{.image = {32, 32}, .network = kRoiHeadsSize};
  set(heads, "cls_score.bias", torch::tensor({-20.f, 1.f, -20.f}));
  set(heads, "bbox_pred.bias", torch::tensor({0.1f, 0.f, std::log(1.5f), 0.f}).repeat(3));
  const auto proposals = torch::tensor({{4.f, 6.f, 14.f, 21.f}, {25.f, 0.f, 32.f, 10.f}}) * 2;
  const auto found = heads->detect({background()}, {proposals}, {kRoiHeadsSize}, {frame})[0];
  EXPECT_TRUE(
      close(found.boxes, torch::tensor({{2.5f, 6.f, 18.5f, 22.f}, {23.95f, 0.f, 32.f, 11.f}}) * 2, 1e-4));
}

TEST(RoiHeads, InPixelsPoolFirstAndLastOne) {
  const torch::NoGradGuard no_grad;
  const auto pooler = std::make_shared<RecordingPooler>();
  auto heads = heads_in_pixels(pooler);
  const Frame frame{.image = {16, 32}, .network = kRoiHeadsSize};
  const auto proposals = torch::tensor({{8.f, 12.f, 28.f, 44.f}});
  heads->detect({background()}, {proposals}, {kRoiHeadsSize}, {frame});
  EXPECT_TRUE(identical(pooler->seen.at(0), torch::tensor({{8.f, 12.f, 26.f, 40.f}})))
      << "the image's pixels";
  heads->detect({background()}, {proposals}, {kRoiHeadsSize});
  EXPECT_TRUE(identical(pooler->seen.at(0), torch::tensor({{8.f, 12.f, 27.f, 43.f}}))) << "the network's";
  const Target nothing{torch::zeros({0, 4}), labels({}), torch::zeros({0, 4})};
  heads->losses({background()}, {proposals}, {nothing}, {frame});
  EXPECT_TRUE(identical(pooler->seen.at(0), torch::tensor({{8.f, 12.f, 26.f, 40.f}})));
  heads->losses({background()}, {proposals}, {nothing});
  EXPECT_TRUE(identical(pooler->seen.at(0), torch::tensor({{8.f, 12.f, 27.f, 43.f}})));
}

/// Two boxes are alike where they begin in the same cell of 10 pixels.
class CoarsePooler : public RecordingPooler {
 public:
  at::Tensor cells(const at::Tensor& boxes) const override { return at::floor(boxes.narrow(1, 0, 2) / 10); }
};

TEST(RoiHeads, ComputeWhatPoolsTheSameOnceAndDecodeEachByItself) {
  const torch::NoGradGuard no_grad;
  const auto pooler = std::make_shared<CoarsePooler>();
  auto heads = heads_in_pixels(pooler);
  set(heads, "cls_score.bias", torch::tensor({-20.f, 1.f, -20.f}));
  const Frame frame{.image = kRoiHeadsSize, .network = kRoiHeadsSize};
  const auto proposals = torch::tensor(
      {{11.f, 1.f, 30.f, 30.f}, {41.f, 5.f, 60.f, 50.f}, {12.f, 2.f, 31.f, 31.f}, {19.f, 9.f, 60.f, 60.f}});
  const auto once = RoiHeadsImpl::SameCells::once;
  const std::vector<at::Tensor> given = {proposals, torch::zeros({0, 4}), proposals.narrow(0, 0, 1)};
  const std::vector<Frame> frames(3, frame);
  const std::vector<ImageSize> sizes(3, kRoiHeadsSize);
  const auto found = heads->candidates({background(3)}, given, sizes, frames, once);
  ASSERT_EQ(pooler->seen.size(), 3u);
  EXPECT_EQ(pooler->seen[0].size(0), 2) << "of one image";
  EXPECT_EQ(pooler->seen[1].size(0), 0);
  EXPECT_EQ(pooler->seen[2].size(0), 1) << "images have their own maps";
  const auto each = heads->candidates({background(3)}, given, sizes, frames);
  EXPECT_EQ(pooler->seen[0].size(0), 4);
  for (size_t image = 0; image < given.size(); ++image) {
    EXPECT_EQ(found[image].boxes.size(0), given[image].size(0));
    EXPECT_TRUE(identical(found[image].boxes, each[image].boxes));
    EXPECT_TRUE(identical(found[image].scores, each[image].scores));
  }
}

TEST(RoiHeads, SuppressWithinAClassOnly) {
  auto heads = reader({});
  const auto map = background();
  paint(map, 0, kBoxes[0], {0.2f, 0.5f, 0.3f});
  const auto twice = at::cat({kBoxes.slice(0, 0, 1), kBoxes.slice(0, 0, 1)});
  const auto found = heads->detect({map}, {twice}, {kRoiHeadsSize})[0];
  EXPECT_TRUE(identical(found.labels, labels({1, 2})));
  EXPECT_EQ(reader({.suppression = {.nms_threshold = 1}})
                ->detect({map}, {twice}, {kRoiHeadsSize})[0]
                .labels.size(0),
            4);
}

TEST(RoiHeads, KeepTheBestOfTooMany) {
  auto heads = reader({.suppression = {.max_detections = 2}});
  const auto map = background();
  paint(map, 0, kBoxes[0], {0.3f, 0.6f, 0.1f});
  paint(map, 0, kBoxes[1], {0.1f, 0.1f, 0.8f});
  paint(map, 0, kBoxes[2], {0.2f, 0.7f, 0.1f});
  EXPECT_TRUE(
      close(heads->detect({map}, {kBoxes}, {kRoiHeadsSize})[0].scores, torch::tensor({0.8f, 0.7f}), 1e-4));
}

TEST(RoiHeads, ClipToTheImageAndDropWhatIsThenTooThin) {
  auto heads = reader({});
  const auto map = background();
  for (int64_t i = 0; i < 3; ++i) paint(map, 0, kBoxes[i], {0.05f, 0.94f, 0.01f});
  const auto found = heads->detect({map}, {kBoxes}, {{.height = 40, .width = 30}})[0];
  const auto expected = torch::tensor({{0.f, 0.f, 20.f, 20.f}, {0.f, 30.f, 20.f, 40.f}});
  EXPECT_TRUE(close(std::get<0>(found.boxes.sort(0)), expected, 1e-4));
}

TEST(RoiHeads, ImagesDoNotMixAndMayHaveNoProposals) {
  auto heads = reader({});
  const auto map = background(3);
  paint(map, 2, kBoxes[0], {0.05f, 0.01f, 0.94f});
  const auto found = heads->detect({map}, {kBoxes, torch::zeros({0, 4}), kBoxes},
                                   {kRoiHeadsSize, kRoiHeadsSize, kRoiHeadsSize});
  ASSERT_EQ(found.size(), 3u);
  EXPECT_TRUE(identical(found[0].boxes, torch::zeros({0, 4})));
  EXPECT_TRUE(identical(found[1].labels, labels({})));
  EXPECT_TRUE(identical(found[2].labels, labels({2})));
}

TEST(RoiHeads, BoxesAreTheirClassesOwnOrEverybodys) {
  const auto map = background();
  paint(map, 0, kBoxes[0], {0.2f, 0.5f, 0.3f});
  // A delta of 1 over the weight 10 is a tenth of the width: 2 pixels.
  const auto right = torch::tensor({1.f, 0.f, 0.f, 0.f}), stay = torch::zeros({4});
  const auto first_x = [&](RoiHeads heads, const at::Tensor& bias) {
    set(heads, "bbox_pred.bias", bias);
    return heads->detect({map}, {kBoxes}, {kRoiHeadsSize})[0].boxes.select(1, 0);
  };
  EXPECT_TRUE(close(first_x(reader({}), at::cat({stay, stay, right})), torch::tensor({0.f, 2.f}), 1e-4));
  EXPECT_TRUE(close(first_x(reader({}, {.class_agnostic = true}), right), torch::tensor({2.f, 2.f}), 1e-4));
}

TEST(RoiHeads, ARefinedBoxIsScoredAndRefinedAgainForItsOwnClass) {
  const auto map = background();
  paint(map, 0, kBoxes[0], {0.2f, 0.5f, 0.3f});
  const auto twice = at::cat({kBoxes.slice(0, 0, 1), kBoxes.slice(0, 0, 1)});
  // Boxes of class 1 move by a tenth of their width, 2 pixels, with every iteration.
  const auto right = torch::tensor({1.f, 0.f, 0.f, 0.f}), stay = torch::zeros({4});
  const auto found = [&](int64_t iterations, double nms_threshold) {
    auto heads = reader({.suppression = {.nms_threshold = nms_threshold}, .iterations = iterations});
    set(heads, "bbox_pred.bias", at::cat({stay, right, stay}));
    return heads->detect({map}, {twice}, {kRoiHeadsSize})[0];
  };
  EXPECT_TRUE(close(found(1, 0.9).boxes.select(1, 0), torch::tensor({2.f, 0.f}), 1e-4));
  const auto again = found(2, 0.9);
  EXPECT_TRUE(identical(again.labels, labels({1, 1, 2})));
  EXPECT_TRUE(close(again.scores, torch::tensor({0.5f, 0.5f, 0.3f}), 1e-4));
  EXPECT_TRUE(
      close(std::get<0>(again.boxes.select(1, 0).narrow(0, 0, 2).sort()), torch::tensor({2.f, 4.f}), 1e-4));
  EXPECT_EQ(found(3, 0.9).labels.size(0), 4);
  // What is suppressed after an iteration is not refined, but stands among the candidates of all of them.
  EXPECT_EQ(found(2, 1).labels.size(0), 8);
  EXPECT_EQ(found(2, 0.7).labels.size(0), 2);
}

TEST(RoiHeads, IterationsOfNothingFindNothing) {
  auto heads = reader({.iterations = 2});
  const auto found =
      heads->detect({background(2)}, {kBoxes, torch::zeros({0, 4})}, {kRoiHeadsSize, kRoiHeadsSize});
  ASSERT_EQ(found.size(), 2u);
  for (const auto& image : found) EXPECT_EQ(image.boxes.sizes(), (std::vector<int64_t>{0, 4}));
}

TEST(RoiHeads, NotANumberIsNoDetection) {
  auto heads = reader({});
  const auto map = torch::full({1, 3, 64, 64}, std::nanf(""));
  EXPECT_EQ(heads->detect({map}, {kBoxes}, {kRoiHeadsSize})[0].scores.size(0), 0);
}

const at::Tensor kTruth = torch::tensor({{10.f, 10.f, 30.f, 30.f}});
const at::Tensor kShifted = torch::tensor({{12.f, 10.f, 32.f, 30.f}});  // dx to the truth is -0.1, times 10
const at::Tensor kNone = torch::zeros({0, 4});

Target roi_target(const at::Tensor& boxes, int64_t label = 1) {
  return {boxes, torch::full({boxes.size(0)}, label, at::kLong), torch::zeros({0, 4})};
}

/// Heads that give every RoI the probabilities 1/2, 3/8 and 1/8.
RoiHeads constant(const RoiHeadsOptions& options, const BoxBranchOptions& branch = {}) {
  auto heads = reader(options, branch);
  set(heads, "cls_score.weight", torch::zeros({3, 3}));
  set(heads, "cls_score.bias", at::log(torch::tensor({0.5f, 0.375f, 0.125f})));
  return heads;
}

TEST(RoiHeads, SampleTheShareOfPositivesThatIsAskedFor) {
  torch::manual_seed(1);
  auto heads = constant({.sampler = {.count = 8, .positive_fraction = 0.25}});
  const auto proposals = at::cat({kShifted.repeat({10, 1}), (kTruth + 30).repeat({30, 1})});
  const auto losses = heads->losses({background()}, {proposals}, {roi_target(kTruth)});
  EXPECT_NEAR(losses[0].value.item<double>(), -(2 * std::log(0.375) + 6 * std::log(0.5)) / 8, 1e-5);
}

TEST(RoiHeads, GroundTruthIsAmongTheProposals) {
  auto heads = constant({});
  const auto losses = heads->losses({background()}, {kNone}, {roi_target(kTruth, 2)});
  EXPECT_NEAR(losses[0].value.item<double>(), -std::log(0.125), 1e-5);
  EXPECT_NEAR(losses[1].value.item<double>(), 0, 1e-6);
}

TEST(RoiHeads, LossesHaveTorchvisionsNames) {
  const auto losses = constant({})->losses({background()}, {kNone}, {roi_target(kTruth)});
  ASSERT_EQ(losses.size(), 2u);
  EXPECT_EQ(losses[0].name, "loss_classifier");
  EXPECT_EQ(losses[1].name, "loss_box_reg");
}

/// Pools each RoI from every level.
class EveryLevel : public RoiPoolerImpl {
 public:
  explicit EveryLevel(const std::vector<FeatureSpec>& features) {
    for (const auto& feature : features)
      levels_.emplace_back(std::vector{feature}, RoiPoolerOptions{.size = 2});
  }
  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& maps,
                                  const std::vector<at::Tensor>& boxes) override {
    std::vector<at::Tensor> grids;
    for (size_t i = 0; i < levels_.size(); ++i) grids.push_back(levels_[i].forward({maps[i]}, boxes)[0]);
    return grids;
  }
  std::vector<GridSpec> grids() const override {
    std::vector<GridSpec> grids;
    for (const auto& level : levels_) grids.push_back(level.grids()[0]);
    return grids;
  }

 private:
  std::vector<LevelPoolerImpl> levels_;
};

/// A linear layer for each grid, and the greatest of what they give.
class GreatestOfGrids : public BoxHeadImpl {
 public:
  explicit GreatestOfGrids(const std::vector<GridSpec>& grids) {
    for (const auto& grid : grids) {
      layers_.push_back(register_module("fc" + std::to_string(layers_.size()),
                                        torch::nn::Linear(grid.channels * grid.size * grid.size, 5)));
    }
  }
  at::Tensor forward(const std::vector<at::Tensor>& grids) override {
    at::Tensor greatest;
    for (size_t i = 0; i < grids.size(); ++i) {
      const auto of_grid = layers_[i]->forward(grids[i].flatten(1));
      greatest = greatest.defined() ? at::maximum(greatest, of_grid) : of_grid;
    }
    return greatest;
  }
  int64_t channels() const override { return 5; }

 private:
  std::vector<torch::nn::Linear> layers_;
};

TEST(RoiHeads, APoolerOfSeveralGridsAndAHeadOfSeveralInputsComeFromOutsideByName) {
  poolers().add("every_level", [](const config::Node&, const std::vector<FeatureSpec>& features) {
    return std::make_shared<EveryLevel>(features);
  });
  box_heads().add("greatest", [](const config::Node&, const std::vector<GridSpec>& grids) {
    return std::make_shared<GreatestOfGrids>(grids);
  });
  torch::manual_seed(3);
  auto heads = make_roi_heads(
      config::Config::parse(R"({"pooler": {"type": "every_level"}, "head": {"type": "greatest"}})", "f.json")
          .root(),
      {{"p2", 3, 4}, {"p4", 4, 16}}, 2);
  EXPECT_EQ(state_of(*heads).at("box_head.fc1.weight").sizes(), (std::vector<int64_t>{5, 16}));
  const std::vector<at::Tensor> maps = {at::rand({1, 3, 16, 16}), at::rand({1, 4, 4, 4})};
  const auto losses = heads->losses(maps, {kBoxes}, {roi_target(kTruth)});
  (losses[0].value + losses[1].value).backward();
  for (const auto& item : heads->named_parameters()) {
    EXPECT_GT(item.value().grad().abs().sum().item<float>(), 0) << item.key();
  }
  const torch::NoGradGuard no_grad;
  EXPECT_EQ(heads->detect(maps, {kBoxes}, {kRoiHeadsSize}).size(), 1u);
}

TEST(RoiHeads, WithoutGroundTruthAllIsBackground) {
  auto heads = constant({});
  const auto losses = heads->losses({background()}, {kBoxes}, {roi_target(kNone)});
  EXPECT_NEAR(losses[0].value.item<double>(), std::log(2), 1e-5);
  EXPECT_EQ(losses[1].value.item<float>(), 0);
}

TEST(RoiHeads, NothingAtAllCostsNothing) {
  for (const bool agnostic : {false, true}) {
    auto heads = reader({}, {.class_agnostic = agnostic});
    const auto losses =
        heads->losses({background(2)}, {kNone, kNone}, {roi_target(kNone), roi_target(kNone)});
    EXPECT_EQ(losses[0].value.item<float>(), 0);
    EXPECT_EQ(losses[1].value.item<float>(), 0);
    (losses[0].value + losses[1].value).backward();
    for (const auto& item : heads->named_parameters()) {
      EXPECT_TRUE(identical(item.value().grad(), at::zeros_like(item.value()))) << item.key();
    }
  }
}

TEST(RoiHeads, TheBoxLossIsOfTheOwnClassOverAllSamples) {
  const auto cost = [&](RoiHeads heads, const at::Tensor& bias, int64_t label) {
    set(heads, "bbox_pred.bias", bias);
    return heads->losses({background()}, {kShifted}, {roi_target(kTruth, label)})[1].value.item<double>();
  };
  const auto zero = torch::zeros({4}), seven = torch::full({4}, 7.f);
  // Two samples, the shifted box and the truth itself: targets (-1, 0, 0, 0) and zeros, L1.
  const auto bias = at::cat({seven, zero, seven});
  EXPECT_NEAR(cost(constant({}, {.beta = 0}), bias, 1), 1. / 2, 1e-5);
  EXPECT_NEAR(cost(constant({}, {.beta = 0}), bias, 2), (8 + 3 * 7 + 4 * 7) / 2., 1e-4);
  for (const int64_t label : {1, 2}) {
    EXPECT_NEAR(cost(constant({}, {.class_agnostic = true, .beta = 0}), zero, label), 1. / 2, 1e-5);
  }
}

TEST(RoiHeads, EachImageIsComparedWithItsOwnTarget) {
  auto heads = constant({}, {.beta = 0});
  const auto map = background(2);
  // Image 0: one background RoI. Image 1: the shifted box and the truth.
  const auto losses =
      heads->losses({map}, {kBoxes.slice(0, 1, 2), kShifted}, {roi_target(kNone), roi_target(kTruth)});
  EXPECT_NEAR(losses[0].value.item<double>(), -(std::log(0.5) + 2 * std::log(0.375)) / 3, 1e-5);
  EXPECT_NEAR(losses[1].value.item<double>(), 1. / 3, 1e-5);
}

}  // namespace
}  // namespace rcnn::nn
