#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/data/proposals/proposal_file.h>
#include <rcnn/infer/tensor_detector.h>
#include <rcnn/io/safetensors.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/weights/weights.h>
#include <rcnn/train/stages.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::train {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

/// Four-step alternating training of the tiny model by the stages of configs/_base_.
class Alternating : public testing::Test {
 protected:
  using Run = train::Run;  // which testing::Test has, too

  Alternating() {
    tools::draw_scenes(temp_.path() / "scenes", {.train = 6, .test = 2, .size = {64, 96}, .seed = 3});
    io::write_safetensors(initial_, {.tensors = nn::state_of(*tiny_model(5, /*seed=*/7)), .metadata = {}});
    std::string model = kTinyModel;
    model.insert(model.find('{') + 1, fmt::format(R"("weights": "{}",)", initial_.string()));
    std::ofstream(temp_.path() / "chain.json") << fmt::format(
        R"({{"_base_": ["{}/_base_/stages/alternating.json"], "model": {},
             "data": {{"root": "{}", "classes": ["circle", "cross", "square", "star", "triangle"],
                      "min_size": 64, "max_size": 96, "workers": 0}},
             "train": {{"iterations": 3, "batch_size": 2, "lr": 0.01, "log_period": 2}}}})",
        RCNN_CONFIGS, model, (temp_.path() / "scenes").string());
  }

  config::Config config(const std::vector<std::string>& overrides = {}) const {
    return config::Config::load(temp_.path() / "chain.json", overrides);
  }

  Chain chain() const { return {config(), out_}; }

  nn::TensorMap tensors(const std::string& stage) const {
    return io::read_safetensors(out_ / stage / "last.safetensors").tensors;
  }

  /// Those of `a` whose names begin so are in `b`, bit for bit.
  static void expect_same(const nn::TensorMap& a, const nn::TensorMap& b, const std::string& prefix) {
    int64_t compared = 0;
    for (const auto& [name, tensor] : a) {
      if (!name.starts_with(prefix)) continue;
      EXPECT_TRUE(at::equal(tensor, b.at(name))) << name;
      ++compared;
    }
    EXPECT_GT(compared, 0) << prefix;
  }

  const TempFolder temp_;
  const fs::path out_ = temp_.path() / "out", initial_ = temp_.path() / "initial.safetensors";
};

TEST_F(Alternating, IsTheFourStepsOfThePaper) {
  ASSERT_TRUE(chain().run({}));
  const auto rpn = tensors("1-rpn"), fast = tensors("3-fast"), shared_rpn = tensors("4-shared_rpn"),
             shared_fast = tensors("6-shared_fast"), whole = tensors("7-whole");
  {
    SCOPED_TRACE("step 2 begins with the initial weights again: by hand, from them and the proposals alone");
    const auto stage = chain().stages()[2];
    Training training = Training::from(stage.config, at::kCPU);
    Run(std::move(training), RunFolder::create(temp_.path() / "by_hand"), {}, Run::Resume::no).fit({});
    expect_same(io::read_safetensors(temp_.path() / "by_hand/last.safetensors").tensors, fast, "");
  }
  {
    SCOPED_TRACE("steps 3 and 4 leave the shared layers alone, bit for bit");
    expect_same(fast, shared_rpn, "backbone.");
    expect_same(fast, shared_fast, "backbone.");
  }
  EXPECT_FALSE(
      at::equal(rpn.at("backbone.body.features.0.weight"), fast.at("backbone.body.features.0.weight")));
  EXPECT_FALSE(at::equal(rpn.at("rpn.head.conv.0.0.weight"), shared_rpn.at("rpn.head.conv.0.0.weight")));
  EXPECT_FALSE(
      at::equal(fast.at("roi_heads.box_head.fc6.weight"), shared_fast.at("roi_heads.box_head.fc6.weight")));
  expect_same(shared_rpn, whole, "rpn.");
  expect_same(shared_fast, whole, "");

  const auto described = nn::load_model(out_ / "7-whole/last.safetensors");
  EXPECT_EQ(described.categories.size(), 5);
  const TensorDetector detector(described, at::kCPU);
  EXPECT_NO_THROW(detector.detect(at::zeros({64, 96, 3}, at::kByte)));
}

