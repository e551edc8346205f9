#include <cmath>

#include <gmock/gmock.h>

#include <rcnn/io/safetensors.h>
#include <rcnn/nn/models/fast_rcnn.h>
#include <rcnn/nn/models/faster_rcnn.h>
#include <rcnn/nn/models/inference.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/models/model_summary.h>
#include <rcnn/nn/roi/auxiliary_heads.h>
#include <rcnn/nn/weights/convert_weights.h>
#include <rcnn/nn/weights/initial_weights.h>

#include "tests/nn/necks/oracle.h"
#include "tests/support/message_of.h"
#include "tests/support/names.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;
using testing::ElementsAre;
using testing::HasSubstr;

/// The oracle's RoIs, see make_aug_fpn.py: of each image those of objects first.
RoiBatch oracle_rois(const nlohmann::json& want) {
  using Numbers = std::vector<std::vector<float>>;
  const auto images = want.at("boxes").size();
  size_t longest = 0;
  for (const auto& boxes : want.at("boxes")) longest = std::max(longest, boxes.size());
  const auto count = static_cast<int64_t>(images), size = static_cast<int64_t>(longest);
  RoiBatch rois{.boxes = at::zeros({count, size, 4}),
                .labels = at::full({count, size}, -1, at::kLong),
                .truth = at::full({count, size}, -1, at::kLong),
                .truth_boxes = at::zeros({count, size, 4}),
                .proposal = at::full({count, size}, -1, at::kLong),
                .counts = {},
                .positives = {}};
  for (size_t image = 0; image < images; ++image) {
    const auto row = static_cast<int64_t>(image);
    const auto boxes = want.at("boxes")[image].get<Numbers>(), truth = want.at("truth")[image].get<Numbers>();
    const auto labels = want.at("labels")[image].get<std::vector<int64_t>>();
    for (size_t i = 0; i < boxes.size(); ++i) {
      const auto place = static_cast<int64_t>(i);
      rois.boxes[row][place].copy_(torch::tensor(boxes[i]));
      rois.labels[row][place] = labels[i];
      if (i < truth.size()) rois.truth_boxes[row][place].copy_(torch::tensor(truth[i]));
    }
    rois.counts.push_back(std::ssize(boxes));
    rois.positives.push_back(std::ssize(truth));
  }
  return rois;
}

TEST(AuxiliaryHeads, LossesAndGradientsAreThoseOfTorchvisionsPieces) {
  // Losses, and what flows back from them, pass through float32.
  constexpr double kRelative = 1e-5;
  const auto want = golden("aug_fpn.json").at("auxiliary_heads");
  const auto channels = want.at("channels").get<int64_t>();
  std::vector<FeatureSpec> levels;
  std::vector<std::vector<int64_t>> sizes;
  for (const auto stride : want.at("strides").get<std::vector<int64_t>>()) {
    levels.push_back({fmt::format("m{}", levels.size() + 2), channels, stride});
    sizes.push_back({128 / stride, 96 / stride});
  }
  const auto head =
      box_heads().make(config::Config::parse(R"({"hidden": 16})", "f.json").root(), {{channels, 7}});
  AuxiliaryHeads heads(levels, BoxBranch(head, want.at("classes").get<int64_t>(), BoxBranchOptions()),
                       AuxiliaryHeadsOptions());
  heads->to(at::kDouble);
  fill_neck(*heads);
  const auto laterals = oracle_maps(std::vector<int64_t>(levels.size(), channels), sizes);
  const auto rois = oracle_rois(want);
  const auto losses = heads->losses(laterals, rois, rois.boxes);
  ASSERT_EQ(losses.size(), 2u);
  EXPECT_EQ(losses[0].name, "loss_classifier_aux");
  EXPECT_EQ(losses[1].name, "loss_box_reg_aux");
  for (size_t i = 0; i < 2; ++i) {
    const auto value = want.at("losses")[i].get<double>();
    EXPECT_GT(value, 0.1);
    EXPECT_NEAR(losses[i].value.item<double>(), value, kRelative * value) << losses[i].name;
  }
  (losses[0].value + losses[1].value).backward();
  for (size_t i = 0; i < laterals.size(); ++i) {
    expect_summary(laterals[i].grad(), want.at("lateral_gradients").at(i), fmt::format("lateral {}", i),
                   kRelative);
  }
  EXPECT_EQ(heads->named_parameters().size(), want.at("gradients").size());
  for (const auto& parameter : heads->named_parameters()) {
    expect_summary(parameter.value().grad(), want.at("gradients").at(parameter.key()), parameter.key(),
                   kRelative);
  }
}

