// What a user gets for a command line, a config or files that are not right: one line, and the exit code.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/io/safetensors.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/weights/weights.h>
#include <rcnn/version.h>

#include "tests/tools/rcnn.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Program, SaysItsVersionAndHelpsOnStdout) {
  const auto told = run_rcnn({"--version"});
  EXPECT_EQ(told.exit_code, 0);
  EXPECT_THAT(told.out,
              AllOf(StartsWith("rcnn " + version() + "\n"), HasSubstr("LibTorch " + torch_version()),
                    HasSubstr("CUDA "), HasSubstr("OpenCV ")));
  EXPECT_EQ(told.err, "");

  const auto help = run_rcnn({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_EQ(help.err, "");
  for (const char* command :
       {"train", "eval", "detect", "propose", "report", "demo", "data", "weights", "config", "info"}) {
    EXPECT_THAT(help.out, HasSubstr("\n  " + std::string(command) + " "));
    const auto own = run_rcnn({command, "--help"});
    EXPECT_EQ(own.exit_code, 0);
    EXPECT_THAT(own.out, HasSubstr(command));
  }
}

TEST(Program, AWrongCommandLineIsAUsageError) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{}, "subcommand is required"},
      {{"trian", "config.json"}, "trian is not known here"},
      {{"data", "chekc", "x"}, "chekc is not known here"},
      {{"detect", "a.jpg", "--wieghts", "w", "--output", "x"},
       "--wieghts is not known here; --weights is required"},
      {{"config"}, "subcommand is required"},
      {{"config", "show"}, "config is required"},
      {{"train"}, "config is required"},
      {{"train", "config.json"}, "--output is required"},
      {{"train", "config.json", "--output"}, "--output"},
      {{"train", "config.json", "--output", "x", "--gpu"}, "--gpu"},

      {{"detect", "a.jpg", "--output", "x"}, "--weights is required"},
      {{"detect", "--weights", "w", "--output", "x"}, "inputs is required"},
      {{"detect", "a.jpg", "--weights", "w", "--output", "x", "--score", "1.5"}, "--score"},
      {{"detect", "a.jpg", "--weights", "w", "--output", "x", "--score", "high"}, "--score"},
  };
  for (const auto& [arguments, said] : cases) {
    EXPECT_THAT(error_of(run_rcnn(arguments), 2), AllOf(HasSubstr(said), HasSubstr("rcnn --help")))
        << testing::PrintToString(arguments);
  }
}

/// A drawn data set, a config for it and weights that fit it.
class CommandTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempFolder>();
    tools::draw_scenes(data() / "scenes", {.train = 2, .test = 1, .size = {64, 96}});
    std::vector<Category> categories;
    for (const char* name : {"circle", "cross", "square", "star", "triangle"}) {
      categories.push_back({.id = std::ssize(categories) + 1, .name = name});
    }
    nn::save_model(weights(), {tiny_model(5), categories, config::Config::parse(tiny_config(), "here")});
  }
  static void TearDownTestSuite() { shared_.reset(); }

  static fs::path data() { return shared_->path(); }
  static fs::path weights() { return shared_->path() / "weights.safetensors"; }
  static fs::path picture() { return data() / "scenes" / "JPEGImages" / "scene_00001.jpg"; }

  Finished train(const std::vector<std::string>& overrides = {}, const std::string& config = tiny_config()) {
    std::vector<std::string> arguments = {"train", folder_.write("config.json", config), "--output", output_};
    arguments.insert(arguments.end(), overrides.begin(), overrides.end());
    return run_rcnn(arguments, data());
  }
  Finished detect(const fs::path& image, const fs::path& weights) {
    return run_rcnn({"detect", image, "--weights", weights, "--output", output_}, data());
  }
  Finished eval(const std::vector<std::string>& words) {
    std::vector<std::string> arguments = {"eval", "--weights", weights()};
    arguments.insert(arguments.end(), words.begin(), words.end());
    return run_rcnn(arguments, data());
  }

  static std::unique_ptr<TempFolder> shared_;
  const TempFolder folder_;
  const std::string output_ = folder_.path() / "run";
};
std::unique_ptr<TempFolder> CommandTest::shared_;