TEST_F(Alternating, ProposalsAreOfEveryImage) {
  ASSERT_TRUE(chain().run({}));
  for (const auto& [file, images] : {std::pair("train.pkl", 6), {"test.pkl", 2}}) {
    const auto list = data::read_proposals(out_ / "2-proposals" / file);
    EXPECT_TRUE(list.has_ids);
    EXPECT_EQ(std::ssize(list.images), images);
    for (const auto& image : list.images) {
      EXPECT_FALSE(image.boxes.empty());
      EXPECT_EQ(image.scores.size(), image.boxes.size());
    }
  }
}

TEST_F(Alternating, StoppedInAStageItEndsAsIfItHadNeverBeen) {
  ASSERT_TRUE(chain().run({}));
  const std::vector<std::string> files{"2-proposals/train.pkl", "2-proposals/test.pkl",
                                       "7-whole/last.safetensors"};
  std::vector<std::string> whole;
  for (const auto& file : files) whole.push_back(file_bytes(out_ / file));
  for (const int64_t stop : {2, 3, 8, 20}) {
    SCOPED_TRACE("stopped at question " + std::to_string(stop));
    fs::remove_all(out_);
    int64_t asked = 0;
    EXPECT_FALSE(chain().run({.stop = [&] { return asked++ >= stop; }}));
    EXPECT_TRUE(chain().run({.resume = Run::Resume::yes}));
    for (size_t i = 0; i < files.size(); ++i)
      EXPECT_TRUE(file_bytes(out_ / files[i]) == whole[i]) << files[i];
  }
}

TEST_F(Alternating, PartsThatShareNoLayersAreNotPutTogether) {
  ASSERT_TRUE(chain().run({}));
  const auto file = out_ / "6-shared_fast/last.safetensors";
  auto other = io::read_safetensors(file);
  auto& shared = other.tensors.at("backbone.body.features.0.weight");
  shared = shared + 1;
  io::write_safetensors(file, other);
  fs::remove_all(out_ / "7-whole");
  EXPECT_THAT(message_of<WeightsError>([&] { chain().run({.resume = Run::Resume::anyway}); }),
              AllOf(HasSubstr("6-shared_fast/last.safetensors: differ in what they share"),
                    HasSubstr("backbone.body.features (1)")));
}

TEST_F(Alternating, PartsThatCannotBePutTogetherAreSaidBeforeTheFirstStage) {
  const auto stages = fs::path(RCNN_CONFIGS) / "_base_/stages/alternating.json";
  // Of the chain with something in its stages changed.
  const auto message = [&](const std::string& from, const std::string& to) {
    const auto replaced = [](std::string text, const std::string& before, const std::string& after) {
      EXPECT_NE(text.find(before), std::string::npos) << before;
      return text.replace(text.find(before), before.size(), after);
    };
    const auto changed = temp_.path() / "stages.json", whole = temp_.path() / "changed.json";
    std::ofstream(changed) << replaced(file_bytes(stages), from, to);
    std::ofstream(whole) << replaced(file_bytes(temp_.path() / "chain.json"), stages.string(),
                                     changed.string());
    auto said = message_of<Error>([&] { Chain(config::Config::load(whole), out_).run({}); });
    EXPECT_FALSE(fs::exists(out_));
    return said;
  };
  // Step 3 does not keep what step 2 has learnt.
  EXPECT_EQ(message(R"("freeze": ["backbone.*"])", R"("freeze": [])"),
            fmt::format("{0}/4-shared_rpn/last.safetensors and {0}/6-shared_fast/last.safetensors: differ in "
                        "what they share, backbone.body.features (26): parts of one model have to be trained "
                        "on the same layers, which train.freeze keeps as they are",
                        out_.string()));
  const std::string rpn = R"({ "file": "stage:shared_rpn/last.safetensors" })";
  EXPECT_THAT(message(rpn + ", ", ""),
              HasSubstr("6-shared_fast/last.safetensors: does not fit the model; missing: rpn.head"));
  EXPECT_THAT(message(rpn, R"({ "file": "stage:shared_rpn/last.safetensors", "only": ["roi_heads.*"] })"),
              HasSubstr("gives the model no roi_heads.*"));
  EXPECT_THAT(
      message(R"("roi": { "box_weights": [1, 1, 1, 1] })", R"("roi": {})"),
      HasSubstr("was trained with model.roi.box_weights [1,1,1,1], and the model that is put together "
                "has null"));
}

