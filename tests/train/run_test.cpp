#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/io/safetensors.h>
#include <rcnn/train/run.h>

#include "tests/support/json_lines.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/train/few_scenes.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::train {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using RunResume = Run::Resume;

/// Runs of the tiny model on six drawn images: three iterations an epoch.
class RunTest : public testing::Test {
 protected:
  using Run = train::Run;  // which testing::Test has, too

  RunTest() {
    tools::draw_scenes(temp_.path() / "scenes", {.train = 6, .test = 1, .size = {64, 96}, .seed = 3});
  }

  config::Config config(const std::vector<std::string>& overrides = {},
                        const char* model = kTinyModel) const {
    const auto text = fmt::format(
        R"({{"model": {}, "data": {{"root": "{}", "classes": ["circle", "cross", "square", "star", "triangle"],
             "min_size": 64, "max_size": 96, "workers": 0}},
             "train": {{"epochs": 4, "batch_size": 2, "lr": 0.01, "log_period": 2, "ema": 0.9}}}})",
        model, (temp_.path() / "scenes").string());
    return config::Config::parse(text, "here", overrides);
  }

  std::unique_ptr<Run> open(const config::Config& config, const ScoringOptions& scoring = {},
                            RunResume resume = RunResume::no) const {
    const auto path = temp_.path() / "run";
    return std::make_unique<Run>(Training::from(config, at::kCPU),
                                 RunFolder::is_one(path) && resume != RunResume::no ? RunFolder::reopen(path)
                                                                                    : RunFolder::create(path),
                                 scoring, resume);
  }

  /// Gives out these scores, one after the other.
  static std::function<std::optional<Scores>(const nn::DescribedModel&)> scoring(std::vector<double> values) {
    return [values, next = size_t{0}](const nn::DescribedModel& model) mutable -> std::optional<Scores> {
      EXPECT_FALSE(model.model->is_training());
      return Scores{{"AP", 0.25}, {"mAP", values.at(next++)}};
    };
  }

  static bool never_asked(int64_t) {
    ADD_FAILURE() << "there is nothing to stop";
    return true;
  }

  std::vector<std::string> files(const std::string& prefix) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(temp_.path() / "run")) {
      const auto name = entry.path().filename().string();
      if (name.starts_with(prefix)) names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
  }

  const TempFolder temp_;
};

TEST_F(RunTest, LeavesTheLastStatesTheWeightsAndTheBest) {
  const auto run = open(config(), {.period = 1, .best = "mAP"});
  std::vector<int64_t> scored, iterations;
  const auto outcome =
      run->fit({.evaluate = scoring({0.1, 0.4, 0.3, 0.4}),
                .on_scores = [&](const ScoredIteration& s) { scored.push_back(s.iteration); },
                .stop =
                    [&](int64_t iteration) {
                      iterations.push_back(iteration);
                      return false;
                    }});
  EXPECT_EQ(outcome, Run::Outcome::finished);
  EXPECT_EQ(iterations.size(), 13u) << "before the first, and after each";
  EXPECT_THAT(scored, ElementsAre(3, 6, 9, 12));
  EXPECT_THAT(files("state-"), ElementsAre("state-00000009.safetensors", "state-00000012.safetensors"));
  ASSERT_TRUE(run->best());
  EXPECT_EQ(run->best()->iteration, 6) << "the first of equals";
  const auto last = nn::load_model(run->folder().weights()),
             best = nn::load_model(run->folder().best_weights());
  EXPECT_EQ(last.categories.size(), 5u);
  const auto state = load_state(run->folder().state(12)).state;
  for (const auto& [name, tensor] : state.ema) {
    if (name == "updates") continue;
    EXPECT_TRUE(at::equal(tensor, nn::state_of(*last.model).at(name))) << name;
  }
  EXPECT_FALSE(
      at::equal(nn::state_of(*best.model).begin()->second, nn::state_of(*last.model).begin()->second));
}

