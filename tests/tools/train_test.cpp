#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <rcnn/data/images/image.h>

#include "stop_signals.h"
#include "tests/support/json_lines.h"
#include "tests/support/temp_folder.h"
#include "tests/tools/rcnn.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class TrainCommand : public testing::Test {
 protected:
  TrainCommand() {
    tools::draw_scenes(temp_.path() / "scenes", {.train = 6, .test = 3, .size = {64, 96}, .seed = 3});
    config_ = temp_.write("config.json", tiny_config());
  }

  std::vector<std::string> words(const std::string& output, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words{
        "train", config_.string(), "--output", (temp_.path() / output).string(), "--device", "cpu"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  Finished train(const std::string& output, const std::vector<std::string>& more = {}) const {
    return run_rcnn(words(output, more), temp_.path());
  }

  RunningProgram start(const std::string& output, const std::vector<std::string>& more = {}) const {
    return RunningProgram(RCNN_PROGRAM, words(output, more), {"RCNN_DATA=" + temp_.path().string()});
  }

  /// Waits until the program has said so.
  static void wait_for(const RunningProgram& program, const std::string& text) {
    for (int i = 0; i < 6000 && file_bytes(program.err()).find(text) == std::string::npos; ++i) {
      std::this_thread::sleep_for(10ms);
    }
    EXPECT_THAT(file_bytes(program.err()), HasSubstr(text));
  }

  std::string bytes(const std::string& name) const { return file_bytes(temp_.path() / name); }

  const TempFolder temp_;
  fs::path config_;
};

std::vector<nlohmann::ordered_json> without_times(const fs::path& metrics) {
  auto lines = json_lines(metrics);
  for (auto& line : lines) {
    for (const char* key : {"time", "data_time", "memory"}) line.erase(key);
  }
  return lines;
}

/// Stops trainings of so many iterations, at moments that are waited for.
class StoppedTraining : public TrainCommand {
 protected:
  /// Up to `times` times; after `wait` each. It ends as a training that was never stopped.
  void expect_as_if_never_stopped(int iterations, int times,
                                  const std::function<void(const RunningProgram&, int)>& wait) const {
    // Checkpoints and scores come at different times; what finds something now and then has scores that
    // differ.
    const std::vector<std::string> options{"train.iterations=" + std::to_string(iterations),
                                           "train.checkpoint_period=7",
                                           "train.log_period=5",
                                           "eval.period=1",
                                           "train.ema=0.9",
                                           "train.accumulate=2",
                                           "model.roi.score_threshold=0"};
    auto resumed = options;
    resumed.push_back("--resume");
    const auto whole = train("whole", options);
    ASSERT_EQ(whole.exit_code, 0) << whole.err;

    constexpr int kSignals[] = {SIGKILL, SIGTERM, SIGKILL, SIGINT, SIGHUP};
    int stopped = 0;
    for (int i = 0; i < times; ++i) {
      auto program = start("stopped", resumed);
      wait(program, i);
      const int signal = kSignals[i % 5];
      program.send(signal);
      const auto finished = program.finish();
      if (finished.exit_code == 0) break;  // it was over before
      ++stopped;
      ASSERT_EQ(finished.exit_code, 128 + signal) << finished.err;
    }
    EXPECT_GT(stopped, 0);
    const auto finished = train("stopped", resumed);
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    const auto last = fmt::format("state-{:08}.safetensors", iterations);
    for (const auto& name : {std::string("last.safetensors"), std::string("best.safetensors"), last}) {
      EXPECT_TRUE(bytes("stopped/" + name) == bytes("whole/" + name)) << name << " is another";
    }
    EXPECT_EQ(without_times(temp_.path() / "stopped/metrics.jsonl"),
              without_times(temp_.path() / "whole/metrics.jsonl"));
  }

  /// The names in its folder that hold `part`.
  std::set<std::string> names_with(const std::string& part) const {
    std::set<std::string> names;
    std::error_code not_yet;
    for (const auto& entry : fs::directory_iterator(temp_.path() / "stopped", not_yet)) {
      const auto name = entry.path().filename().string();
      if (name.find(part) != std::string::npos) names.insert(name);
    }
    return names;
  }
};

TEST_F(StoppedTraining, EndsAsIfItHadNeverBeen) {
  const auto until = [](auto happened) {
    for (int i = 0; i < 60'000 && !happened(); ++i) std::this_thread::sleep_for(1ms);
  };
  expect_as_if_never_stopped(60, 3, [&](const RunningProgram& program, int time) {
    const auto said = [&](const char* text) {
      return file_bytes(program.err()).find(text) != std::string::npos;
    };
    if (time == 0) {  // when its first state has its name
      until([&] { return names_with("state-").contains("state-00000007.safetensors"); });
    } else if (time == 1) {  // between two states
      until([&] { return said("iter 25/") || said("iter 30/"); });
    } else {  // while it writes, as far as that can be seen
      until([&] { return !names_with(".tmp.").empty() || said("iter 50/"); });
    }
  });
}

TEST_F(StoppedTraining, AndKilledAtAnyTimeItEndsAsIfItHadNeverBeenNightly) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  expect_as_if_never_stopped(120, 40, [&](const RunningProgram&, int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution(100, 2500)(random)));
  });
}

