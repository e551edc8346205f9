#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <new>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/data/formats/voc/voc.h>
#include <rcnn/data/images/image.h>
#include <rcnn/nn/weights/weights.h>
#include <rcnn/train/trainer.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/train/few_scenes.h"
#include "tests/train/training_of.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::train {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Gt;
using testing::HasSubstr;

constexpr const char* kEmptyAnnotation = "<annotation></annotation>";

/// Trains the tiny model on a few drawn images, in fractions of a second.
class TrainerTest : public FewScenes {
 protected:
  struct Run {
    std::shared_ptr<nn::DetectionModelImpl> model;
    std::vector<Progress> progress;
    std::vector<Checkpoint> checkpoints;
  };

  static Run train(const TrainOptions& options, const std::shared_ptr<data::Dataset>& dataset,
                   int64_t workers = 0) {
    Run run{tiny_model(std::ssize(dataset->categories())), {}, {}};
    Trainer trainer(training_of(bare(run.model), dataset, {.min_size = 64, .max_size = 96, .flip = 0.5},
                                {.workers = workers}, options));
    trainer.fit({.on_progress =
                     [&](const Progress& progress) {
                       EXPECT_TRUE(run.model->is_training());
                       run.progress.push_back(progress);
                     },
                 .on_checkpoint =
                     [&](const Checkpoint& checkpoint) {
                       EXPECT_FALSE(run.model->is_training());
                       run.checkpoints.push_back(checkpoint);
                     }});
    EXPECT_TRUE(run.model->is_training());
    return run;
  }
};

std::vector<double> losses(const std::vector<Progress>& reports) {
  std::vector<double> values;
  for (const auto& report : reports) values.push_back(report.loss);
  return values;
}

std::vector<int64_t> iterations(const auto& reports) {
  std::vector<int64_t> numbers;
  for (const auto& report : reports) numbers.push_back(report.iteration);
  return numbers;
}

TEST_F(TrainerTest, TheSameSeedGivesTheSameBitsWhateverCameBeforeAndHoweverManyLoad) {
  const auto first = train(few_iterations(6), images());
  EXPECT_FALSE(same_weights(*first.model, *tiny_model(5)));
  for (const int64_t workers : {0, 2}) {
    torch::rand({int64_t{10} + workers});  // another state of LibTorch's generator
    const auto again = train(few_iterations(6), images(), workers);
    EXPECT_EQ(losses(again.progress), losses(first.progress)) << workers << " workers";
    EXPECT_TRUE(same_weights(*again.model, *first.model)) << workers << " workers";
  }
}

TEST_F(TrainerTest, LeavesOutBadImagesOnRequest) {
  const auto trainer = [](const std::set<int64_t>& bad, data::Policy policy) {
    return Trainer(training_of(bare(tiny_model(5)), std::make_shared<Damaged>(images(), bad),
                               {.min_size = 64, .max_size = 96}, {.workers = 2, .bad_images = policy},
                               few_iterations(7)));
  };
  auto skipping = trainer({0, 1, 2}, data::Policy::skip);
  int64_t iterations = 0;
  bool last = false;
  skipping.fit({.on_progress = [&](const Progress&) { ++iterations; },
                .on_checkpoint = [&](const Checkpoint& checkpoint) { last = checkpoint.last; }});
  EXPECT_EQ(iterations, 7) << "of which epochs give one to three";
  EXPECT_TRUE(last);
  std::set<std::string> messages;
  for (const auto& bad : skipping.skipped()) messages.insert(bad.message);
  EXPECT_EQ(messages, (std::set<std::string>{"0.jpg: is damaged", "1.jpg: is damaged", "2.jpg: is damaged"}));
  EXPECT_EQ(skipping.skipped().size(), 3u);

  auto all = trainer({0, 1, 2, 3, 4}, data::Policy::skip);
  EXPECT_THAT(message_of<DataError>([&] { all.fit({}); }),
              HasSubstr("no image of the training data can be used"));
  auto stopping = trainer({3}, data::Policy::stop);
  EXPECT_THAT(message_of<DataError>([&] { stopping.fit({}); }), HasSubstr("3.jpg: is damaged"));
}

