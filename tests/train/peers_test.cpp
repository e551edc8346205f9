#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/train/peers.h>
#include <rcnn/train/run.h>
#include <rcnn/train/trainer.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/train/few_scenes.h"
#include "tests/train/training_of.h"

namespace rcnn::train {
namespace {

using testing::HasSubstr;

/// The second of two processes, of which the first one is made up.
struct Second : Peers {
  int64_t rank() const override { return 1; }
  int64_t count() const override { return 2; }
  bool any(bool here) override { return here || there(); }
  void mean(const std::vector<at::Tensor>& tensors) override {
    ++means;
    for (const auto& tensor : tensors) change(tensor);
  }
  std::function<bool()> there = [] { return false; };
  std::function<void(const at::Tensor&)> change = [](const at::Tensor&) {};
  int64_t means = 0;
};

class PeersTest : public FewScenes {
 protected:
  using Run = train::Run;  // which testing::Test has, too

  Training training(const TrainOptions& options) const {
    auto training =
        training_of(bare(tiny_model(5)), images(), {.min_size = 64, .max_size = 96}, {.workers = 0}, options);
    training.peers = peers_;
    return training;
  }
  const std::shared_ptr<Second> peers_ = std::make_shared<Second>();
};

TEST_F(PeersTest, AloneThereIsNothingToWaitFor) {
  const auto peers = alone();
  EXPECT_EQ(peers->rank(), 0);
  EXPECT_EQ(peers->count(), 1);
  EXPECT_TRUE(peers->any(true));
  EXPECT_FALSE(peers->any(false));
  const auto tensor = at::ones({2});
  peers->mean({tensor});
  EXPECT_TRUE(at::equal(tensor, at::ones({2})));
}

TEST_F(PeersTest, AStepTakesTheMeanOfTheGradients) {
  auto options = few_iterations(4);
  options.accumulate = 2;
  options.solver.weight_decay = 0;
  peers_->change = [](const at::Tensor& gradient) { gradient.zero_(); };
  Trainer trainer(training(options));
  trainer.fit({.on_gradients = [](const std::vector<at::Tensor>& gradients) {
    for (const auto& gradient : gradients)
      EXPECT_EQ(gradient.abs().sum().item<float>(), 0) << "comes after the mean";
  }});
  EXPECT_EQ(peers_->means, 2);
  EXPECT_TRUE(same_weights(*trainer.described().model, *tiny_model(5)));
}

TEST_F(PeersTest, EachHasItsShareOfTheBatches) {
  auto options = few_iterations(0);
  options.epochs = 2;
  options.batch_size = 1;
  EXPECT_EQ(Trainer(training(options)).iterations(), 4) << "two of five batches an epoch";
  auto whole = training(options);
  whole.peers = alone();
  EXPECT_EQ(Trainer(whole).iterations(), 10);
}

TEST_F(PeersTest, WhatEndsOneEndsAll) {
  Trainer stopped(training(few_iterations(9)));
  int64_t asked = 0;
  peers_->there = [&] {
    return stopped.iteration() == 3 && ++asked == 2;
  };  // the first question is of the losses
  stopped.fit();
  EXPECT_EQ(stopped.iteration(), 3);

  Trainer failed(training(few_iterations(9)));
  peers_->there = [&] { return failed.iteration() == 2; };
  EXPECT_THAT(message_of<NonFiniteError>([&] { failed.fit(); }), HasSubstr("in another process"));
}

TEST_F(PeersTest, TheFirstAloneWritesAndScoresAreTheMean) {
  const TempFolder temp;
  {
    peers_->change = [](const at::Tensor& tensor) {
      if (tensor.scalar_type() == at::kDouble) tensor.fill_(0.5);  // scores
    };
    Run run(training(few_iterations(3)), RunFolder::create(temp.path() / "run"), {}, Run::Resume::no);
    const auto outcome = run.fit({.evaluate = [](const nn::DescribedModel&) {
      return std::optional<Scores>({{"mAP", 0.25}});
    }});
    EXPECT_EQ(outcome, Run::Outcome::finished);
    ASSERT_TRUE(run.best());
    EXPECT_EQ(run.best()->scores.at(0).second, 0.5);
  }
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(temp.path() / "run"))
    files.push_back(entry.path().filename().string());
  EXPECT_THAT(files, testing::ElementsAre("run.lock"));
}

}  // namespace
}  // namespace rcnn::train