TEST_F(TrainCommand, ASignalStopsWithinAnIterationAndSaysHowToGoOn) {
  for (const auto& [signal, code] : {std::pair(SIGINT, 130), {SIGHUP, 129}, {SIGTERM, 143}, {SIGUSR2, 143}}) {
    const auto output = "run" + std::to_string(signal);
    auto program = start(output, {"train.iterations=100000"});
    wait_for(program, "iter 2/");
    program.send(signal);
    const auto finished = program.finish();
    EXPECT_EQ(finished.exit_code, code);
    EXPECT_EQ(finished.out, "");
    EXPECT_THAT(finished.err,
                AllOf(HasSubstr("interrupted: the state after iteration "), HasSubstr("--resume")));
    EXPECT_THAT(bytes(output + "/log.txt"), HasSubstr("interrupted: the state after iteration "));
    EXPECT_EQ(bytes(output + "/run.lock"), "");
  }
}

TEST_F(TrainCommand, WhenTheReaderOfStderrGoesAwayItTrainsOnAndSavesAsEver) {
  auto program = RunningProgram("/bin/bash",
                                {"-c",
                                 [&] {
                                   std::string command = "exec " RCNN_PROGRAM;
                                   for (const auto& word : words("run", {"train.iterations=100000"}))
                                     command += " '" + word + "'";
                                   return command + " 2> >(head -n 1 > /dev/null)";
                                 }()},
                                {"RCNN_DATA=" + temp_.path().string()});
  for (int i = 0; i < 6000 && bytes("run/log.txt").find("iter 20/") == std::string::npos; ++i) {
    std::this_thread::sleep_for(10ms);
  }
  program.send(SIGINT);
  EXPECT_EQ(program.finish().exit_code, 130);
  const auto log = bytes("run/log.txt");
  for (const char* text :
       {"iter 1/", "iter 2/", "iter 19/", "iter 20/", "interrupted: the state after iteration "}) {
    EXPECT_THAT(log, HasSubstr(text));
  }
  EXPECT_EQ(train("run", {"train.iterations=100000", "--resume", "--dry-run"}).exit_code, 0);
}

TEST_F(TrainCommand, AnImageOfAnotherSizeWhileItTrainsEndsIt) {
  auto program = start("run", {"train.iterations=100000", "train.batch_size=1"});
  wait_for(program, "iter 2/");
  for (const auto& entry : fs::directory_iterator(temp_.path() / "scenes/JPEGImages")) {
    const auto half = temp_.path() / "half.jpg";
    data::write_image(half, at::zeros({32, 48, 3}, at::kByte));
    fs::rename(half, entry.path());  // a whole file at every moment
  }
  const auto finished = program.finish();
  EXPECT_EQ(finished.exit_code, 3);
  EXPECT_THAT(finished.err,
              HasSubstr(".jpg: has 48 x 32 pixels, and had 96 x 64 when the data set was read"));
}

