#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/torch.h>
#include <unistd.h>

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
  folder.append(ScoredIteration{2, 30, {{"mAP", 0.625}, {"per_class.cat", NAN}}});
  progress.iteration = 31;
  folder.append(progress);

  const auto lines = json_lines(temp.path() / "metrics.jsonl");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(keys_of(lines[0]), ElementsAre("epoch", "iteration", "lr", "loss", "loss_classifier",
                                             "loss_box_reg", "time", "data_time", "memory"));
  EXPECT_EQ(lines[0], Json::parse(R"({"epoch": 2, "iteration": 30, "lr": 0.01, "loss": 0.75,
      "loss_classifier": 0.5, "loss_box_reg": 0.25, "time": 1.5, "data_time": 0.125, "memory": 21474836480})"));
  EXPECT_EQ(lines[1],
            Json::parse(R"({"epoch": 2, "iteration": 30, "scores": {"mAP": 0.625, "per_class.cat": null}})"));
  EXPECT_EQ(lines[2].at("iteration"), 31);
}

TEST(RunFolder, MetricsAreThereForTensorBoardToo) {
  const TempFolder temp;
  auto folder = RunFolder::create(temp.path());
  Progress progress;
  progress.losses = {{"loss_box_reg", 0.25}};
  folder.append(progress);
  folder.append(ScoredIteration{2, 30, {{"mAP", 0.625}, {"per_class.cat", NAN}}});
  const auto entry = std::find_if(fs::directory_iterator(temp.path()), {}, [](const auto& file) {
    return file.path().filename().string().starts_with("events.out.tfevents.");
  });
  ASSERT_NE(entry, fs::directory_iterator());
  const auto bytes = file_bytes(entry->path());
  for (const char* tag : {"train/lr", "train/loss", "train/loss_box_reg", "train/time", "train/data_time",
                          "train/memory", "eval/mAP"}) {
    EXPECT_THAT(bytes, HasSubstr(std::string(1, static_cast<char>(std::string(tag).size())) + tag));
  }
  EXPECT_THAT(bytes, testing::Not(testing::AnyOf(HasSubstr("epoch"), HasSubstr("per_class"))));
}

TEST(RunFolder, SaysSoWhenMetricsCannotBeWritten) {
  const TempFolder temp;
  auto folder = RunFolder::create(temp.path() / "run");
  fs::remove_all(temp.path() / "run");
  EXPECT_THAT(message_of<DataError>([&] {
                folder.append(ScoredIteration{1, 1, {{"mAP", 0}}});
              }),
              HasSubstr("metrics.jsonl"));
}

Progress at(int64_t iteration) {
  Progress progress;
  progress.iteration = iteration;
  progress.losses = {{"loss_box_reg", 0.25}};
  return progress;
}

TEST(RunFolder, BelongsToOneProcessAtATime) {
  const TempFolder temp;
  const auto path = temp.path() / "run";
  {
    const auto folder = RunFolder::create(path);
    EXPECT_THAT(file_bytes(path / "run.lock"), HasSubstr(" " + std::to_string(getpid())));
    EXPECT_THAT(message_of<ConfigError>([&] { RunFolder::reopen(path); }),
                AllOf(HasSubstr(path.string()), HasSubstr(std::to_string(getpid()))));
  }
  EXPECT_EQ(file_bytes(path / "run.lock"), "");
  EXPECT_NO_THROW(RunFolder::reopen(path));
  temp.write("run/run.lock", "elsewhere 1");  // killed
  EXPECT_NO_THROW(RunFolder::reopen(path));
}

TEST(RunFolder, IsReopenedOnlyWhereARunWasAndMadeOnlyWhereNoneWas) {
  const TempFolder temp;
  EXPECT_FALSE(RunFolder::is_one(temp.path()));
  EXPECT_THAT(message_of<ConfigError>([&] { RunFolder::reopen(temp.path()); }), HasSubstr("no run"));
  EXPECT_THAT(message_of<ConfigError>([&] { RunFolder::reopen(temp.path() / "nothing"); }),
              HasSubstr("no run"));
  RunFolder::create(temp.path() / "run");
  EXPECT_TRUE(RunFolder::is_one(temp.path() / "run"));
  EXPECT_THAT(message_of<ConfigError>([&] { RunFolder::create(temp.path() / "run"); }),
              HasSubstr("--resume"));
}

TEST(RunFolder, RewindingLeavesWhatWasUntilThen) {
  const TempFolder temp;
  auto folder = RunFolder::create(temp.path() / "run");
  EXPECT_NO_THROW(folder.rewind(0)) << "of a run that has written nothing";
  folder.append(at(10));
  folder.append(ScoredIteration{1, 10, {{"mAP", 0.5}, {"per_class.cat", NAN}}});
  const auto kept = file_bytes(folder.metrics());
  folder.append(at(20));
  folder.append(ScoredIteration{2, 20, {{"mAP", 0.75}}});
  const auto all = file_bytes(folder.metrics());

  folder.rewind(20);
  EXPECT_EQ(file_bytes(folder.metrics()), all);
  const auto scored = read_metrics(folder.metrics()).scores;
  ASSERT_EQ(scored.size(), 2u);
  EXPECT_EQ(scored[1].epoch, 2);
  EXPECT_EQ(scored[1].iteration, 20);
  EXPECT_EQ(scored[1].scores, (Scores{{"mAP", 0.75}}));
  EXPECT_TRUE(std::isnan(scored[0].scores[1].second));

  temp.write("run/metrics.jsonl", all + R"({"epoch": 2, "iter)");  // killed while writing
  folder.rewind(20);
  EXPECT_EQ(file_bytes(folder.metrics()), all);
  folder.set_scores_aside();
  EXPECT_TRUE(read_metrics(folder.metrics()).scores.empty());
  EXPECT_EQ(read_metrics(folder.metrics()).reports.size(), 2u);
  EXPECT_EQ(
      json_lines(folder.metrics())[1],
      Json::parse(R"({"epoch": 1, "iteration": 10, "earlier_scores": {"mAP": 0.5, "per_class.cat": null}})"));
  temp.write("run/metrics.jsonl", all);
  folder.rewind(19);
  EXPECT_EQ(file_bytes(folder.metrics()), kept);
}