TEST_F(TrainerTest, AnotherSeedGivesAnotherRun) {
  auto options = few_iterations(3);
  const auto first = train(options, images());
  options.seed = 8;
  const auto other = train(options, images());
  EXPECT_NE(losses(other.progress), losses(first.progress));
  EXPECT_FALSE(same_weights(*other.model, *first.model));
}

TEST_F(TrainerTest, LearnsTwoImagesByHeart) {
  const auto loss = losses(train(few_iterations(100), images(2)).progress);
  const auto mean = [&](size_t begin) { return std::accumulate(&loss[begin], &loss[begin] + 5, 0.0) / 5; };
  // Measured at 0.43 to 0.45 under three seeds: proposals that get better bring box losses of their own.
  EXPECT_LT(mean(95), 0.55 * mean(0));
}

TEST_F(TrainerTest, IterationsCutTheRunWithinAnEpoch) {
  const auto run = train(few_iterations(4), images());  // 3 batches an epoch
  EXPECT_THAT(iterations(run.progress), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(run.progress[2].epoch, 1);
  EXPECT_EQ(run.progress[3].epoch, 2);
  EXPECT_EQ(run.progress[3].epochs, 2);
  EXPECT_EQ(run.progress[3].iterations, 4);
  EXPECT_EQ(run.progress[3].eta_seconds, 0);
  EXPECT_THAT(iterations(run.checkpoints), ElementsAre(3, 4));
  EXPECT_FALSE(run.checkpoints[0].last);
  EXPECT_TRUE(run.checkpoints[1].last);
}

TEST_F(TrainerTest, ChecksInAfterEveryEpochAndOnceAtTheEnd) {
  auto options = few_iterations(0);
  options.epochs = 2;
  const auto run = train(options, images());
  EXPECT_THAT(iterations(run.checkpoints), ElementsAre(3, 6));
  EXPECT_EQ(run.checkpoints[0].epoch, 1);
  EXPECT_EQ(run.checkpoints[1].epoch, 2);
  EXPECT_FALSE(run.checkpoints[0].last);
  EXPECT_TRUE(run.checkpoints[1].last);
}

TEST_F(TrainerTest, ChecksInAfterEveryPeriodAndAtTheEnd) {
  auto options = few_iterations(5);
  options.checkpoint_period = 2;
  const auto run = train(options, images());
  EXPECT_THAT(iterations(run.checkpoints), ElementsAre(2, 4, 5));
  EXPECT_FALSE(run.checkpoints[1].last);
  EXPECT_TRUE(run.checkpoints[2].last);
}

TEST_F(TrainerTest, ReportsTheMeansSinceTheLastReport) {
  auto options = few_iterations(5);
  const auto each = train(options, images()).progress;
  options.log_period = 3;
  const auto run = train(options, images());
  ASSERT_THAT(iterations(run.progress), ElementsAre(3, 5));
  std::vector<std::string> names;
  for (const auto& [name, value] : run.progress[0].losses) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg"));
  for (size_t i = 0; i < names.size(); ++i) {  // means of floats: seven digits
    EXPECT_NEAR(run.progress[0].losses[i].second,
                (each[0].losses[i].second + each[1].losses[i].second + each[2].losses[i].second) / 3, 1e-6);
    EXPECT_NEAR(run.progress[1].losses[i].second, (each[3].losses[i].second + each[4].losses[i].second) / 2,
                1e-6);
  }
  EXPECT_NEAR(run.progress[1].loss, (each[3].loss + each[4].loss) / 2, 1e-6);
  EXPECT_GT(run.progress[1].memory_bytes, 1 << 20);
  EXPECT_GT(run.progress[1].iteration_seconds, 0);
  EXPECT_LE(run.progress[1].data_seconds, run.progress[1].iteration_seconds);
}

TEST_F(TrainerTest, FollowsItsSchedule) {
  auto options = few_iterations(5);
  options.schedule = {.lr = 0.01, .warmup_iterations = 2, .steps = {0.6}, .gamma = 0.5};
  std::vector<double> rates;
  for (const auto& report : train(options, images()).progress) rates.push_back(report.lr);
  EXPECT_THAT(rates, ElementsAre(0.005, 0.01, 0.01, 0.005, 0.005));
}

TEST_F(TrainerTest, ScalesTheRateByTheImagesAStep) {
  auto options = few_iterations(3);
  options.accumulate = 3;
  options.base_batch = 16;
  options.schedule = {.lr = 0.25, .steps = {2}, .gamma = 0.5};
  EXPECT_EQ(options.effective_lr(), 0.25 * 6 / 16);
  std::vector<double> rates;
  for (const auto& report : train(options, images()).progress) rates.push_back(report.lr);
  EXPECT_THAT(rates, ElementsAre(0.09375, 0.09375, 0.046875));
}

std::map<std::string, at::Tensor> copy_of(const torch::nn::Module& module) {
  std::map<std::string, at::Tensor> copies;
  for (const auto& [name, tensor] : nn::state_of(module)) copies[name] = tensor.detach().clone();
  return copies;
}

double distance(const std::map<std::string, at::Tensor>& a, const std::map<std::string, at::Tensor>& b) {
  double sum = 0;
  for (const auto& [name, tensor] : a) sum += (tensor - b.at(name)).square().sum().item<double>();
  return std::sqrt(sum);
}

TEST_F(TrainerTest, AStepTakesTheMeanOfTheGradientsAccumulated) {
  // Without momentum, decay and, at this rate, a change of the weights that would count, two steps go twice
  // as far as one step of the mean of the same two gradients.
  auto options = few_iterations(2);
  options.schedule.lr = 1e-4;
  options.solver = {.momentum = 0, .weight_decay = 0};
  const auto start = copy_of(*tiny_model(5)), each = copy_of(*train(options, images()).model);
  options.accumulate = 2;
  const auto together = copy_of(*train(options, images()).model);
  std::map<std::string, at::Tensor> twice;
  for (const auto& [name, tensor] : start) twice[name] = tensor + 2 * (together.at(name) - tensor);
  EXPECT_GT(distance(start, each), 1e-5);
  EXPECT_LT(distance(twice, each), 0.02 * distance(start, each));
}

TEST_F(TrainerTest, WhatIsLeftAtTheEndIsAStepOfItsOwn) {
  auto options = few_iterations(2);
  options.accumulate = 2;
  const auto exact = train(options, images());
  options.accumulate = 5;
  EXPECT_TRUE(same_weights(*train(options, images()).model, *exact.model));
}

TEST_F(TrainerTest, NothingMovesBeforeEnoughIsAccumulated) {
  auto options = few_iterations(3);
  options.accumulate = 2;
  options.checkpoint_period = 1;
  const auto model = tiny_model(5);
  Trainer trainer(training_of(bare(model), images(), {.min_size = 64, .max_size = 96, .flip = 0.5},
                              {.workers = 0}, options));
  std::vector<double> moved = {};
  auto before = copy_of(*model);
  trainer.fit({.on_checkpoint = [&](const Checkpoint&) {
    auto now = copy_of(*model);
    moved.push_back(distance(before, now));
    before = std::move(now);
  }});
  EXPECT_THAT(moved, ElementsAre(0, Gt(0), Gt(0)));  // the last is a step of its own
}

TEST_F(TrainerTest, TheAveragedWeightsAreKeptAndTheOthersLearnOn) {
  auto options = few_iterations(4);
  const auto plain = train(options, images());
  options.ema = 0.9;
  options.checkpoint_period = 1;
  const auto model = tiny_model(5);
  Trainer trainer(training_of(bare(model), images(), {.min_size = 64, .max_size = 96, .flip = 0.5},
                              {.workers = 0}, options));
  std::map<std::string, at::Tensor> averaged;
  trainer.fit({.on_checkpoint = [&](const Checkpoint&) { averaged = copy_of(*model); }});
  EXPECT_TRUE(same_weights(*model, *plain.model));
  const auto start = copy_of(*tiny_model(5)), end = copy_of(*model);
  EXPECT_GT(distance(averaged, end), 0);
  EXPECT_LT(distance(start, averaged), distance(start, end));
}

TEST_F(TrainerTest, BeginsWithTheCheckpointWhereItStands) {
  auto options = few_iterations(4);
  options.checkpoint_period = 2;
  Trainer trainer(
      training_of(bare(tiny_model(5)), images(), {.min_size = 64, .max_size = 96}, {.workers = 0}, options));
  std::vector<int64_t> checkpoints;
  const auto on_checkpoint = [&](const Checkpoint& here) { checkpoints.push_back(here.iteration); };
  trainer.fit({.on_checkpoint = on_checkpoint, .stop = [](int64_t iteration) { return iteration == 2; }});
  EXPECT_THAT(checkpoints, ElementsAre(2));
  trainer.fit({.on_checkpoint = on_checkpoint, .stop = [](int64_t iteration) { return iteration == 2; }});
  EXPECT_THAT(checkpoints, ElementsAre(2, 2)) << "and is stopped there";
  trainer.fit({.on_checkpoint = on_checkpoint});
  EXPECT_THAT(checkpoints, ElementsAre(2, 2, 2, 4));
}

TEST_F(TrainerTest, HooksThatNobodyCallsAreRefused) {
  Trainer trainer(training_of(bare(tiny_model(5)), images(), {.min_size = 64, .max_size = 96}, {.workers = 0},
                              few_iterations(1)));
  const auto evaluate = [](const nn::DescribedModel&) { return std::optional<Scores>(); };
  EXPECT_THAT(message_of<c10::Error>([&] { trainer.fit({.evaluate = evaluate}); }),
              HasSubstr("hooks of a Run"));
}

TEST_F(TrainerTest, ARateOfZeroChangesNothing) {
  auto options = few_iterations(2);
  options.schedule.lr = 0;
  EXPECT_TRUE(same_weights(*train(options, images()).model, *tiny_model(5)));
}

TEST_F(TrainerTest, StopsAtALossThatIsNotFiniteAndNamesTheImages) {
  auto options = few_iterations(10);
  options.schedule.lr = 1e30;
  EXPECT_THAT(message_of<NonFiniteError>([&] { train(options, images(2)); }),
              AllOf(HasSubstr("scene_00001"), HasSubstr("scene_00002"), HasSubstr("loss_objectness"),
                    HasSubstr("loss_box_reg"), HasSubstr("lower train.lr")));
}

/// A model for which there is never enough memory.
class Greedy : public nn::DetectionModelImpl {
 public:
  explicit Greedy(Resize resize = Resize::torchvision) : pixels_{.resize = resize} {}
  std::vector<nn::Loss> losses(const ImageBatch&, const std::vector<Target>&) override {
    throw std::bad_alloc();
  }
  std::vector<Detections> detect(const ImageBatch&) override { return {}; }
  const nn::PixelOptions& pixels() const override { return pixels_; }
  const nn::SuppressionOptions& suppression() const override { return suppression_; }

 private:
  const nn::PixelOptions pixels_;
  const nn::SuppressionOptions suppression_;
  const at::Tensor weight_ = register_parameter("weight", at::zeros({1}));
};

TEST_F(TrainerTest, SaysWhatToLowerWhenMemoryRunsOut) {
  Trainer trainer(training_of(bare(std::make_shared<Greedy>()), images(), {.min_size = 64, .max_size = 96},
                              {.workers = 0}, few_iterations(1)));
  EXPECT_THAT(message_of<MemoryError>([&] { trainer.fit({}); }),
              AllOf(HasSubstr("a batch of 2 images of 96 x 64"), HasSubstr("train.batch_size"),
                    HasSubstr("data.max_size"), HasSubstr("train.precision=bf16")));
}

/// A model of one weight, whose losses are called as it is told.
class Named : public nn::DetectionModelImpl {
 public:
  explicit Named(std::vector<std::vector<std::string>> names) : names_(std::move(names)) {}
  std::vector<nn::Loss> losses(const ImageBatch&, const std::vector<Target>&) override {
    std::vector<nn::Loss> losses;
    for (const auto& name : names_.at(calls_++)) losses.push_back({name, weight_.sum() * double(calls_)});
    return losses;
  }
  std::vector<Detections> detect(const ImageBatch&) override { return {}; }
  const nn::PixelOptions& pixels() const override { return pixels_; }
  const nn::SuppressionOptions& suppression() const override { return suppression_; }

 private:
  const std::vector<std::vector<std::string>> names_;
  size_t calls_ = 0;
  const nn::PixelOptions pixels_;
  const nn::SuppressionOptions suppression_;
  const at::Tensor weight_ = register_parameter("weight", at::ones({1}));
};

TEST_F(TrainerTest, LossesKeepTheirNamesAndTheirOrder) {
  const auto message = [](std::vector<std::vector<std::string>> names, int64_t log_period) {
    auto options = few_iterations(std::ssize(names));
    options.log_period = log_period;
    Trainer trainer(training_of(bare(std::make_shared<Named>(std::move(names))), images(),
                                {.min_size = 64, .max_size = 96}, {.workers = 0}, options));
    return message_of<c10::Error>([&] { trainer.fit({}); });
  };
  for (const int64_t period : {1, 10}) {
    EXPECT_THAT(message({{"a", "b"}, {"b", "a"}}, period), HasSubstr("calls before, a, b, got b, a"));
    EXPECT_THAT(message({{"a", "b"}, {"a"}}, period), HasSubstr("got a"));
  }
  EXPECT_THAT(message({{}}, 1), HasSubstr("expected a loss at least"));
}

TEST_F(TrainerTest, AHookThatThrowsLeavesTheModelAsItWas) {
  auto options = few_iterations(6);
  const auto plain = train(options, images());
  options.ema = 0.9;
  options.checkpoint_period = 2;
  const auto model = tiny_model(5);
  Trainer trainer(training_of(bare(model), images(), {.min_size = 64, .max_size = 96, .flip = 0.5},
                              {.workers = 0}, options));
  EXPECT_EQ(message_of<std::runtime_error>([&] {
              trainer.fit({.on_checkpoint = [](const Checkpoint&) { throw std::runtime_error("mine"); }});
            }),
            "mine");
  EXPECT_EQ(trainer.iteration(), 2);
  EXPECT_TRUE(model->is_training());
  EXPECT_EQ(message_of<std::runtime_error>([&] {
              trainer.fit({.on_progress = [](const Progress&) { throw std::runtime_error("mine"); }});
            }),
            "mine");
  EXPECT_EQ(trainer.iteration(), 3);
  trainer.fit({});
  EXPECT_TRUE(same_weights(*model, *plain.model)) << "not the averaged ones";
}

/// One image, on which an object has a label of one's own choice.
class Mislabelled : public data::Dataset {
 public:
  Mislabelled(std::shared_ptr<data::Dataset> whole, int64_t label)
      : whole_(std::move(whole)), record_(whole_->record(0)) {
    record_.objects.front().label = label;
  }
  int64_t size() const override { return 1; }
  const data::Record& record(int64_t) const override { return record_; }
  const std::vector<Category>& categories() const override { return whole_->categories(); }
  at::Tensor image(int64_t) const override { return whole_->image(0); }

 private:
  std::shared_ptr<data::Dataset> whole_;
  data::Record record_;
};

TEST_F(TrainerTest, ALabelWithoutACategoryIsNamedBeforeTheFirstIteration) {
  for (const int64_t label : {0, 6}) {
    EXPECT_THAT(message_of<DataError>([&] {
                  Trainer(training_of(bare(tiny_model(5)), std::make_shared<Mislabelled>(images(), label), {},
                                      {}, few_iterations(1)));
                }),
                AllOf(HasSubstr("record scene_00001"), HasSubstr("label " + std::to_string(label)),
                      HasSubstr("5 categories")));
  }
  auto described = bare(tiny_model(4));
  described.categories = {{1, "a"}, {2, "b"}, {3, "c"}, {4, "d"}};
  EXPECT_THAT(
      message_of<ConfigError>([&] { Trainer(training_of(described, images(), {}, {}, few_iterations(1))); }),
      HasSubstr("the model has 4 classes and the data set 5"));
}

TEST_F(TrainerTest, AnImageThatChangesItsSizeIsNamed) {
  const TempFolder copy;
  const auto root = copy.path() / "scenes";
  std::filesystem::copy(folder_->path() / "scenes", root, std::filesystem::copy_options::recursive);
  const auto dataset = data::read_voc({.root = root});
  const auto changed = root / "JPEGImages" / "scene_00004.jpg";
  for (const int64_t workers : {0, 2}) {
    for (const auto policy : {data::Policy::stop, data::Policy::skip}) {
      data::write_image(changed, dataset->image(0));
      Trainer trainer(training_of(bare(tiny_model(5)), dataset, {.min_size = 64, .max_size = 96},
                                  {.workers = workers, .bad_images = policy}, few_iterations(9)));
      const auto replace = [&](int64_t iteration) {
        if (iteration == 1) data::write_image(changed, at::zeros({32, 48, 3}, at::kByte));
        return false;
      };
      const auto told = AllOf(HasSubstr(changed.string() + ": has 48 x 32 pixels, and had 96 x 64"));
      if (policy == data::Policy::stop) {
        EXPECT_THAT(message_of<DataError>([&] { trainer.fit({.stop = replace}); }), told);
      } else {
        trainer.fit({.stop = replace});
        ASSERT_EQ(trainer.skipped().size(), 1u);
        EXPECT_THAT(trainer.skipped()[0].message, told);
      }
    }
  }
}

TEST_F(TrainerTest, AnEpochEndsWhereTheImagesOfItsLastBatchesAreLeftOut) {
  // In batches of one, whichever image comes last in an epoch is sometimes among the bad.
  auto options = few_iterations(12);
  options.batch_size = 1;
  Trainer trainer(training_of(
      bare(tiny_model(5)), std::make_shared<Damaged>(images(), std::set<int64_t>{0, 1, 2}),
      {.min_size = 64, .max_size = 96}, {.workers = 0, .bad_images = data::Policy::skip}, options));
  std::vector<Checkpoint> checkpoints;
  trainer.fit({.on_checkpoint = [&](const Checkpoint& checkpoint) { checkpoints.push_back(checkpoint); }});
  EXPECT_THAT(iterations(checkpoints), ElementsAre(2, 4, 6, 8, 10, 12)) << "two good ones an epoch";
  for (size_t i = 0; i < checkpoints.size(); ++i) {
    EXPECT_EQ(checkpoints[i].epoch, static_cast<int64_t>(i) + 1);
    EXPECT_TRUE(checkpoints[i].last || checkpoints[i].epoch_end);
  }
}

TEST_F(TrainerTest, ResizesToTheSizeThatTheModelsPixelsAskFor) {
  const auto size_of_batch = [&](Resize resize) {
    Trainer trainer(training_of(bare(std::make_shared<Greedy>(resize)), images(),
                                {.min_size = 65, .max_size = 200}, {.workers = 0}, few_iterations(1)));
    return message_of<MemoryError>([&] { trainer.fit({}); });
  };
  EXPECT_THAT(size_of_batch(Resize::torchvision), HasSubstr("images of 97 x 65"));  // 97.5
  EXPECT_THAT(size_of_batch(Resize::pillow), HasSubstr("images of 98 x 65"));
  EXPECT_THAT(size_of_batch(Resize::opencv), HasSubstr("images of 98 x 65"));
}

TEST_F(TrainerTest, AnImageWithoutObjectsIsTrainedOn) {
  const TempFolder copy;
  const auto root = copy.path() / "scenes";
  std::filesystem::copy(folder_->path() / "scenes", root, std::filesystem::copy_options::recursive);
  copy.write("scenes/Annotations/scene_00001.xml", kEmptyAnnotation);
  auto options = few_iterations(2);
  options.batch_size = 1;  // a batch that holds nothing to find
  const auto dataset = data::read_voc({.root = root, .limit = 2});
  ASSERT_TRUE(dataset->record(0).objects.empty());
  EXPECT_THAT(losses(train(options, dataset).progress), Each(Gt(0)));
}

TEST_F(TrainerTest, AnImageThatCannotBeReadIsNamed) {
  const TempFolder copy;
  const auto root = copy.path() / "scenes";
  std::filesystem::copy(folder_->path() / "scenes", root, std::filesystem::copy_options::recursive);
  const auto dataset = data::read_voc({.root = root});
  std::filesystem::remove(root / "JPEGImages" / "scene_00004.jpg");
  for (const int64_t workers : {0, 2}) {
    EXPECT_THAT(message_of<DataError>([&] { train(few_iterations(3), dataset, workers); }),
                HasSubstr("scene_00004.jpg"));
  }
}

TrainOptions train_options(const std::string& text) {
  return TrainOptions::from(config::Config::parse(text, "here").root());
}

TEST(TrainOptions, EveryKeyArrives) {
  const auto options = train_options(R"({"epochs": 3, "iterations": 40, "batch_size": 5, "lr": 0.5,
      "warmup_iterations": 6, "steps": [0.5, 30], "gamma": 0.25, "momentum": 0.75, "weight_decay": 0.125,
      "accumulate": 4, "base_batch": 16, "ema": 0.5, "seed": 9, "log_period": 11, "checkpoint_period": 12, "freeze": ["a.*"]})");
  EXPECT_EQ(options.epochs, 3);
  EXPECT_EQ(options.iterations, 40);
  EXPECT_EQ(options.batch_size, 5);
  EXPECT_EQ(options.schedule.lr, 0.5);
  EXPECT_EQ(options.schedule.warmup_iterations, 6);
  EXPECT_THAT(options.schedule.steps, ElementsAre(0.5, 30));
  EXPECT_EQ(options.schedule.gamma, 0.25);
  EXPECT_EQ(options.solver.momentum, 0.75);
  EXPECT_EQ(options.solver.weight_decay, 0.125);
  EXPECT_EQ(options.accumulate, 4);
  EXPECT_EQ(options.base_batch, 16);
  EXPECT_EQ(options.ema, 0.5);
  EXPECT_EQ(options.seed, 9u);
  EXPECT_EQ(options.log_period, 11);
  EXPECT_EQ(options.checkpoint_period, 12);
  EXPECT_THAT(options.freeze, ElementsAre("a.*"));
}