const std::string kSupervised = R"(, "auxiliary": {"head": {"hidden": 16}})";

/// AugFPN whole over c3..c5 of a small ResNet; `roi` follows its pooler and head.
std::string aug_fpn_detector(const std::string& roi = kSupervised, const std::string& type = "faster_rcnn",
                             const std::string& neck = "aug_fpn") {
  const auto rpn = type == "faster_rcnn" ? R"("rpn": {"anchors": {"sizes": [16, 32, 64, 96]},
                                              "train": {"post_nms": 40}, "test": {"post_nms": 40}}, )"
                                         : "";
  return fmt::format(R"({{"type": "{}",
      "backbone": {{"type": "resnet18", "width": 8, "levels": ["c3", "c4", "c5"], "frozen_stages": 0}},
      "neck": {{"type": "{}", "channels": 8}}, {}
      "roi": {{"pooler": {{"size": 4}}, "head": {{"hidden": 16}}, "score_threshold": 0.01{}}}}})",
                     type, neck, rpn, roi);
}

DescribedModel described_detector(const std::string& json) {
  torch::manual_seed(1);
  auto config = config::Config::parse(R"({"model": )" + json + "}", "f.json");
  auto model = make_model(config.root().child("model"), 3);
  return {std::move(model), {{1, "a"}, {2, "b"}, {3, "c"}}, std::move(config)};
}

ImageBatch supervised_images() {
  ImageBatch batch{.images = {image(120, 100, 0), image(90, 128, 50)}, .sizes = {{120, 100}, {90, 128}}};
  torch::manual_seed(5);
  for (int i = 0; i < 2; ++i) {
    const auto corners = at::rand({30, 2}) * 60;
    batch.proposals.push_back(at::cat({corners, corners + 8 + at::rand({30, 2}) * 20}, 1));
  }
  return batch;
}

std::vector<Target> supervised_targets() {
  return {{torch::tensor({{4.f, 6.f, 40.f, 50.f}, {30.f, 10.f, 90.f, 60.f}}),
           torch::tensor({1, 2}, at::kLong), torch::zeros({0, 4})},
          {torch::tensor({{10.f, 20.f, 100.f, 80.f}}), torch::tensor({3}, at::kLong), torch::zeros({0, 4})}};
}

std::vector<std::string> names_of(const std::vector<Loss>& losses) {
  std::vector<std::string> names;
  for (const auto& loss : losses) names.push_back(loss.name);
  return names;
}

std::vector<Loss> losses_of(ModelImpl& model) {
  torch::manual_seed(6);
  return model.losses(supervised_images(), supervised_targets());
}

TEST(AuxiliaryHeads, ReachTheLateralsAndNotTheLastConvolutions) {
  const auto model = described_detector(aug_fpn_detector()).model;
  const auto losses = losses_of(*model);
  EXPECT_THAT(names_of(losses), ElementsAre("loss_objectness", "loss_rpn_box_reg", "loss_classifier",
                                            "loss_box_reg", "loss_classifier_aux", "loss_box_reg_aux"));
  (losses[4].value + losses[5].value).backward();
  for (const auto& [name, parameter] : model->named_parameters().pairs()) {
    const bool reached = name.starts_with("auxiliary_heads.") || name.starts_with("backbone.body.") ||
                         name.starts_with("backbone.aug_fpn.inner_blocks.");
    EXPECT_EQ(parameter.grad().defined(), reached) << name;
    if (!reached || !name.ends_with("0.weight")) continue;
    EXPECT_GT(parameter.grad().abs().max().item<double>(), 0) << name;
  }
}