TEST_F(TrainCommand, WhereAllStatesAreDamagedItSaysSoAndChangesNothing) {
  ASSERT_EQ(train("run").exit_code, 0);
  temp_.write("run/state-00000003.safetensors", "cut");
  const auto metrics = bytes("run/metrics.jsonl"), last = bytes("run/last.safetensors");
  EXPECT_THAT(error_of(train("run", {"--resume"}), 4),
              AllOf(HasSubstr("none of the states is whole"), HasSubstr("--resume-anyway")));
  EXPECT_EQ(bytes("run/metrics.jsonl"), metrics);
  EXPECT_TRUE(bytes("run/last.safetensors") == last);
  const auto anew = train("run", {"--resume-anyway"});
  EXPECT_EQ(anew.exit_code, 0) << anew.err;
  EXPECT_THAT(anew.err, AllOf(HasSubstr("begins at the first iteration"), HasSubstr("run/earlier-1")));
  EXPECT_EQ(bytes("run/earlier-1/metrics.jsonl"), metrics);
  EXPECT_TRUE(bytes("run/earlier-1/last.safetensors") == last);
}

TEST_F(TrainCommand, AModelThatFitsIntoNoMemoryIsNamedByItsPart) {
  for (const auto& [setting, part] : {std::pair("model.roi.head.hidden=1000000000000", "model.roi: "),
                                      {"model.roi.pooler.size=1000000", "model.roi: "},
                                      {"model.backbone.width=10000000000000", "model.backbone: "}}) {
    EXPECT_THAT(error_of(train("run", {setting}), 5),
                AllOf(HasSubstr(part), HasSubstr("memory ran out while it was built"),
                      Not(HasSubstr("data.max_size"))))
        << setting;
  }
}

TEST_F(TrainCommand, AFolderBelongsToOneRun) {
  auto program = start("run", {"train.iterations=100000"});
  wait_for(program, "iter 1/");
  EXPECT_THAT(error_of(train("run", {"train.iterations=100000", "--resume"}), 2),
              AllOf(HasSubstr("another process writes there"), HasSubstr(std::to_string(program.id()))));
  program.send(SIGKILL);
  program.finish();
  EXPECT_THAT(bytes("run/run.lock"), HasSubstr(std::to_string(program.id())))
      << "a killed one leaves its name";
  EXPECT_EQ(train("run", {"--resume-anyway"}).exit_code, 0);
}

TEST_F(TrainCommand, ResumingTakesTheConfigOfTheRun) {
  ASSERT_EQ(train("run", {"train.checkpoint_period=2"}).exit_code, 0);
  const auto run = (temp_.path() / "run").string();
  fs::remove(temp_.path() / "run/state-00000003.safetensors");
  const auto finished = run_rcnn({"train", "--output", run, "--resume"}, temp_.path());
  EXPECT_EQ(finished.exit_code, 0);
  EXPECT_THAT(finished.err, HasSubstr("goes on after iteration 2, from " + run));
  EXPECT_THAT(finished.err, HasSubstr("best mAP"));
  EXPECT_THAT(error_of(run_rcnn({"train", "--output", run}, temp_.path()), 2),
              HasSubstr("config is required"));
  EXPECT_THAT(error_of(train("run"), 2), HasSubstr("holds a run already"));
}

TEST_F(TrainCommand, TheNumberThatDecidesMustBeThere) {
  EXPECT_THAT(error_of(train("run", {"eval.best=AP50"}), 2), AllOf(HasSubstr("eval.best"), HasSubstr("mAP")));
  EXPECT_FALSE(fs::exists(temp_.path() / "run"));
  EXPECT_EQ(train("run", {"eval.best=AP50", "eval.metric=coco"}).exit_code, 0);
}