TEST(TrainOptions, AbsentKeysKeepTheDefaults) {
  const auto options = train_options("{}");
  EXPECT_EQ(options.epochs, TrainOptions().epochs);
  EXPECT_EQ(options.schedule.lr, ScheduleOptions().lr);
  EXPECT_EQ(options.solver.momentum, SolverOptions().momentum);
}

TEST(TrainOptions, WrongValuesAreNamed) {
  for (const char* key : {"epochs", "batch_size", "accumulate", "log_period"}) {
    EXPECT_THAT(message_of<ConfigError>([&] { train_options(std::string("{\"") + key + "\": 0}"); }),
                HasSubstr(key));
  }
  for (const char* key : {"iterations", "lr", "warmup_iterations", "gamma", "momentum", "weight_decay",
                          "base_batch", "ema", "seed", "checkpoint_period"}) {
    EXPECT_THAT(message_of<ConfigError>([&] { train_options(std::string("{\"") + key + "\": -1}"); }),
                HasSubstr(key));
  }
  EXPECT_THAT(message_of<ConfigError>([] { train_options(R"({"steps": [-1]})"); }), HasSubstr("steps"));
  EXPECT_THAT(message_of<ConfigError>([] { train_options(R"({"momentum": 1.5})"); }), HasSubstr("momentum"));
  EXPECT_THAT(message_of<ConfigError>([] { train_options(R"({"ema": 1})"); }), HasSubstr("ema"));
  EXPECT_THAT(message_of<ConfigError>([] { train_options(R"({"leraning_rate": 1, "lr": 1})"); }),
              HasSubstr("leraning_rate"));
}

}  // namespace
}  // namespace rcnn::train