TEST(AuxiliaryHeads, ChangeNoneOfTheOtherWeightsAndLosses) {
  const auto with = described_detector(aug_fpn_detector()).model,
             without = described_detector(aug_fpn_detector("")).model;
  const auto state = state_of(*with);
  for (const auto& [name, tensor] : state_of(*without))
    EXPECT_TRUE(at::equal(tensor, state.at(name))) << name;
  const auto more = losses_of(*with), losses = losses_of(*without);
  ASSERT_EQ(losses.size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(identical(more[i].value, losses[i].value)) << losses[i].name;
}

TEST(AuxiliaryHeads, LearnFromTheRoisThatAreSampled) {
  for (const char* type : {"faster_rcnn", "fast_rcnn"}) {
    for (const char* sampling :
         {R"(, "ohem": true, "batch_per_image": 16)", R"(, "sampler": "ohem_sampler")"}) {
      SCOPED_TRACE(fmt::format("{} {}", type, sampling));
      const auto model = described_detector(aug_fpn_detector(kSupervised + sampling, type)).model;
      const auto losses = losses_of(*model);
      ASSERT_GE(losses.size(), 4u);
      EXPECT_EQ(losses[losses.size() - 2].name, "loss_classifier_aux");
      EXPECT_EQ(losses.back().name, "loss_box_reg_aux");
      at::Tensor sum = at::zeros({});
      for (const auto& loss : losses) sum = sum + loss.value;
      sum.backward();
      for (const auto& parameter : model->named_parameters()) {
        EXPECT_TRUE(parameter.value().grad().defined()) << parameter.key();
      }
    }
  }
}

TEST(AuxiliaryHeads, NonApproximateTrainingReachesTheProposalsThroughThem) {
  auto json = aug_fpn_detector();
  json.insert(1, R"("proposal_gradient": "exact", )");
  const auto model = described_detector(json).model;
  const auto losses = losses_of(*model);
  (losses[4].value + losses[5].value).backward();
  const auto gradient = model->named_parameters()["rpn.head.bbox_pred.weight"].grad();
  ASSERT_TRUE(gradient.defined());
  EXPECT_GT(gradient.abs().max().item<double>(), 0);
}

TEST(AuxiliaryHeads, WithHeadsAndLevelsThatAreAlikeHaveTheSecondStagesLosses) {
  // One level of a pyramid whose lateral is what it gives: weight times the losses of the second stage.
  const torch::NoGradGuard no_grad;
  torch::manual_seed(7);
  const std::vector<FeatureSpec> level = {{"m4", 4, 16}};
  const auto branch = [] {
    const auto head = box_heads().make(config::Config::parse(R"({"hidden": 8})", "f.json").root(), {{4, 7}});
    return BoxBranch(head, 3, BoxBranchOptions());
  };
  AuxiliaryHeads heads(level, branch(), AuxiliaryHeadsOptions{.pooler = {}, .weight = 0.5});
  const auto own = branch();
  for (auto& [name, tensor] : state_of(*own)) at::Tensor(tensor).copy_(state_of(*heads).at(name));
  RoiHeads second_stage(std::make_shared<LevelPoolerImpl>(level, RoiPoolerOptions()), own, RoiHeadsOptions());
  const auto map = at::randn({2, 4, 8, 8});
  const auto rois =
      sample_rois({at::rand({20, 4}).cumsum(1) * 40, at::rand({20, 4}).cumsum(1) * 40}, supervised_targets(),
                  {.positive_iou = 0.5, .negative_iou = 0.5}, {.count = 16, .positive_fraction = 0.25});
  const auto want = second_stage->losses({map}, rois, rois.boxes),
             got = heads->losses({map}, rois, rois.boxes);
  for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(close(got[i].value, 0.5 * want[i].value)) << got[i].name;
}

TEST(AuxiliaryHeads, DetectingDoesWithout) {
  const torch::NoGradGuard no_grad;
  const TempFolder folder;
  const auto whole_file = folder.path() / "whole.safetensors",
             small_file = folder.path() / "small.safetensors";
  save_model(whole_file, described_detector(aug_fpn_detector()));
  const auto converted = convert_weights(whole_file, small_file, {.inference_only = true});
  EXPECT_TRUE(converted.described);
  EXPECT_EQ(converted.left_out.size(), 8u);
  const auto whole = load_model(whole_file), small = load_model(small_file);
  EXPECT_EQ(state_of(*whole.model).size(), state_of(*small.model).size() + 8);
  for (const auto& [name, tensor] : io::read_safetensors(small_file).tensors) {
    EXPECT_FALSE(whole.model->only_trains(name)) << name;
  }
  const auto found_by = [](const DescribedModel& described) {
    described.model->eval();
    return dynamic_cast<DetectionModelImpl&>(*described.model).detect(supervised_images());
  };
  const auto expect_same = [](const std::vector<Detections>& a, const std::vector<Detections>& b) {
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_GT(a[i].scores.size(0), 5);
      EXPECT_TRUE(identical(a[i].boxes, b[i].boxes));
      EXPECT_TRUE(identical(a[i].scores, b[i].scores));
      EXPECT_TRUE(at::equal(a[i].labels, b[i].labels));
    }
  };
  const auto found = found_by(whole);
  expect_same(found, found_by(small));
  whole.model->drop_training_parts();
  expect_same(found, found_by(whole));
  EXPECT_EQ(state_of(*whole.model).size(), state_of(*small.model).size());
  // And so again: what is saved of it has none, fresh ones least of all.
  save_model(folder.path() / "again.safetensors", small);
  EXPECT_EQ(io::read_safetensors(folder.path() / "again.safetensors").tensors.size(),
            state_of(*small.model).size());
}