TEST_F(CommandTest, ConfigShowSaysWhereEachValueComesFrom) {
  const std::string base = folder_.write("base.json", R"({"train": {"lr": 0.1, "epochs": 3}})");
  const std::string top = folder_.write("top.json", R"({"_base_": "base.json", "train": {"epochs": 4}})");
  const auto shown = run_rcnn({"config", "show", top, "train.seed=7"});
  EXPECT_EQ(shown.exit_code, 0);
  EXPECT_EQ(shown.err, "");
  EXPECT_THAT(shown.out, testing::MatchesRegex("train.lr = 0.1 +# " + base + "\ntrain.epochs = 4 +# " + top +
                                               "\ntrain.seed = 7 +# command line\n"));
}

TEST_F(CommandTest, AConfigThatIsNotThereIsNamed) {
  EXPECT_THAT(error_of(run_rcnn({"train", "no/such.json", "--output", output_}), 2),
              HasSubstr("no/such.json"));
  EXPECT_THAT(error_of(run_rcnn({"config", "show", folder_.path()}), 2), HasSubstr(folder_.path().string()));
}

TEST_F(CommandTest, ABrokenConfigIsNamedWithTheLine) {
  EXPECT_THAT(error_of(train({}, "{\n\"train\": {,}}"), 2),
              AllOf(HasSubstr("config.json"), HasSubstr("line 2")));
}

TEST_F(CommandTest, AnUnknownKeyIsAnErrorWithTheNearestName) {
  EXPECT_THAT(error_of(train({"train.lrr=1"}), 2),
              AllOf(HasSubstr("command line: train.lrr: unknown key"), HasSubstr("did you mean lr?")));
  EXPECT_THAT(error_of(train({"model.rpn.batch_per_imag=1"}), 2), HasSubstr("did you mean batch_per_image?"));
  EXPECT_THAT(error_of(train({"data.tes.limit=1"}), 2), HasSubstr("did you mean test?"));
  EXPECT_THAT(error_of(train({"eval.perod=1"}), 2), HasSubstr("did you mean period?"));
  EXPECT_THAT(error_of(train({"trian.lr=1"}), 2), HasSubstr("did you mean train?"));
  EXPECT_THAT(error_of(train({"lr"}), 2), HasSubstr("key=value"));
  EXPECT_FALSE(fs::exists(output_));
}

TEST_F(CommandTest, EvalIsAsStrict) {
  const std::string config = folder_.write("config.json", tiny_config());
  EXPECT_THAT(error_of(eval({"data.tes.limit=1"}), 2), HasSubstr("did you mean test?"));
  EXPECT_THAT(error_of(eval({"dta.root=x"}), 2), HasSubstr("did you mean data?"));
  EXPECT_THAT(error_of(eval({config, "dta.root=x"}), 2), HasSubstr("did you mean data?"));
  EXPECT_THAT(error_of(eval({config, "eval.rule=points12"}), 2), HasSubstr("did you mean points11?"));
}

TEST_F(CommandTest, AnUnknownDeviceIsNamed) {
  EXPECT_THAT(error_of(train({"--device", "tpu"}), 2), AllOf(HasSubstr("'tpu'"), HasSubstr("cuda")));
  EXPECT_THAT(error_of(eval({"--device", "tpu"}), 2), HasSubstr("'tpu'"));
}

TEST_F(CommandTest, AMissingDataSetIsNamed) {
  EXPECT_THAT(error_of(train({"data.root=nowhere"}), 3), HasSubstr((data() / "nowhere").string()));
  EXPECT_THAT(error_of(eval({"data.root=nowhere"}), 3), HasSubstr((data() / "nowhere").string()));
  EXPECT_FALSE(fs::exists(output_));
}