TEST_F(Alternating, OnlyWhatIsAskedForIsPutTogether) {
  ASSERT_TRUE(chain().run({}));
  const auto assemble = [&](const std::string& weights, const std::string& more) {
    const auto stages = fmt::format(
        R"(stages=[{{"name": "a", "kind": "assemble", "with": {{"model": {{"weights": {}{}}}}}}}])", weights,
        more);
    fs::remove_all(temp_.path() / "other");
    return Chain(config({stages}), temp_.path() / "other").run({});
  };
  const auto file = [&](const std::string& stage, const std::string& only) {
    return fmt::format(R"({{"file": "{}", "only": ["{}"]}})", (out_ / stage / "last.safetensors").string(),
                       only);
  };
  const std::string boxes = R"(, "roi": {"box_weights": [1, 1, 1, 1]})";
  const auto fast = file("3-fast", "roi_heads.*"), shared = file("4-shared_rpn", "backbone.*");
  EXPECT_TRUE(assemble("[" + fast + ", " + shared + ", " + file("1-rpn", "rpn.*") + "]", boxes))
      << "1-rpn's other layers, which are not the shared ones, are not asked for";
  EXPECT_THAT(message_of<WeightsError>([&] { assemble("[" + fast + ", " + shared + "]", boxes); }),
              HasSubstr("missing: rpn.head"));
  EXPECT_THAT(message_of<ConfigError>([&] { assemble("[" + file("3-fast", "nothing.*") + "]", boxes); }),
              HasSubstr("nothing.*"));
  EXPECT_THAT(
      message_of<ConfigError>([&] { assemble("[" + fast + "]", ""); }),
      HasSubstr("was trained with model.roi.box_weights [1,1,1,1], and the model that is put together has "
                "null"));
}

TEST_F(Alternating, WhatADoneStageHasLeftStays) {
  ASSERT_TRUE(chain().run({}));
  const auto resumed = [&] { chain().run({.resume = Run::Resume::yes}); };
  const auto last = out_ / "7-whole/last.safetensors", kept = temp_.path() / "kept";
  fs::copy(last, kept);
  fs::resize_file(last, fs::file_size(last) - 9);
  EXPECT_THAT(message_of<ConfigError>(resumed),
              HasSubstr("7-whole/last.safetensors: no longer what the stage has left"));
  fs::remove(last);
  EXPECT_THAT(message_of<DataError>(resumed), HasSubstr("7-whole/last.safetensors: is gone"));
  fs::copy(kept, last);
  EXPECT_NO_THROW(resumed());

  for (const auto* folder : {"3-fast", "4-shared_rpn", "5-shared_proposals", "6-shared_fast", "7-whole"})
    fs::remove_all(out_ / folder);
  fs::copy(out_ / "2-proposals/test.pkl", out_ / "2-proposals/train.pkl",
           fs::copy_options::overwrite_existing);
  EXPECT_THAT(message_of<ConfigError>(resumed),
              HasSubstr("2-proposals/train.pkl: no longer what the stage has left"));
}

TEST_F(Alternating, AStageOfProposalsNeedsAModelThatMakesSome) {
  const auto stages =
      R"(stages=[{"name": "a", "kind": "propose", "with": {"model": {"type": "fast_rcnn", "rpn": null}}}])";
  EXPECT_THAT(message_of<ConfigError>([&] { Chain(config({stages}), out_).run({}); }),
              HasSubstr("model.type: makes no proposals"));
  EXPECT_FALSE(fs::exists(out_));
}

}  // namespace
}  // namespace rcnn::train