TEST(AuxiliaryHeads, PreparingForInferenceDropsThem) {
  const auto model = described_detector(aug_fpn_detector()).model;
  prepare_for_inference(*model, Precision::fp32);
  for (const auto& parameter : model->named_parameters()) EXPECT_FALSE(model->only_trains(parameter.key()));
}

TEST(AuxiliaryHeads, ATrainingWithoutTheirWeightsBeginsThemFresh) {
  const auto model = described_detector(aug_fpn_detector()).model;
  auto weights = state_of(*described_detector(aug_fpn_detector("")).model);
  for (auto& [name, tensor] : weights) tensor = tensor.clone();
  const auto report = load_initial(*model, weights, "w");
  EXPECT_EQ(counted_parts(report.fresh),
            "auxiliary_heads.box_head.fc6 (2), auxiliary_heads.box_head.fc7 (2), "
            "auxiliary_heads.box_predictor.bbox_pred (2), "
            "auxiliary_heads.box_predictor.cls_score (2)");
  EXPECT_EQ(doubts_about(report, *model), "");
  EXPECT_EQ(losses_of(*model).size(), 6u);
}

TEST(AuxiliaryHeads, AModelLoadedWithoutThemRefusesToTrain) {
  const auto model = described_detector(aug_fpn_detector()).model;
  auto weights = state_of(*described_detector(aug_fpn_detector("")).model);
  load_state(*model, weights, "w");
  EXPECT_THAT(message_of<c10::Error>([&] { losses_of(*model); }), HasSubstr("auxiliary heads were dropped"));
}

TEST(AuxiliaryHeads, APartOfThemIsNotEnough) {
  const auto model = described_detector(aug_fpn_detector()).model;
  auto weights = state_of(*model);
  weights.erase("auxiliary_heads.box_head.fc7.bias");
  EXPECT_THAT(message_of<WeightsError>([&] { load_state(*model, weights, "w"); }),
              HasSubstr("missing: auxiliary_heads.box_head.fc7.bias"));
}

TEST(AuxiliaryHeads, OutsideOfTrainingModeThereIsNothingToSupervise) {
  const auto model = described_detector(aug_fpn_detector()).model;
  model->eval();
  EXPECT_THAT(message_of<c10::Error>([&] { losses_of(*model); }), HasSubstr("training mode"));
}

TEST(AuxiliaryHeads, FollowTheNumberOfClasses) {
  const auto model = described_detector(aug_fpn_detector()).model;
  EXPECT_TRUE(model->depends_on_classes("auxiliary_heads.box_predictor.cls_score.weight"));
  EXPECT_FALSE(model->depends_on_classes("auxiliary_heads.box_head.fc6.weight"));
}

