#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/io/safetensors.h>
#include <rcnn/train/trainer.h>
#include <rcnn/train/training_state.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/train/few_scenes.h"
#include "tests/train/training_of.h"

namespace rcnn::train {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// What a run leaves behind: all that a later iteration, a report or a checkpoint could depend on.
struct Trace {
  std::vector<std::pair<int64_t, double>> losses;  // of each report, by iteration
  std::map<int64_t, nn::TensorMap> checkpoints;    // the weights, averaged if so asked, by iteration
};

nn::TensorMap state_copy(const torch::nn::Module& module) {
  nn::TensorMap copies;
  for (const auto& [name, tensor] : nn::state_of(module)) copies[name] = tensor.detach().clone();
  return copies;
}

void expect_same(const nn::TensorMap& a, const nn::TensorMap& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (const auto& [name, tensor] : a) EXPECT_TRUE(at::equal(tensor, b.at(name))) << what << ": " << name;
}

void expect_same(const TrainingState& a, const TrainingState& b) {
  EXPECT_EQ(a.iteration, b.iteration);
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.batch, b.batch);
  expect_same(a.model, b.model, "model");
  expect_same(a.solver, b.solver, "solver");
  expect_same(a.ema, b.ema, "ema");
  expect_same(a.gradients, b.gradients, "gradients");
  expect_same(a.losses, b.losses, "losses");
  expect_same(a.data, b.data, "data");
}

class Resume : public FewScenes {
 protected:
  /// A trainer whose model starts from weights that no other has, until it is restored.
  struct Fresh {
    Fresh(const TrainOptions& options, std::shared_ptr<data::Dataset> dataset, int64_t workers,
          uint64_t weights, const char* json = kTinyModel)
        : model(tiny_model(5, weights, json)),
          trainer(training_of(bare(model), std::move(dataset), {.min_size = 64, .max_size = 96, .flip = 0.5},
                              {.workers = workers, .bad_images = data::Policy::skip}, options)) {}

    /// Adds to `trace`; ends after iteration `last`, or at the run's end.
    void run(Trace& trace, int64_t last = 0) {
      trainer.fit(
          {.on_progress = [&](const Progress& p) { trace.losses.emplace_back(p.iteration, p.loss); },
           .on_checkpoint = [&](const Checkpoint& c) { trace.checkpoints[c.iteration] = state_copy(*model); },
           .stop = [&](int64_t iteration) { return iteration == last; }});
    }

    std::shared_ptr<nn::DetectionModelImpl> model;
    Trainer trainer;
  };

  /// Stops after every iteration in turn, goes on from a file in a new trainer with another number of
  /// threads, and compares all with the run that never stopped.
  static void expect_exact(const TrainOptions& options, const std::shared_ptr<data::Dataset>& dataset,
                           const char* json = kTinyModel) {
    Trace whole;
    Fresh first(options, dataset, 0, 0, json);
    first.run(whole);
    const auto end = first.trainer.state();
    for (int64_t stop = 1; stop < options.iterations; ++stop) {
      SCOPED_TRACE("stopped after iteration " + std::to_string(stop));
      Trace trace;
      const auto file = folder_->path() / "state.safetensors";
      {
        Fresh before(options, dataset, 2, 0, json);
        before.run(trace, stop);
        EXPECT_EQ(before.trainer.iteration(), stop);
        save_state(file, before.trainer.state(), {});
      }
      torch::rand({stop});  // another state of LibTorch's generator
      Fresh after(options, dataset, stop % 4, 1, json);
      after.trainer.restore(load_state(file).state);
      after.run(trace);
      EXPECT_EQ(trace.losses, whole.losses);
      ASSERT_EQ(trace.checkpoints.size(), whole.checkpoints.size());
      for (const auto& [iteration, weights] : whole.checkpoints) {
        expect_same(trace.checkpoints.at(iteration), weights, "checkpoint " + std::to_string(iteration));
      }
      expect_same(after.trainer.state(), end);
      EXPECT_EQ(after.trainer.skipped().size(), first.trainer.skipped().size());
      if (testing::Test::HasFailure()) return;
    }
  }
};