TEST_F(RunTest, GoesOnFromWhereItWasInterruptedAsIfItHadNeverBeen) {
  const auto path = temp_.path() / "run";
  const auto hooks = [](std::vector<double> scores) { return Hooks{.evaluate = scoring(std::move(scores))}; };
  open(config(), {.period = 1, .best = "mAP"})->fit(hooks({0.1, 0.4, 0.3, 0.2}));
  const auto names =
      std::vector<std::string>{"last.safetensors", "best.safetensors", "state-00000012.safetensors"};
  std::vector<std::string> whole;
  for (const auto& name : names) whole.push_back(file_bytes(path / name));
  const auto without_times = [&] {
    auto lines = json_lines(path / "metrics.jsonl");
    for (auto& line : lines) {
      for (const char* key : {"time", "data_time", "memory"}) line.erase(key);
    }
    return lines;
  };
  const auto metrics = without_times();

  const std::vector<double> scores = {0.1, 0.4, 0.3, 0.2};
  for (int64_t stop = 1; stop < 12; ++stop) {
    SCOPED_TRACE("interrupted after iteration " + std::to_string(stop));
    fs::remove_all(path);
    {
      const auto run = open(config(), {.period = 1, .best = "mAP"}, RunResume::yes);
      auto interrupted = hooks(scores);
      interrupted.stop = [&](int64_t iteration) { return iteration == stop; };
      EXPECT_EQ(run->fit(interrupted), Run::Outcome::interrupted);
      EXPECT_EQ(files("state-").back(), run->folder().state(stop).filename());
    }
    const auto run = open(config(), {.period = 1, .best = "mAP"}, RunResume::yes);
    EXPECT_EQ(run->trainer().iteration(), stop);
    EXPECT_EQ(run->fit(hooks({scores.begin() + stop / 3, scores.end()})), Run::Outcome::finished);
    EXPECT_EQ(without_times(), metrics);
    for (size_t i = 0; i < names.size(); ++i) {
      EXPECT_TRUE(file_bytes(path / names[i]) == whole[i]) << names[i] << " is another";
    }
  }
}

TEST_F(RunTest, AnotherNumberOfLoaderThreadsIsTheSameRun) {
  open(config({"data.workers=0"}))->fit({});
  EXPECT_EQ(open(config({"data.workers=3"}), {}, RunResume::yes)->trainer().iteration(), 12);
}

TEST_F(RunTest, AnEvaluationThatWasInterruptedIsMadeAnew) {
  {
    const auto run = open(config(), {.period = 1});
    bool stop = false;
    EXPECT_EQ(run->fit({.evaluate =
                            [&](const nn::DescribedModel&) {
                              stop = true;
                              return std::optional<Scores>();
                            },
                        .stop = [&](int64_t) { return stop; }}),
              Run::Outcome::interrupted);
    EXPECT_EQ(run->trainer().iteration(), 3);
    EXPECT_TRUE(run->scored().empty());
  }
  const auto run = open(config(), {.period = 1}, RunResume::yes);
  run->fit({.evaluate = scoring({0.1, 0.4, 0.3, 0.2})});
  ASSERT_EQ(run->scored().size(), 4u);
  EXPECT_EQ(run->scored()[0].iteration, 3);
}

TEST_F(RunTest, ARunThatIsOverStaysOver) {
  open(config(), {.period = 2})->fit({.evaluate = scoring({0.1, 0.4})});
  const auto metrics = file_bytes(temp_.path() / "run" / "metrics.jsonl");
  const auto run = open(config(), {.period = 2}, RunResume::yes);
  EXPECT_EQ(run->fit({.evaluate = scoring({}), .stop = never_asked}), Run::Outcome::finished);
  EXPECT_EQ(file_bytes(temp_.path() / "run" / "metrics.jsonl"), metrics);
  EXPECT_EQ(run->scored().size(), 2u);
}

TEST_F(RunTest, EndsWhenItIsNoLongerBetter) {
  {
    const auto run = open(config(), {.period = 1, .best = "mAP", .patience = 2});
    EXPECT_EQ(run->fit({.evaluate = scoring({0.4, 0.3, NAN, 0.5})}), Run::Outcome::no_longer_better);
    EXPECT_EQ(run->trainer().iteration(), 9);
    EXPECT_EQ(run->best()->iteration, 3);
  }
  const auto run = open(config(), {.period = 1, .best = "mAP", .patience = 2}, RunResume::yes);
  EXPECT_EQ(run->fit({.evaluate = scoring({}), .stop = never_asked}), Run::Outcome::no_longer_better);
}