TEST_F(TrainCommand, ADryRunWritesNothing) {
  const auto finished =
      run_rcnn({"train", config_.string(), "--dry-run", "train.iterations=1000"}, temp_.path());
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  for (const char* text :
       {"6 images, 5 classes", "3 images", "parameters", "1000 iterations, 334 epochs", "MB"}) {
    EXPECT_THAT(finished.out, HasSubstr(text));
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(temp_.path()), {}), 2) << "scenes and config.json";
  EXPECT_THAT(
      error_of(run_rcnn({"train", config_.string(), "--dry-run", "data.test.split=nothing"}, temp_.path()),
               3),
      HasSubstr("nothing"));
  EXPECT_THAT(error_of(run_rcnn({"train", config_.string()}, temp_.path()), 2), HasSubstr("--output"));
}

TEST_F(TrainCommand, ADryRunRefusesWhatTheRunRefuses) {
  temp_.write("mine/notes.txt", "precious");
  ASSERT_EQ(train("run").exit_code, 0);
  struct Case {
    std::string output;
    std::vector<std::string> words;
    int code;
  };
  for (const auto& [output, more, code] : std::vector<Case>{
           {"new", {"eval.best=nonsense"}, 2},
           {"new", {"eval.best=per_class.zebra"}, 2},
           {"new", {"eval.patience=1"}, 2},
           {"new", {"data.test.split=nothing"}, 3},
           {"new", {"data.classes=[\"circle\"]"}, 3},
           {"new", {"model.weights=none.safetensors"}, 4},
           {"mine", {}, 2},
           {"mine/notes.txt/below", {}, 2},
           {"run", {}, 2},
           {"run", {"--resume", "train.lr=0.5"}, 2},
       }) {
    SCOPED_TRACE(output + " " + testing::PrintToString(more));
    auto dry = more;
    dry.push_back("--dry-run");
    EXPECT_EQ(error_of(train(output, dry), code), error_of(train(output, more), code));
  }
  EXPECT_FALSE(fs::exists(temp_.path() / "new"));

  const auto before = std::distance(fs::directory_iterator(temp_.path() / "run"), {});
  EXPECT_EQ(train("run", {"--resume", "--dry-run"}).exit_code, 0);
  EXPECT_EQ(std::distance(fs::directory_iterator(temp_.path() / "run"), {}), before);
  temp_.write("run/state-00000003.safetensors", "cut");
  EXPECT_EQ(error_of(train("run", {"--resume", "--dry-run"}), 4), error_of(train("run", {"--resume"}), 4));
}

TEST_F(TrainCommand, AFullDiskEndsItWithTheStatesThatAreThere) {
  ASSERT_EQ(train("run").exit_code, 0);
  const auto before = bytes("run/state-00000003.safetensors");
  const auto finished = run_program(
      "/bin/sh", {"-c", "trap '' XFSZ; ulimit -f 20; RCNN_DATA=" + temp_.path().string() +
                            " exec " RCNN_PROGRAM " train --output " + (temp_.path() / "run").string() +
                            " --resume-anyway train.iterations=9 --device cpu"});
  EXPECT_EQ(finished.exit_code, 3) << finished.err;
  EXPECT_THAT(finished.err, AllOf(HasSubstr("error: cannot write "), HasSubstr("File too large")));
  EXPECT_EQ(bytes("run/state-00000003.safetensors"), before);
}

/// A chain of two trainings, of six and of five iterations.
class ChainCommand : public StoppedTraining {
 protected:
  ChainCommand() {
    auto text = tiny_config();
    text.insert(text.rfind('}'), R"(, "stages": [
        {"name": "first", "kind": "train", "with": {"train": {"iterations": 6, "freeze": ["backbone.*"]}}},
        {"name": "second", "kind": "train", "with": {"train": {"iterations": 5, "lr": 0.02},
                                                     "model": {"weights": "stage:first/best.safetensors"}}}])");
    config_ = temp_.write("config.json", text);
  }

  std::string out(const std::string& name) const { return (temp_.path() / "chain" / name).string(); }
};

