#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include "tests/support/temp_folder.h"
#include "tests/tools/rcnn.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class LrFind : public testing::Test {
 protected:
  void SetUp() override {
    tools::draw_scenes(folder_.path() / "scenes", {.train = 6, .test = 1, .size = {64, 96}});
  }

  Finished run(std::vector<std::string> words) const {
    words.insert(words.begin(), {"lr-find", config_, "--output", output_.string(), "--device", "cpu"});
    return run_rcnn(words, folder_.path());
  }

  nlohmann::json numbers() const { return nlohmann::json::parse(file_bytes(output_ / "lr_find.json")); }

  const TempFolder folder_;
  const std::string config_ = folder_.write("config.json", tiny_config());
  const fs::path output_ = folder_.path() / "found";
};

TEST_F(LrFind, WritesTheLossAtEachRateAndSuggestsOne) {
  // A tiny detector from random weights learns what is background within a few iterations.
  const auto finished = run({"--iterations", "60", "--from", "1e-4", "--to", "10", "train.seed=1"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const auto json = numbers();
  ASSERT_GT(json["points"].size(), 20);
  EXPECT_NEAR(json["points"][0]["lr"].get<double>(), 1e-4, 1e-12);
  for (const auto& point : json["points"]) {
    EXPECT_TRUE(point["loss"].is_number());
    EXPECT_TRUE(point["smoothed"].is_number());
  }
  ASSERT_TRUE(json["suggestion"].is_number()) << json["remark"];
  EXPECT_EQ(json["suggestion"], json["steepest"]);
  EXPECT_EQ(finished.out.substr(0, 9), "train.lr=");
  EXPECT_NEAR(std::stod(finished.out.substr(9)) / json["suggestion"].get<double>(), 1, 0.06);
  EXPECT_THAT(finished.err, HasSubstr("falls steepest"));
  const auto picture = file_bytes(output_ / "lr_find.svg");
  EXPECT_THAT(picture, testing::StartsWith("<svg xmlns="));
  EXPECT_THAT(picture, HasSubstr("data-log")) << "rates are on a logarithmic axis";
  for (const char* rate : {"steepest", "lowest"}) {
    EXPECT_THAT(picture, HasSubstr(fmt::format(">{} {:.2g}</text>", rate, json[rate].get<double>())));
  }

  int files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(output_)) ++files;
  EXPECT_EQ(files, 2);

  // With base_batch the config's rate is for 16 images a step, of which there are 2.
  fs::remove_all(output_);
  const auto scaled =
      run({"--iterations", "60", "--from", "1e-4", "--to", "10", "train.seed=1", "train.base_batch=16"});
  EXPECT_NEAR(numbers()["suggestion"].get<double>() / json["suggestion"].get<double>(), 8, 1e-9)
      << scaled.err;
}

TEST_F(LrFind, WithoutAFallItSaysSo) {
  const auto finished = run({"--iterations", "20", "--from", "1e-12", "--to", "1e-11"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(finished.out, "");
  EXPECT_THAT(finished.err, HasSubstr("no suggestion: the loss does not fall clearly at any rate"));
  EXPECT_TRUE(numbers()["suggestion"].is_null());
  EXPECT_TRUE(fs::exists(output_ / "lr_find.svg"));
}

TEST_F(LrFind, WhatMakesNoSenseIsRefusedBeforeAnythingIsDone) {
  EXPECT_THAT(error_of(run({"--from", "1", "--to", "0.1"}), 2),
              HasSubstr("the rates must be above 0 and grow"));
  EXPECT_THAT(error_of(run({"--iterations", "0"}), 2), HasSubstr("one iteration at least"));
  EXPECT_THAT(error_of(run({"train.lrr=1"}), 2), HasSubstr("did you mean"));
  EXPECT_FALSE(fs::exists(output_));
  folder_.write("found/mine", "x");
  EXPECT_THAT(error_of(run({}), 2), HasSubstr("already in use"));
}

TEST_F(LrFind, ASignalEndsItWithTheLossesSoFar) {
  RunningProgram program(
      RCNN_PROGRAM,
      {"lr-find", config_, "--output", output_.string(), "--device", "cpu", "--iterations", "100000"},
      {"RCNN_DATA=" + folder_.path().string()});
  for (int i = 0; i < 6000 && file_bytes(program.err()).find("iter 20/") == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  program.send(SIGHUP);
  const auto finished = program.finish();
  EXPECT_EQ(finished.exit_code, 129);
  EXPECT_EQ(finished.out, "");
  EXPECT_THAT(finished.err, HasSubstr("of 100000 iterations"));
  EXPECT_GE(numbers()["points"].size(), 20u);
  EXPECT_TRUE(fs::exists(output_ / "lr_find.svg"));
}

}  // namespace
}  // namespace rcnn::tools