TEST(AuxiliaryHeads, ShareTheStatisticsOfBoxTargets) {
  const auto json = aug_fpn_detector(kSupervised + R"(, "target_statistics": "per_class")", "fast_rcnn");
  const auto model = described_detector(json).model;
  const auto truth = supervised_targets();
  const TrainingSet images{.size = 2, .boxes = [&](int64_t image) -> TrainingSet::Boxes {
                             torch::manual_seed(17 + static_cast<uint64_t>(image));
                             const auto& target = truth[static_cast<size_t>(image)];
                             const auto near = target.boxes.repeat({20, 1});
                             return {.proposals = near + at::randn(near.sizes()) * 2 + 1, .target = target};
                           }};
  const auto before = state_of(*model).at("auxiliary_heads.box_predictor.bbox_pred.weight").clone();
  model->begin_training(images, std::vector<std::string>{"auxiliary_heads.box_predictor.bbox_pred.weight"});
  const auto state = state_of(*model);
  for (const char* buffer : {"target_mean", "target_std"}) {
    const auto of_second = state.at(std::string("roi_heads.box_predictor.") + buffer);
    EXPECT_GT(of_second.abs().sum().item<double>(), 0);
    EXPECT_TRUE(at::equal(state.at(std::string("auxiliary_heads.box_predictor.") + buffer), of_second));
  }
  const auto published = model->published(state);
  EXPECT_FALSE(published.contains("auxiliary_heads.box_predictor.target_std"));
  EXPECT_TRUE(close(published.at("auxiliary_heads.box_predictor.bbox_pred.weight"), before));
}

TEST(AuxiliaryHeads, SummaryTellsWhatInferenceDoesWithout) {
  const auto model = described_detector(aug_fpn_detector()).model;
  int64_t bytes = 0;
  for (const auto& parameter : model->named_parameters()) {
    if (parameter.key().starts_with("auxiliary_heads."))
      bytes += static_cast<int64_t>(parameter.value().nbytes());
  }
  const auto summary = summarize(*model, {64, 96});
  EXPECT_EQ(summary.spare_bytes, bytes);
  EXPECT_GT(summary.weight_bytes, bytes);
  int64_t parameters = 0;
  for (const auto& part : parts(summary.layers)) {
    if (!part.name.starts_with("auxiliary_heads.")) continue;
    parameters += part.parameters;
    EXPECT_EQ(part.multiply_adds, 0) << part.name;
  }
  EXPECT_EQ(4 * parameters, bytes);
}

TEST(AuxiliaryHeads, ConvertingNeedsToKnowTheModel) {
  const TempFolder folder;
  const auto described = described_detector(aug_fpn_detector());
  io::write_safetensors(folder.path() / "plain.safetensors",
                        {.tensors = state_of(*described.model), .metadata = {}});
  const auto convert = [&](const char* to, ConvertOptions options) {
    options.inference_only = true;
    return convert_weights(folder.path() / "plain.safetensors", folder.path() / to, options);
  };
  EXPECT_THAT(message_of<ConfigError>([&] { convert("a.safetensors", {}); }), HasSubstr("give --config"));
  const auto result =
      convert("b.safetensors", {.config = described.config, .categories = described.categories});
  EXPECT_TRUE(result.described);
  EXPECT_EQ(result.left_out.size(), 8u);
  EXPECT_EQ(state_of(*load_model(folder.path() / "b.safetensors").model).size(),
            state_of(*described.model).size() - 8);
}

TEST(AuxiliaryHeads, AWrongConfigNamesTheKey) {
  const auto message = [](const std::string& json) {
    return message_of<ConfigError>([&] { described_detector(json); });
  };
  for (const char* type : {"faster_rcnn", "fast_rcnn"}) {
    EXPECT_EQ(
        message(aug_fpn_detector(kSupervised, type, "fpn")),
        "f.json: model.roi.auxiliary: needs a neck with laterals to supervise, model.neck.type aug_fpn; "
        "model.roi.auxiliary=null takes an inherited one away");
  }
  EXPECT_THAT(message(aug_fpn_detector(R"(, "auxiliary": {"weight": -1})")),
              HasSubstr("model.roi.auxiliary.weight"));
  EXPECT_THAT(message(aug_fpn_detector(R"(, "auxiliary": {"wieght": 1})")),
              HasSubstr("model.roi.auxiliary.wieght: unknown"));
  EXPECT_THAT(message(aug_fpn_detector(R"(, "auxiliary": true)")), HasSubstr("model.roi.auxiliary"));
  EXPECT_THAT(message(aug_fpn_detector(R"(, "auxiliary": {"head": {"type": "adaptive", "depth": 1}})")),
              HasSubstr("model.roi.auxiliary.head.depth"));
}

}  // namespace
}  // namespace rcnn::nn