TEST_F(ChainCommand, RunsItsStagesAndTheOtherCommandsTakeTheirFolders) {
  const auto finished = train("chain");
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, AllOf(HasSubstr("stage 1 of 2, first: train in " + out("1-first")),
                                  HasSubstr("stage 2 of 2, second: train in " + out("2-second")),
                                  HasSubstr("initial weights " + out("1-first/best.safetensors"))));
  EXPECT_THAT(bytes("chain/log.txt"), AllOf(HasSubstr("iter 6/6"), HasSubstr("iter 5/5")));
  EXPECT_THAT(bytes("chain/1-first/log.txt"), AllOf(HasSubstr("iter 6/6"), Not(HasSubstr("iter 5/5"))));
  EXPECT_EQ(run_rcnn({"eval", "--weights", out("2-second/last.safetensors"), "--device", "cpu"}, temp_.path())
                .exit_code,
            0);
  EXPECT_EQ(run_rcnn({"report", out("2-second"), "--output", out("report.html")}, temp_.path()).exit_code, 0);
  EXPECT_THAT(error_of(run_rcnn({"report", (temp_.path() / "chain").string(), "--output", out("x.html")},
                                temp_.path()),
                       2),
              HasSubstr("holds a chain of stages"));
  EXPECT_THAT(error_of(run_rcnn({"lr-find", config_.string(), "--output", out("lr")}, temp_.path()), 2),
              HasSubstr("stages: is a chain of 2 stages, for rcnn train, and one training is wanted here"));

  EXPECT_THAT(error_of(train("chain"), 2), HasSubstr("holds a run already"));
  const auto again =
      run_rcnn({"train", "--output", (temp_.path() / "chain").string(), "--resume"}, temp_.path());
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.err, AllOf(HasSubstr("first: done before"), HasSubstr("second: done before"),
                               Not(HasSubstr("iter "))));
  EXPECT_THAT(error_of(train("chain", {"--resume", "train.batch_size=1"}), 2),
              AllOf(HasSubstr("1-first: not what the run was started with"),
                    HasSubstr("train.batch_size was 2, is 1")));
}