TEST_F(Resume, FromAnyIterationIsAsIfTheRunHadNeverStopped) {
  auto options = few_iterations(8);
  options.log_period = 3;
  options.checkpoint_period = 2;
  options.schedule.warmup_iterations = 3;
  options.schedule.steps = {0.6};
  expect_exact(options, images());
}

TEST_F(Resume, AmidAnAccumulationWithAveragedWeightsAndAdamW) {
  auto options = few_iterations(8);
  options.accumulate = 3;
  options.ema = 0.9;
  options.solver.type = SolverType::adamw;
  options.schedule = {.lr = 1e-3, .type = Schedule::cosine};
  options.log_period = 2;
  options.checkpoint_period = 1;
  expect_exact(options, images());
}

TEST_F(Resume, WithImagesThatAreLeftOut) {
  auto options = few_iterations(7);
  options.batch_size = 1;
  expect_exact(options, std::make_shared<Damaged>(images(), std::set<int64_t>{1, 4}));
}

TEST_F(Resume, OfFastRcnnWithTargetStatisticsAndAveragedWeights) {
  auto options = few_iterations(5);
  options.ema = 0.9;
  options.checkpoint_period = 2;
  expect_exact(options, std::make_shared<WithProposals>(images()), kTinyFastRcnn);
}

TEST_F(Resume, OfEveryNeckWithItsNorms) {
  auto options = few_iterations(3);
  options.ema = 0.9;
  options.checkpoint_period = 1;
  // Levels end at p6: of one image a p7 would have one cell, of which batch norm has no statistics.
  for (
      const auto& [neck, roi] : std::vector<std::pair<const char*, const char*>>{
          {R"({"type": "fpn", "norm": "batch", "extra_levels": {"type": "conv", "count": 1}, "channels": 8})",
           R"("head": {"hidden": 16})"},
          {R"({"type": "panet", "norm": "group", "norm_groups": 4, "channels": 8})",
           R"("pooler": {"type": "adaptive", "size": 4}, "head": {"type": "adaptive", "hidden": 16})"},
          {R"({"type": "bifpn", "repeats": 1, "extra_levels": {"count": 1}, "channels": 8})",
           R"("head": {"hidden": 16})"},
          {R"({"type": "nas_fpn", "stacks": 1, "channels": 8})", R"("head": {"hidden": 16})"},
          {R"({"type": "aug_fpn", "norm": "batch", "channels": 8})",
           R"("pooler": {"type": "soft", "size": 4}, "head": {"hidden": 16},
              "auxiliary": {"head": {"hidden": 16}})"}}) {
    SCOPED_TRACE(neck);
    const auto json = fmt::format(
        R"({{"type": "faster_rcnn",
             "backbone": {{"type": "resnet18", "width": 8, "levels": ["c2", "c3", "c4", "c5"],
                           "norm": "group", "norm_groups": 4, "frozen_stages": 0}},
             "neck": {}, "rpn": {{"anchors": {{"sizes": [16, 24, 32, 48, 64]}}}}, "roi": {{{}}}}})",
        neck, roi);
    expect_exact(options, images(), json.c_str());
  }
}

TEST_F(Resume, InsideACheckpointTheStateIsOfTheWeightsThatLearn) {
  auto options = few_iterations(3);
  options.ema = 0.5;
  Fresh run(options, images(), 0, 0);
  std::unique_ptr<TrainingState> inside;
  run.trainer.fit({.on_checkpoint = [&](const Checkpoint&) {
    inside = std::make_unique<TrainingState>(run.trainer.state());
  }});
  ASSERT_TRUE(inside);
  expect_same(*inside, run.trainer.state());
}

TEST_F(Resume, AStateIsACopy) {
  Fresh run(few_iterations(2), images(), 0, 0);
  Trace trace;
  run.run(trace, 1);
  const auto state = run.trainer.state(), again = run.trainer.state();
  run.run(trace);
  expect_same(state, again);
  EXPECT_FALSE(at::equal(state.model.begin()->second, run.trainer.state().model.begin()->second));
}

TEST_F(Resume, GradientsMayBeChangedBeforeEachStep) {
  auto options = few_iterations(4);
  options.accumulate = 2;
  options.solver.weight_decay = 0;
  Fresh run(options, images(), 0, 0);
  int64_t steps = 0;
  run.trainer.fit({.on_gradients = [&](const std::vector<at::Tensor>& gradients) {
    ++steps;
    for (const auto& gradient : gradients) gradient.zero_();
  }});
  EXPECT_EQ(steps, 2);
  EXPECT_TRUE(same_weights(*run.model, *tiny_model(5)));
}