TEST_F(CommandTest, ASplitThatIsEmptyOrNotThereIsNamed) {
  std::ofstream(data() / "scenes" / "ImageSets" / "Main" / "empty.txt") << "\n";
  EXPECT_THAT(error_of(train({"data.train.split=empty"}), 3), HasSubstr("split empty: cannot be used"));
  EXPECT_THAT(error_of(train({"data.test.split=empty"}), 3), HasSubstr("split empty: cannot be used"));
  EXPECT_THAT(error_of(train({"data.train.split=vla"}), 3),
              HasSubstr("has no part vla; there are: empty, test, train"));
  EXPECT_FALSE(fs::exists(output_));
}

TEST_F(CommandTest, AnOutputFolderInUseIsRefusedAndLeftAlone) {
  const auto file = folder_.write("run/last.safetensors", "an earlier run");
  EXPECT_THAT(error_of(train(), 2), AllOf(HasSubstr(output_), HasSubstr("already in use")));
  EXPECT_THAT(error_of(run_rcnn({"demo", "--output", output_}), 2), HasSubstr("already in use"));
  EXPECT_EQ(file_bytes(file), "an earlier run");
}

TEST_F(CommandTest, WeightsOfAnotherShapeAreNamed) {
  const auto wider = "model.backbone.width=8";
  EXPECT_THAT(error_of(eval({wider}), 4), AllOf(HasSubstr(weights().string()), HasSubstr("of another shape"),
                                                HasSubstr("backbone.body.features.0.weight [8, 3, 3, 3]")));
  EXPECT_THAT(error_of(train({wider, "model.weights=weights.safetensors"}), 4),
              AllOf(HasSubstr(weights().string()), HasSubstr("of another shape")));
  EXPECT_FALSE(fs::exists(output_));
}

TEST_F(CommandTest, WeightsThatAreNotThereAreNamed) {
  EXPECT_THAT(error_of(train({"model.weights=gone.safetensors"}), 4),
              AllOf(HasSubstr((data() / "gone.safetensors").string()), HasSubstr("No such file"),
                    HasSubstr("data/README.md says under \"Weights\"")));
  EXPECT_THAT(error_of(detect(picture(), "gone.safetensors"), 4), HasSubstr("gone.safetensors"));
  EXPECT_THAT(error_of(run_rcnn({"eval", "--weights", "gone.safetensors"}), 4),
              HasSubstr("gone.safetensors"));
  EXPECT_FALSE(fs::exists(output_));
}

TEST_F(CommandTest, ATrunkIsNoDetector) {
  const auto trunk = folder_.path() / "trunk.safetensors";
  io::write_safetensors(trunk, {.tensors = {{"conv1.weight", torch::zeros({4, 3, 3, 3})}}, .metadata = {}});
  EXPECT_THAT(error_of(detect(picture(), trunk), 4),
              AllOf(HasSubstr(trunk.string()), HasSubstr("no description of the model")));
  EXPECT_FALSE(fs::exists(output_));
}

TEST_F(CommandTest, AFileThatIsNoWeightsIsNamed) {
  EXPECT_THAT(error_of(detect(picture(), picture()), 4), HasSubstr("is a JPEG image"));
}

TEST_F(CommandTest, ImagesThatAreNotThereAreNamed) {
  EXPECT_THAT(error_of(detect("gone.jpg", weights()), 3), HasSubstr("gone.jpg: No such file"));
  EXPECT_THAT(error_of(detect(folder_.path(), weights()), 3), HasSubstr("no image there"));
}

TEST_F(CommandTest, ALossThatIsNotFiniteHasItsExitCode) {
  const auto finished = train({"train.lr=1e30", "train.iterations=9"});
  EXPECT_EQ(finished.exit_code, 6);
  const auto said = finished.err.substr(finished.err.rfind('\n', finished.err.size() - 2) + 1);
  EXPECT_THAT(said, AllOf(StartsWith("error: "), HasSubstr("scene_00001"), HasSubstr("lower train.lr")));
}

}  // namespace
}  // namespace rcnn::tools