TEST(RunFolder, SetsAsideWhatIsThere) {
  const TempFolder temp;
  const auto folder = RunFolder::create(temp.path() / "run");
  EXPECT_FALSE(folder.has_results());
  for (const char* name : {"earlier-1", "earlier-2"}) {
    temp.write("run/metrics.jsonl", "{}\n");
    temp.write("run/state-00000010.safetensors", "cut");
    EXPECT_TRUE(folder.has_results());
    EXPECT_EQ(folder.set_aside(), temp.path() / "run" / name);
    EXPECT_FALSE(folder.has_results());
    EXPECT_FALSE(fs::exists(folder.metrics()));
    EXPECT_EQ(file_bytes(temp.path() / "run" / name / "metrics.jsonl"), "{}\n");
    EXPECT_EQ(file_bytes(temp.path() / "run" / name / "state-00000010.safetensors"), "cut");
  }
  temp.write("run/best.safetensors", "weights");
  EXPECT_TRUE(folder.has_results());
}

TEST(RunFolder, WhereNoneCanBeMadeItIsSaidBeforeAnyIs) {
  const TempFolder temp;
  EXPECT_NO_THROW(RunFolder::check_new(temp.path() / "runs" / "first"));
  EXPECT_NO_THROW(RunFolder::check_new(temp.path()));
  EXPECT_TRUE(fs::is_empty(temp.path()));
  RunFolder::create(temp.path() / "run");
  EXPECT_THAT(message_of<ConfigError>([&] { RunFolder::check_new(temp.path() / "run"); }),
              HasSubstr("--resume"));
}

TEST(RunFolder, DamagedStatesArePassedOverAndOldOnesRemoved) {
  const TempFolder temp;
  const auto folder = RunFolder::create(temp.path() / "run");
  EXPECT_FALSE(folder.newest_state().found);
  for (const int64_t iteration : {5, 10, 99999999, 100000000}) {
    save_state(folder.state(iteration), {.iteration = iteration, .model = {{"a", at::rand({100})}}}, {});
  }
  EXPECT_EQ(folder.newest_state().found->saved.state.iteration, 100000000);
  auto bytes = file_bytes(folder.state(100000000));
  bytes[bytes.size() - 7] ^= 1;
  temp.write("run/state-100000000.safetensors", bytes);
  temp.write("run/state-99999999.safetensors", "cut");
  const auto [found, damaged] = folder.newest_state();
  EXPECT_THAT(damaged, ElementsAre(HasSubstr("state-100000000.safetensors: its checksum"),
                                   HasSubstr("state-99999999.safetensors")));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->file, folder.state(10));
  EXPECT_EQ(found->saved.state.iteration, 10);
  folder.remove_old_states(3);
  EXPECT_FALSE(fs::exists(folder.state(5)));
  EXPECT_TRUE(fs::exists(folder.state(10)));
}

TEST(RunFolder, RemovesWhatAKilledProcessLeftHalfWritten) {
  const TempFolder temp;
  RunFolder::create(temp.path());
  const auto half = temp.write("state-00000010.safetensors.tmp.123.4", "half");
  const auto other = temp.write("notes.tmp", "mine");
  RunFolder::reopen(temp.path());
  EXPECT_FALSE(fs::exists(half));
  EXPECT_TRUE(fs::exists(other));
}

TEST(ReadMetrics, OfARunThatMayStillGoOn) {
  const TempFolder temp;
  const auto file =
      temp.write("metrics.jsonl",
                 "{\"epoch\":1,\"iteration\":20,\"lr\":0.5,\"loss\":3.5,\"rpn_box\":null}\n"
                 "{\"epoch\":1,\"iteration\":30,\"scores\":{\"mAP\":0.25,\"per_class.cat\":null}}\n"
                 "no line\n[1]\n{\"iteration\":7}\n"
                 "{\"epoch\":2,\"iteration\":40,\"lr\":0.25,\"loss\":2}\n"
                 "{\"epoch\":2,\"iteration\":60,\"lr\":0.25,\"lo");
  const auto metrics = read_metrics(file);
  ASSERT_EQ(metrics.reports.size(), 2u);
  EXPECT_EQ(metrics.reports[0].epoch, 1);
  EXPECT_EQ(metrics.reports[0].iteration, 20);
  ASSERT_EQ(metrics.reports[0].numbers.size(), 3u);
  EXPECT_EQ(metrics.reports[0].numbers[1], std::pair(std::string("loss"), 3.5)) << "in the line's order";
  EXPECT_TRUE(std::isnan(metrics.reports[0].numbers[2].second));
  EXPECT_EQ(metrics.reports[1].iteration, 40);
  ASSERT_EQ(metrics.scores.size(), 1u);
  EXPECT_EQ(metrics.scores[0].iteration, 30);
  EXPECT_EQ(metrics.scores[0].scores[0], std::pair(std::string("mAP"), 0.25));
  EXPECT_TRUE(std::isnan(metrics.scores[0].scores[1].second));
  EXPECT_TRUE(read_metrics(temp.path() / "none.jsonl").reports.empty());
}

}  // namespace
}  // namespace rcnn::train