TEST_F(ChainCommand, StoppedInAnyStageEndsAsIfItHadNeverBeen) {
  ASSERT_EQ(train("chain", {"train.iterations=100"}).exit_code, 0);
  fs::rename(temp_.path() / "chain", temp_.path() / "whole");
  for (const auto& [text, signal, code] :
       {std::tuple("1-first", SIGKILL, 137), {"1-first", SIGTERM, 143}, {"2-second", SIGINT, 130}}) {
    auto program = start("chain", {"train.iterations=100", "--resume"});
    const auto iterates = [&, begins = "train in " + out(text)] {
      const auto said = file_bytes(program.err());
      const auto stage = said.find(begins);
      return stage != std::string::npos && said.find("  iter ", stage) != std::string::npos;
    };
    for (int i = 0; i < 60'000 && !iterates(); ++i) std::this_thread::sleep_for(1ms);
    program.send(signal);
    const auto finished = program.finish();
    ASSERT_EQ(finished.exit_code, code) << finished.err;
    if (signal != SIGKILL) {
      EXPECT_THAT(finished.err,
                  HasSubstr("go on by: rcnn train --output " + (temp_.path() / "chain").string()));
    }
  }
  const auto finished = train("chain", {"train.iterations=100", "--resume"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  for (const char* name : {"1-first/last.safetensors", "1-first/done.json", "2-second/last.safetensors",
                           "2-second/best.safetensors", "2-second/done.json", "config.json"}) {
    EXPECT_TRUE(bytes(std::string("chain/") + name) == bytes(std::string("whole/") + name))
        << name << " is another";
  }
}

TEST_F(ChainCommand, IsShownAndTriedStageByStage) {
  const auto shown = run_rcnn({"config", "show", config_.string(), "train.seed=5"}, temp_.path());
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_THAT(
      shown.out,
      AllOf(HasSubstr("train.seed = 5"), HasSubstr("# stage 2-second, of the kind train: as above, but"),
            HasSubstr("train.lr = 0.02"), HasSubstr(R"(model.weights = "stage:first/best.safetensors")"),
            HasSubstr(config_.string() + ", stage second")));
  const auto tried = run_rcnn({"train", config_.string(), "--dry-run", "--device", "cpu"}, temp_.path());
  EXPECT_EQ(tried.exit_code, 0) << tried.err;
  EXPECT_THAT(tried.out, AllOf(HasSubstr("stage 1-first"), HasSubstr("the whole run  6 iterations"),
                               HasSubstr("stage 2-second\nread, and tried no further: it needs ")));
  EXPECT_EQ(std::distance(fs::directory_iterator(temp_.path()), {}), 2) << "scenes and config.json";
  ASSERT_EQ(train("chain").exit_code, 0);
  const auto done = train("chain", {"--resume", "--dry-run"});
  EXPECT_EQ(done.out, "stage 1-first\ndone before\nstage 2-second\ndone before\n");
  fs::remove_all(out("2-second"));
  EXPECT_THAT(train("chain", {"--resume", "--dry-run"}).out, HasSubstr("the whole run  5 iterations"));
  EXPECT_FALSE(fs::exists(out("2-second")));
  EXPECT_THAT(error_of(train("new", {R"(stages=[{"name": "a", "kind": "trian"}])"}), 2),
              HasSubstr("did you mean train?"));
  EXPECT_THAT(error_of(train("new", {R"(train.freeze=["bckbone.*"])", "stages=null"}), 2),
              HasSubstr("did you mean backbone.*?"));
  EXPECT_FALSE(fs::exists(temp_.path() / "new"));
}

// Processes of their own, which begin as copies of this one: until they end, they do only what is safe beside
// threads that were not copied.
TEST(StopSignals, WithNothingToSaveTheFirstEndsTheProgram) {
  const auto raised = [](int signal) {
    const StopSignals signals;
    std::raise(signal);
  };
  EXPECT_EXIT(raised(SIGINT), testing::ExitedWithCode(130), "before the first iteration");
  EXPECT_EXIT(raised(SIGTERM), testing::ExitedWithCode(143), "before the first iteration");
  EXPECT_EXIT(raised(SIGHUP), testing::ExitedWithCode(129), "before the first iteration");
  for (const int signal : {SIGUSR1, SIGUSR2, SIGXCPU, SIGALRM}) {
    EXPECT_EXIT(raised(signal), testing::ExitedWithCode(143), "before the first iteration");
  }
}

TEST(StopSignals, WhatIsIgnoredStaysSo) {
  const auto code_after = [](int raised) {
    for (const int signal : {SIGHUP, SIGTERM, SIGUSR1, SIGINT}) std::signal(signal, SIG_IGN);
    {
      const StopSignals signals;
      signals.defer();
      std::raise(raised);
      if (signals.requested()) _exit(signals.exit_code());
    }
    std::raise(raised);  // as before it was there
    _exit(0);
  };
  for (const int signal : {SIGHUP, SIGTERM, SIGUSR1}) {
    EXPECT_EXIT(code_after(signal), testing::ExitedWithCode(0), "");
  }
  EXPECT_EXIT(code_after(SIGINT), testing::ExitedWithCode(130), "") << "sent, not by a terminal";
}

TEST(StopSignals, DeferredTheyAreRequestsAndASecondInterruptIsNot) {
  const auto code_after = [](std::vector<int> raised) {
    const StopSignals signals;
    signals.defer();
    if (signals.requested()) _exit(1);
    for (const int signal : raised) std::raise(signal);
    _exit(signals.requested() ? 10 + signals.exit_code() : 2);
  };
  EXPECT_EXIT(code_after({SIGINT}), testing::ExitedWithCode(140), "stops after this iteration");
  EXPECT_EXIT(code_after({SIGTERM, SIGTERM}), testing::ExitedWithCode(153), "");
  EXPECT_EXIT(code_after({SIGHUP, SIGHUP}), testing::ExitedWithCode(139), "");
  EXPECT_EXIT(code_after({SIGXCPU}), testing::ExitedWithCode(153), "");
  EXPECT_EXIT(code_after({SIGINT, SIGINT}), testing::ExitedWithCode(130), "");
  EXPECT_EXIT(code_after({SIGTERM, SIGINT}), testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace rcnn::tools