TrainingState small_state() {
  return {.iteration = 12,
          .epoch = 3,
          .batch = 2,
          .model = {{"a.weight", at::rand({2, 3})}, {"a.steps", at::scalar_tensor(5, at::kLong)}},
          .solver = {{"a.weight.momentum_buffer", at::rand({2, 3})}},
          .ema = {{"a.weight", at::rand({2, 3})}},
          .gradients = {{"a.weight", at::rand({2, 3})}},
          .losses = {{"loss_classifier", at::rand({4})}},
          .data = {{"fingerprint", at::arange(3)}},
          .skipped = {{7, "7.jpg: is \xff damaged"}}};
}

TEST(TrainingState, ComesBackFromItsFile) {
  const TempFolder temp;
  const auto file = temp.path() / "state.safetensors";
  const auto state = small_state();
  save_state(file, state, {{"config", "{}"}});
  const auto [again, metadata] = load_state(file);
  expect_same(again, state);
  ASSERT_EQ(again.skipped.size(), 1u);
  EXPECT_EQ(again.skipped[0].index, 7);
  EXPECT_THAT(again.skipped[0].message, AllOf(HasSubstr("7.jpg: is "), HasSubstr(" damaged")));
  EXPECT_EQ(metadata, (std::map<std::string, std::string>{{"config", "{}"}}));
}

TEST(TrainingState, AWeightThatIsNotFiniteIsNeverWritten) {
  const TempFolder temp;
  const auto file = temp.path() / "state.safetensors";
  auto state = small_state();
  state.model["a.weight"][1][1] = INFINITY;
  EXPECT_THAT(message_of<NonFiniteError>([&] { save_state(file, state, {}); }),
              AllOf(HasSubstr("iteration 12"), HasSubstr("a.weight")));
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST(TrainingState, OtherFilesAreRefused) {
  const TempFolder temp;
  const auto file = temp.path() / "weights.safetensors";
  const std::map<std::string, std::string> numbers{
      {"iteration", "1"}, {"epoch", "0"}, {"batch", "1"}, {"skipped", "[]"}};
  io::write_safetensors(file, {.tensors = {{"a", at::rand({2})}}, .metadata = {}});
  EXPECT_THAT(message_of<WeightsError>([&] { load_state(file); }),
              AllOf(HasSubstr(file.string()), HasSubstr("no state of a training")));
  io::write_safetensors(file, {.tensors = {{"a", at::rand({2})}}, .metadata = numbers});
  EXPECT_THAT(message_of<WeightsError>([&] { load_state(file); }), HasSubstr("a has no place"));
  for (const auto& [key, value] :
       std::map<std::string, std::string>{{"iteration", "-1"}, {"epoch", "1x"}, {"skipped", "[1]"}}) {
    auto wrong = numbers;
    wrong[key] = value;
    io::write_safetensors(file, {.tensors = {}, .metadata = wrong});
    EXPECT_THAT(message_of<WeightsError>([&] { load_state(file); }), HasSubstr(key));
  }
}

TEST_F(Resume, AStateOfAnotherModelOrSolverIsRefused) {
  Fresh run(few_iterations(2), images(), 0, 0);
  Trace trace;
  run.run(trace, 1);
  const auto state = run.trainer.state();
  const auto refused = [&](const TrainingState& wrong) {
    Fresh other(few_iterations(2), images(), 0, 0);
    return message_of<WeightsError>([&] { other.trainer.restore(wrong); });
  };
  auto wrong = state;
  wrong.model.erase(wrong.model.begin());
  EXPECT_THAT(refused(wrong), HasSubstr("the state of the training"));
  wrong = state;
  wrong.solver["nobody.momentum_buffer"] = at::rand({2});
  EXPECT_THAT(refused(wrong), HasSubstr("nobody.momentum_buffer"));
  wrong = state;
  wrong.solver.begin()->second = at::rand({2, 2, 2});
  EXPECT_THAT(refused(wrong), HasSubstr(wrong.solver.begin()->first));
}

}  // namespace
}  // namespace rcnn::train
