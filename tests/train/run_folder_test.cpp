#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/config/config.h>
#include <rcnn/train/run_folder.h>

#include "tests/support/json_lines.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"

namespace rcnn::train {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(RunFolder, IsMadeWithItsParents) {
  const TempFolder temp;
  const auto folder = RunFolder::create(temp.path() / "runs" / "first");
  EXPECT_TRUE(fs::is_directory(temp.path() / "runs" / "first"));
  EXPECT_EQ(folder.weights(), temp.path() / "runs" / "first" / "last.safetensors");
  EXPECT_EQ(folder.log(), temp.path() / "runs" / "first" / "log.txt");
}

TEST(RunFolder, MayBeThereWhenItIsEmpty) {
  const TempFolder temp;
  EXPECT_NO_THROW(RunFolder::create(temp.path()));
}

TEST(RunFolder, RefusesAFolderInUseAndLeavesItAlone) {
  const TempFolder temp;
  const auto file = temp.write("last.safetensors", "an earlier run");
  EXPECT_THAT(message_of<ConfigError>([&] { RunFolder::create(temp.path()); }),
              AllOf(HasSubstr(temp.path().string()), HasSubstr("already in use")));
  EXPECT_EQ(file_bytes(file), "an earlier run");
}

TEST(RunFolder, RefusesAFileInItsPlace) {
  const TempFolder temp;
  for (const char* bytes : {"", "mine"}) {
    const auto file = temp.write("run", bytes);
    EXPECT_THAT(message_of<ConfigError>([&] { RunFolder::create(file); }), HasSubstr(file.string()));
    EXPECT_THAT(message_of<ConfigError>([&] { RunFolder::create(file / "below"); }),
                HasSubstr(file.string()));
    EXPECT_EQ(file_bytes(file), bytes);
  }
}

TEST(RunFolder, KeepsTheConfig) {
  const TempFolder temp;
  const auto config = config::Config::parse(R"({"train": {"lr": 0.01}, "model": {"type": "x"}})", "here");
  RunFolder::create(temp.path()).write_config(config);
  const auto again = config::Config::load(temp.path() / "config.json");
  EXPECT_EQ(again.dump(), config.dump());
}

TEST(RunFolder, MetricsAreALineEachWithItsKeys) {
  const TempFolder temp;
  auto folder = RunFolder::create(temp.path());
  Progress progress;
  progress.epoch = 2;
  progress.iteration = 30;
  progress.lr = 0.01;
  progress.losses = {{"loss_classifier", 0.5}, {"loss_box_reg", 0.25}};
  progress.loss = 0.75;
  progress.iteration_seconds = 1.5;
  progress.data_seconds = 0.125;
  progress.memory_bytes = int64_t{5} << 32;
  folder.append(progress);
  folder.append_score(2, 30, 0.625);
  progress.iteration = 31;
  folder.append(progress);

  const auto lines = json_lines(temp.path() / "metrics.jsonl");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(keys_of(lines[0]), ElementsAre("epoch", "iteration", "lr", "loss", "loss_classifier",
                                             "loss_box_reg", "time", "data_time", "memory"));
  EXPECT_EQ(lines[0], Json::parse(R"({"epoch": 2, "iteration": 30, "lr": 0.01, "loss": 0.75,
      "loss_classifier": 0.5, "loss_box_reg": 0.25, "time": 1.5, "data_time": 0.125, "memory": 21474836480})"));
  EXPECT_EQ(lines[1], Json::parse(R"({"epoch": 2, "iteration": 30, "mAP": 0.625})"));
  EXPECT_EQ(lines[2].at("iteration"), 31);
}

TEST(RunFolder, MetricsAreThereForTensorBoardToo) {
  const TempFolder temp;
  auto folder = RunFolder::create(temp.path());
  Progress progress;
  progress.losses = {{"loss_box_reg", 0.25}};
  folder.append(progress);
  folder.append_score(2, 30, 0.625);
  const auto entry = std::find_if(fs::directory_iterator(temp.path()), {}, [](const auto& file) {
    return file.path().filename().string().starts_with("events.out.tfevents.");
  });
  ASSERT_NE(entry, fs::directory_iterator());
  const auto bytes = file_bytes(entry->path());
  for (const char* tag : {"train/lr", "train/loss", "train/loss_box_reg", "train/time", "train/data_time",
                          "train/memory", "eval/mAP"}) {
    EXPECT_THAT(bytes, HasSubstr(std::string(1, static_cast<char>(std::string(tag).size())) + tag));
  }
  EXPECT_THAT(bytes, testing::Not(HasSubstr("epoch")));
}

TEST(RunFolder, SaysSoWhenMetricsCannotBeWritten) {
  const TempFolder temp;
  auto folder = RunFolder::create(temp.path() / "run");
  fs::remove_all(temp.path() / "run");
  EXPECT_THAT(message_of<DataError>([&] { folder.append_score(1, 1, 0); }), HasSubstr("metrics.jsonl"));
}

}  // namespace
}  // namespace rcnn::train
