#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/data/dataset.h>
#include <rcnn/infer/tensor_detector.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/train/trainer.h>

#include "tests/support/german_locale.h"
#include "tests/support/message_of.h"
#include "tests/support/tiny_model.h"
#include "tests/train/few_scenes.h"

namespace rcnn::train {
namespace {

using testing::HasSubstr;

/// What a program that links the library writes: configs and data sets of its own.
class TrainerOfConfigTest : public FewScenes {
 protected:
  static config::Config config(const std::vector<std::string>& changes = {}) {
    const std::string text =
        std::string(R"({"model": )") + kTinyModel +
        R"(, "train": {"iterations": 3, "batch_size": 2, "lr": 0.01, "log_period": 1, "seed": 7},
                                 "data": {"root": ")" +
        (folder_->path() / "scenes").string() + R"(", "min_size": 64, "max_size": 96}})";
    return config::Config::parse(text, "here", changes);
  }
};

//! [data set]
/// One grey box on black, in memory.
class Boxes : public data::Dataset {
 public:
  int64_t size() const override { return 4; }
  const data::Record& record(int64_t) const override { return record_; }
  const std::vector<Category>& categories() const override { return categories_; }
  at::Tensor image(int64_t) const override {
    const auto image = at::zeros({64, 96, 3}, at::kByte);
    image.narrow(0, 10, 40).narrow(1, 20, 40).fill_(128);
    return image;
  }

 private:
  data::Record record_{.id = "box", .image = {}, .size = {64, 96}, .objects = {{{20, 10, 60, 50}, 1}}};
  std::vector<Category> categories_{{42, "box"}};
};
//! [data set]

TEST_F(TrainerOfConfigTest, TrainsWhatTheConfigDescribes) {
  Trainer trainer(config(), nullptr, "cpu");
  EXPECT_EQ(trainer.iterations(), 3);
  std::vector<double> losses;
  trainer.fit({.on_progress = [&](const Progress& progress) { losses.push_back(progress.loss); }});
  EXPECT_EQ(losses.size(), 3u);
  EXPECT_EQ(trainer.described().categories.size(), 5u);

  Trainer again(config(), nullptr, "cpu");
  again.fit();
  EXPECT_TRUE(same_weights(*again.described().model, *trainer.described().model));
}

TEST_F(TrainerOfConfigTest, TakesADataSetOfOnesOwn) {
  // The config's own data are not looked for.
  Trainer trainer(config({"data.root=/nowhere"}), std::make_shared<Boxes>(), "cpu");
  trainer.fit();
  const auto described = trainer.described();
  EXPECT_EQ(described.categories, (std::vector<Category>{{42, "box"}}));

  const auto file = folder_->path() / "boxes.safetensors";
  nn::save_model(file, described);
  const auto detector = TensorDetector::load(file, {.device = "cpu", .score_threshold = 0});
  EXPECT_EQ(detector.categories(), described.categories);
  const auto found = to_list(detector.detect(Boxes().image(0)));
  EXPECT_FALSE(found.empty());
  for (const auto& detection : found) EXPECT_EQ(detection.label, 1);
}

TEST_F(TrainerOfConfigTest, StartsFromTheWeightsThatTheConfigNames) {
  const auto file = folder_->path() / "start.safetensors";
  Trainer first(config(), nullptr, "cpu");
  first.fit();
  nn::save_model(file, first.described());
  Trainer second(config({"model.weights=" + file.string()}), nullptr, "cpu");
  EXPECT_TRUE(same_weights(*second.described().model, *first.described().model));
}

TEST_F(TrainerOfConfigTest, SaysWhatIsWrong) {
  EXPECT_THAT(message_of<ConfigError>([] { Trainer(config({"train.lrr=1"}), nullptr, "cpu"); }),
              HasSubstr("did you mean lr?"));
  EXPECT_THAT(message_of<ConfigError>([] { Trainer(config(), nullptr, "tpu"); }), HasSubstr("tpu"));
  EXPECT_THAT(message_of<WeightsError>([] { Trainer(config({"model.weights=/gone.pth"}), nullptr, "cpu"); }),
              HasSubstr("gone.pth"));
  EXPECT_THAT(message_of<DataError>([] { Trainer(config({"data.root=/nowhere"}), nullptr, "cpu"); }),
              HasSubstr("/nowhere"));
}

TEST_F(TrainerOfConfigTest, ADecimalCommaOfTheHostsLocaleChangesNothing) {
  const auto losses = [] {
    std::vector<double> all;
    Trainer trainer(config({"train.lr=0.0125", "data.train.flip=0.25"}), nullptr, "cpu");
    trainer.fit({.on_progress = [&](const Progress& progress) { all.push_back(progress.loss); }});
    return all;
  };
  const auto expected = losses();
  ASSERT_EQ(expected.size(), 3u);
  const GermanLocale german;
  if (!german) GTEST_SKIP() << GermanLocale::kNone;
  EXPECT_EQ(losses(), expected);
}

}  // namespace
}  // namespace rcnn::train