TEST_F(RunTest, IsScoredWhereEpochsEndWhateverTheCheckpointsAre) {
  struct Case {
    std::vector<std::string> overrides;
    int64_t period;
    std::vector<int64_t> scored;
  };
  for (const auto& [overrides, period, expected] : std::vector<Case>{
           {{}, 1, {3, 6, 9, 12}},
           {{"train.checkpoint_period=1"}, 1, {3, 6, 9, 12}},
           {{"train.checkpoint_period=2"}, 1, {3, 6, 9, 12}},
           {{"train.checkpoint_period=100"}, 1, {3, 6, 9, 12}},
           {{"train.checkpoint_period=2"}, 2, {6, 12}},
           {{"train.checkpoint_period=100", "train.iterations=11"}, 3, {9, 11}},
           {{"train.checkpoint_period=1"}, 0, {12}},
       }) {
    SCOPED_TRACE(testing::PrintToString(overrides) + ", period " + std::to_string(period));
    fs::remove_all(temp_.path() / "run");
    const auto run = open(config(overrides), {.period = period});
    run->fit({.evaluate = scoring({0.1, 0.2, 0.3, 0.4})});
    std::vector<int64_t> scored;
    for (const auto& entry : run->scored()) {
      scored.push_back(entry.iteration);
      EXPECT_EQ(entry.epoch, (entry.iteration + 2) / 3);
    }
    EXPECT_EQ(scored, expected);
    EXPECT_EQ(run->best()->iteration, expected.front()) << "of equal AP";
    EXPECT_TRUE(fs::exists(run->folder().best_weights()));
  }
}

TEST_F(RunTest, GoingOnBringsTheBestBackWhereItCouldNotBeWritten) {
  const auto path = temp_.path() / "run";
  const ScoringOptions options{.period = 1, .best = "mAP"};
  open(config(), options)->fit({.evaluate = scoring({0.1, 0.4, 0.3, 0.2})});
  const auto best = file_bytes(path / "best.safetensors");
  ASSERT_NE(best, "");
  for (const bool killed : {true, false}) {
    SCOPED_TRACE(killed ? "killed between the scores and the best" : "a folder in its place");
    fs::remove_all(path);
    {
      const auto run = open(config(), options);
      const auto on_scores = [&](const ScoredIteration& scored) {
        if (scored.iteration == 6 && killed) throw DataError("killed");
      };
      const auto evaluate = [&, scores = scoring({0.1, 0.4})](const nn::DescribedModel& model) mutable {
        if (!killed) {
          fs::remove_all(path / "best.safetensors");
          fs::create_directory(path / "best.safetensors");
        }
        return scores(model);
      };
      EXPECT_THROW(run->fit({.evaluate = evaluate, .on_scores = on_scores}), DataError);
    }
    fs::remove_all(path / "best.safetensors");
    const auto run = open(config(), options, RunResume::yes);
    EXPECT_FALSE(fs::exists(path / "best.safetensors")) << "before fit() nothing changes";
    const std::vector<double> rest = killed ? std::vector{0.3, 0.2} : std::vector{0.4, 0.3, 0.2};
    EXPECT_EQ(run->fit({.evaluate = scoring(rest)}), Run::Outcome::finished);
    EXPECT_EQ(run->best()->iteration, 6);
    EXPECT_TRUE(file_bytes(path / "best.safetensors") == best) << "another";
  }
}

