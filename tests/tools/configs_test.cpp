// Every config that is shipped can be used as it is.

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rcnn/config/config.h>
#include <rcnn/data/options.h>
#include <rcnn/nn/detection_model.h>
#include <rcnn/train/trainer.h>

#include "tests/tools/rcnn.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> configs() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(RCNN_CONFIGS)) {
    const auto name = entry.path().lexically_relative(RCNN_CONFIGS);
    if (entry.path().extension() == ".json" && *name.begin() != "_base_") files.push_back(name);
  }
  std::ranges::sort(files);
  return files;
}

class ShippedConfig : public testing::TestWithParam<fs::path> {
 protected:
  const fs::path file_ = fs::path(RCNN_CONFIGS) / GetParam();
};

TEST_P(ShippedConfig, DescribesAModelDataAndATraining) {
  const auto root = config::Config::load(file_).root();
  EXPECT_GT(nn::make_detection_model(root.child("model"), 20)->parameters().size(), 10u);
  EXPECT_FALSE(data::DataOptions::from(root.child("data")).root.empty());
  EXPECT_GT(train::TrainOptions::from(root.child("train")).schedule.lr, 0);
}

// The program reads the whole config, "eval" too, before it looks for the data.
TEST_P(ShippedConfig, LacksNothingButTheData) {
  const TempFolder empty;
  EXPECT_THAT(error_of(run_rcnn({"train", file_, "--output", empty.path() / "run"}, empty.path()), 3),
              testing::HasSubstr(empty.path().string()));
}

INSTANTIATE_TEST_SUITE_P(All, ShippedConfig, testing::ValuesIn(configs()), [](const auto& info) {
  auto name = info.param.stem().string();
  std::ranges::replace_if(
      name, [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
});

}  // namespace
}  // namespace rcnn::tools