TEST_F(RunTest, ABestThatIsLostIsSaidAndTheNextBestTakesItsPlace) {
  const ScoringOptions options{.period = 1, .best = "mAP", .patience = 3};
  const auto longer = config({"train.epochs=5"});
  {
    const auto run = open(longer, options);
    run->fit(
        {.evaluate = scoring({0.4, 0.1, 0.2}), .stop = [](int64_t iteration) { return iteration == 10; }});
  }
  const auto best = temp_.path() / "run" / "best.safetensors";
  fs::remove(best);
  testing::internal::CaptureStderr();
  const auto run = open(longer, options, RunResume::yes);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("the best weights, those after iteration 3 (0.4000), are lost"),
                    HasSubstr("that after iteration 9 (0.2000)")));
  EXPECT_EQ(run->best()->iteration, 9);
  EXPECT_EQ(run->fit({.evaluate = scoring({0.1})}), Run::Outcome::no_longer_better) << "than 0.4";
  EXPECT_EQ(run->best()->iteration, 9);
  EXPECT_EQ(io::read_safetensors(best).metadata.at("iteration"), "9");
  EXPECT_EQ(run->scored().size(), 4u);
}

TEST_F(RunTest, WhereNoStateIsWholeItBeginsOnlyWhenToldToAndSetsAsideWhatIsThere) {
  open(config(), {.period = 1})->fit({.evaluate = scoring({0.1, 0.4, 0.3, 0.2})});
  const auto path = temp_.path() / "run";
  std::map<std::string, std::string> before;
  for (const auto& name : files("state-")) temp_.write("run/" + name, "cut");
  for (const auto& name : files("")) before[name] = file_bytes(path / name);
  EXPECT_THAT(message_of<WeightsError>([&] { open(config(), {.period = 1}, RunResume::yes); }),
              AllOf(HasSubstr("none of the states is whole"), HasSubstr("state-00000012.safetensors"),
                    HasSubstr("--resume-anyway")));
  std::map<std::string, std::string> after;
  for (const auto& name : files("")) after[name] = file_bytes(path / name);
  EXPECT_EQ(after, before);

  {
    const auto run = open(config(), {.period = 1}, RunResume::anyway);
    EXPECT_EQ(run->trainer().iteration(), 0);
    EXPECT_EQ(run->fit({.evaluate = scoring({0.1, 0.4, 0.3, 0.2})}), Run::Outcome::finished);
    EXPECT_EQ(run->scored().size(), 4u);
  }
  for (const char* name : {"metrics.jsonl", "last.safetensors", "best.safetensors", "config.json",
                           "state-00000009.safetensors", "state-00000012.safetensors"}) {
    EXPECT_EQ(file_bytes(path / "earlier-1" / name), before.at(name)) << name;
  }
  EXPECT_THAT(files("state-"), ElementsAre("state-00000009.safetensors", "state-00000012.safetensors"));
  EXPECT_EQ(open(config(), {.period = 1}, RunResume::yes)->trainer().iteration(), 12);

  for (const auto& name : files("state-")) fs::remove(path / name);
  EXPECT_THAT(message_of<ConfigError>([&] { open(config(), {.period = 1}, RunResume::yes); }),
              HasSubstr("the states are gone, the weights are there"));
}

TEST_F(RunTest, ADamagedStateDoesNotPushOutThoseThatCome) {
  const auto overrides = std::vector<std::string>{"train.keep_checkpoints=2", "train.checkpoint_period=4"};
  open(config(overrides))->fit({});
  temp_.write("run/state-00000012.safetensors", "cut");
  {
    const auto run = open(config(overrides), {}, RunResume::yes);
    EXPECT_EQ(run->trainer().iteration(), 8);
    run->fit({.stop = [](int64_t iteration) { return iteration == 9; }});
  }
  EXPECT_THAT(files("state-"), ElementsAre("state-00000008.safetensors", "state-00000009.safetensors",
                                           "state-00000012.safetensors.damaged"));
  EXPECT_EQ(open(config(overrides), {}, RunResume::yes)->trainer().iteration(), 9);
}

TEST_F(RunTest, ScoresOfAnotherMetricCountNoMore) {
  const auto with = [&](const char* metric) { return config({std::string("eval.metric=") + metric}); };
  open(with("voc"), {.period = 1, .best = "mAP"})->fit({.evaluate = scoring({0.1, 0.9, 0.3, 0.2})});
  const auto coco = [](std::vector<double> values) {
    return [values, next = size_t{0}](const nn::DescribedModel&) mutable -> std::optional<Scores> {
      return Scores{{"AP50", values.at(next++)}};
    };
  };
  const auto longer = [&](const char* metric) {
    return config({std::string("eval.metric=") + metric, "train.epochs=9"});
  };
  const ScoringOptions options{.period = 1, .best = "AP50", .patience = 3};
  {
    const auto run = open(longer("coco"), options, RunResume::anyway);
    EXPECT_EQ(run->best(), nullptr);
    EXPECT_EQ(run->fit({.evaluate = coco({0.2, 0.5, 0.1}),
                        .stop = [](int64_t iteration) { return iteration == 19; }}),
              Run::Outcome::interrupted);
    EXPECT_EQ(run->best()->iteration, 15);
  }
  const auto lines = json_lines(temp_.path() / "run" / "metrics.jsonl");
  EXPECT_EQ(std::ranges::count_if(lines, [](const auto& line) { return line.contains("earlier_scores"); }),
            4);
  const auto run = open(longer("coco"), options, RunResume::yes);
  EXPECT_EQ(run->scored().size(), 3u);
  EXPECT_EQ(run->best()->iteration, 15);
  EXPECT_EQ(run->fit({.evaluate = coco({0.5, 0.4})}), Run::Outcome::no_longer_better);
  EXPECT_EQ(run->trainer().iteration(), 24);
}

TEST_F(RunTest, AShortenedRunIsOver) {
  open(config())->fit({});
  const auto run = open(config({"train.epochs=2"}), {}, RunResume::anyway);
  EXPECT_EQ(run->trainer().iteration(), 12);
  EXPECT_EQ(run->fit({.evaluate = scoring({0.5})}), Run::Outcome::finished);
  EXPECT_EQ(run->best()->iteration, 12);
}

TEST_F(RunTest, ALengthenedRunGoesOn) {
  open(config())->fit({});
  const auto run = open(config({"train.epochs=5"}), {}, RunResume::anyway);
  EXPECT_EQ(run->fit({}), Run::Outcome::finished);
  EXPECT_EQ(run->trainer().iteration(), 15);
}

TEST_F(RunTest, WithoutScoresThereIsNoBest) {
  const auto run = open(config());
  EXPECT_EQ(run->fit({}), Run::Outcome::finished);
  EXPECT_EQ(run->best(), nullptr);
  EXPECT_FALSE(fs::exists(run->folder().best_weights()));
}

TEST_F(RunTest, ADamagedStateIsPassedOver) {
  open(config())->fit({});
  const auto last = temp_.path() / "run" / "last.safetensors";
  const auto whole = file_bytes(last);
  auto bytes = file_bytes(temp_.path() / "run" / "state-00000012.safetensors");
  bytes[bytes.size() / 2] ^= 64;
  temp_.write("run/state-00000012.safetensors", bytes);
  const auto run = open(config(), {}, RunResume::yes);
  EXPECT_EQ(run->trainer().iteration(), 9);
  run->fit({});
  EXPECT_EQ(file_bytes(last), whole);
}

TEST_F(RunTest, ResumingWhereNothingIsBegins) {
  const auto run = open(config(), {}, RunResume::yes);
  EXPECT_EQ(run->trainer().iteration(), 0);
  EXPECT_EQ(run->fit({}), Run::Outcome::finished);
}

TEST_F(RunTest, AnotherConfigOrOtherDataAreRefusedWithTheDifference) {
  open(config())->fit({});
  EXPECT_THAT(message_of<ConfigError>([&] {
                open(config({"train.lr=0.02", "train.seed=1"}), {}, RunResume::yes);
              }),
              AllOf(HasSubstr("train.lr was 0.01, is 0.02"), HasSubstr("train.seed was absent, is 1"),
                    HasSubstr("--resume-anyway")));
  EXPECT_EQ(open(config({"train.lr=0.02"}), {}, RunResume::anyway)->trainer().iteration(), 12);

  const auto xml = temp_.path() / "scenes" / "Annotations" / "scene_00002.xml";
  const auto before = file_bytes(xml);
  std::ofstream(xml) << "<annotation></annotation>";
  EXPECT_THAT(message_of<ConfigError>([&] { open(config({"train.lr=0.02"}), {}, RunResume::yes); }),
              HasSubstr("other training images or boxes: scene_00002"));
  std::ofstream(xml) << before;
  EXPECT_THAT(message_of<ConfigError>([&] {
                open(config({"train.lr=0.02", "data.train.limit=5"}), {}, RunResume::yes);
              }),
              HasSubstr("the training images were 6, are 5"));
}

TEST_F(RunTest, ALossThatIsNotFiniteNamesTheLastGoodState) {
  const auto run = open(config({"train.schedule=polynomial", "train.final_lr=0", "train.lr=1e3",
                                "train.checkpoint_period=1", "train.warmup_iterations=1000000"}));
  // From iteration 4 on the weights are of no use.
  const auto message = message_of<NonFiniteError>([&] {
    run->fit({.stop = [&](int64_t iteration) {
      if (iteration == 3) {
        for (const auto& parameter : run->training().described.model->parameters())
          parameter.data().fill_(1e30);
      }
      return false;
    }});
  });
  EXPECT_THAT(message,
              AllOf(HasSubstr("the loss of iteration 4"), HasSubstr("images scene_"), HasSubstr("lr "),
                    HasSubstr("norm of the last gradients"), HasSubstr(run->folder().state(3).string())));
}

TEST_F(RunTest, AFileThatCannotBeWrittenEndsTheRun) {
  const auto run = open(config({"train.checkpoint_period=1"}));
  int64_t last = 0;
  const auto message = message_of<DataError>([&] {
    run->fit({.stop = [&](int64_t iteration) {
      last = iteration;
      if (iteration == 2) fs::create_directory(run->folder().state(3));  // in the state's place
      return false;
    }});
  });
  EXPECT_THAT(message, HasSubstr("state-00000003.safetensors"));
  EXPECT_LE(last, 4) << "the next state waits for the one before";
}

TEST(ScoringOptions, AreRead) {
  const auto options = ScoringOptions::from(
      config::Config::parse(R"({"period": 2, "best": "AP50", "patience": 3})", "here").root());
  EXPECT_EQ(options.period, 2);
  EXPECT_EQ(options.best, "AP50");
  EXPECT_EQ(options.patience, 3);
  EXPECT_EQ(options.deciding({{"AP", 0.5}, {"AP50", 0.75}}), 0.75);
  EXPECT_EQ(options.deciding({{"AP50", NAN}}), -INFINITY);
  EXPECT_EQ(ScoringOptions().deciding({{"AP", 0.5}, {"AP50", 0.75}}), 0.5);
  EXPECT_THAT(message_of<ConfigError>([&] {
                options.deciding({{"AP", 0.5}});
              }),
              AllOf(HasSubstr("no AP50"), HasSubstr("they have AP")));
  EXPECT_THAT(message_of<ConfigError>(
                  [] { ScoringOptions::from(config::Config::parse(R"({"patience": 1})", "here").root()); }),
              HasSubstr("period"));
}

TEST_F(RunTest, WeightsOfFastRcnnAreFoldedAndStatesAreNot) {
  const auto of_scenes = Training::from(config(), at::kCPU).dataset;
  const auto dataset = std::make_shared<WithProposals>(of_scenes);
  const auto fast = config({"train.epochs=1"}, kTinyFastRcnn);
  Run run(Training::from(fast, at::kCPU, dataset), RunFolder::create(temp_.path() / "run"), {},
          RunResume::no);
  EXPECT_EQ(run.fit({}), Run::Outcome::finished);
  const auto state = load_state(run.folder().state(3)).state;
  const std::string predictor = "roi_heads.box_predictor.";
  ASSERT_TRUE(state.model.contains(predictor + "target_std"));
  const auto std = state.model.at(predictor + "target_std").flatten();
  EXPECT_FALSE(at::equal(std, torch::ones_like(std)));
  const auto weights = io::read_safetensors(run.folder().weights()).tensors;
  EXPECT_FALSE(weights.contains(predictor + "target_std"));
  EXPECT_TRUE(at::allclose(weights.at(predictor + "bbox_pred.weight"),
                           state.ema.at(predictor + "bbox_pred.weight") * std.unsqueeze(1), 1e-6, 0));
}

}  // namespace
}  // namespace rcnn::train
