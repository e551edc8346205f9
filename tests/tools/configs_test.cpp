// Every config that is shipped can be used as it is, and every recipe has a quick form that trains.

#include <algorithm>
#include <cctype>
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

#include <rcnn/config/config.h>
#include <rcnn/data/formats/coco/coco.h>
#include <rcnn/data/formats/voc/voc.h>
#include <rcnn/data/options.h>
#include <rcnn/data/proposals/proposal_file.h>
#include <rcnn/data/tools/convert.h>
#include <rcnn/data/tools/locate.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/train/stages.h>
#include <rcnn/train/trainer.h>

#include "tests/support/json_lines.h"
#include "tests/tools/rcnn.h"
#include "tools/rcnn/demo/scenes.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;

const fs::path kConfigs = RCNN_CONFIGS;

/// Those of the folders that are `wanted`, relative to kConfigs.
template <class Wanted>
std::vector<fs::path> configs(Wanted&& wanted) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(kConfigs)) {
    const auto name = entry.path().lexically_relative(kConfigs);
    if (entry.path().extension() == ".json" && wanted(*name.begin())) files.push_back(name);
  }
  std::ranges::sort(files);
  return files;
}

std::string test_name(const testing::TestParamInfo<fs::path>& info) {
  auto name = fs::path(info.param).replace_extension().string();
  std::ranges::replace_if(
      name, [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
}

/// What gives a config's network few channels: to draw and write a hundred million weights takes seconds.
std::vector<std::string> narrow(const fs::path& file) {
  std::vector<std::string> overrides = {"model.backbone.width=8"};
  for (const auto& [key, value, origin] : config::Config::load(file).entries()) {
    if (key == "model.roi.head.hidden" || key == "model.roi.auxiliary.head.hidden") {
      overrides.push_back(key + "=64");
    }
    if (key == "model.neck.channels") overrides.push_back(key + "=32");
    if (key == "model.roi.head.depth") overrides.push_back("model.roi.head.width=8");
  }
  return overrides;
}

class ShippedConfig : public testing::TestWithParam<fs::path> {
 protected:
  void expect_whole(const std::vector<std::string>& overrides) const;

  const fs::path file_ = kConfigs / GetParam();
};

void ShippedConfig::expect_whole(const std::vector<std::string>& overrides) const {
  const auto root = config::Config::load(file_, overrides).root();
  EXPECT_GT(nn::make_detection_model(root.child("model"), 20)->parameters().size(), 10u);
  EXPECT_FALSE(data::DataOptions::from(root.child("data")).root.empty());
  EXPECT_GT(train::TrainOptions::from(root.child("train")).schedule.lr, 0);
}

TEST_P(ShippedConfig, DescribesAModelDataAndATraining) {
  expect_whole(narrow(file_));
}

TEST_P(ShippedConfig, DescribesAModelDataAndATrainingNightly) {
  expect_whole({});
}

// The program reads the whole config, "eval" too, before it looks for the data.
TEST_P(ShippedConfig, LacksNothingButTheData) {
  const TempFolder empty;
  EXPECT_THAT(error_of(run_rcnn({"train", file_, "--output", empty.path() / "run"}, empty.path()), 3),
              testing::HasSubstr(empty.path().string()));
}

// Those of quick/ are trained below.
INSTANTIATE_TEST_SUITE_P(All, ShippedConfig, testing::ValuesIn(configs([](const fs::path& folder) {
                           return folder != "_base_" && folder != "quick";
                         })),
                         test_name);

class Recipe : public testing::TestWithParam<fs::path> {
 protected:
  /// The values of "model" but its initial weights and how many proposals there are.
  static std::map<std::string, std::string> network_of(const fs::path& file) {
    std::map<std::string, std::string> values;
    for (const auto& [key, value, origin] : config::Config::load(kConfigs / file).entries()) {
      if (key.starts_with("model.")) values[key] = value;
    }
    for (const auto* other : {"model.weights", "model.rpn.train.post_nms", "model.rpn.test.post_nms",
                              "model.roi.batch_per_image"}) {
      values.erase(other);
    }
    return values;
  }
};

TEST_P(Recipe, HasAQuickFormOfTheSameNetwork) {
  const auto folder = *GetParam().begin();
  const auto prefix = folder == "faster_rcnn" ? "" : folder.string() + "_";
  const auto quick = fs::path("quick") / (prefix + GetParam().filename().string());
  ASSERT_TRUE(fs::exists(kConfigs / quick)) << quick << " is missing";
  EXPECT_EQ(network_of(quick), network_of(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(All, Recipe, testing::ValuesIn(configs([](const fs::path& folder) {
                           return folder == "faster_rcnn" || folder == "fast_rcnn" || folder == "necks";
                         })),
                         test_name);

/// Drawn images in the places of those that the quick configs name.
class QuickConfig : public testing::TestWithParam<fs::path> {
 protected:
  QuickConfig() {
    const auto scenes = folder_.path() / "scenes", coco = folder_.path() / "tinycoco";
    tools::draw_scenes(scenes, {.train = 4, .test = 2, .size = {96, 128}});
    fs::copy(scenes / "ImageSets/Main/test.txt", scenes / "ImageSets/Main/val.txt");
    for (const auto* name : {"bccd", "voc2012_slice", "my_set"})
      fs::create_directory_symlink("scenes", folder_.path() / name);

    data::Problems problems;
    auto parts = data::read_parts(data::locate(scenes, {.splits = {"train", "val"}}), problems);
    for (auto& part : parts) part.name += "2017";
    data::convert(parts, "coco", coco, data::ImageFiles::link, problems);
    fs::create_directory_symlink(".", coco / "images");
    fs::create_directory(folder_.path() / "proposals");
    write_proposals(
        {data::read_voc({.root = scenes, .split = "train"}),
         data::read_voc({.root = scenes, .split = "test"})},
        {"bccd_train", "bccd_test", "voc2012_slice_train", "voc2012_slice_test", "voc2012_slice_both"});
    const auto of_coco = [&](const std::string& part) {
      return data::read_coco(
          {.annotations = coco / "annotations" / ("instances_" + part + ".json"), .images = coco / part});
    };
    write_proposals({of_coco("train2017"), of_coco("val2017")}, {"tinycoco_train", "tinycoco_test"});
  }

  /// Boxes around the objects and others, for those configs that name proposals.
  void write_proposals(const std::vector<std::shared_ptr<data::Dataset>>& parts,
                       const std::vector<std::string>& names) const {
    data::ProposalList list;
    for (const auto& images : parts) {
      for (int64_t i = 0; i < images->size(); ++i) {
        const auto record = images->record(i);
        data::ImageProposals of_image{.id = record.id};
        for (const auto& [box, label, ignore] : record.objects) {
          of_image.boxes.push_back({box.x1 / 2, box.y1, box.x2, box.y2});
        }
        of_image.boxes.push_back({0, 0, 40, 30});
        list.images.push_back(std::move(of_image));
      }
    }
    for (const auto& name : names)
      data::write_proposals(folder_.path() / "proposals" / (name + "_ss.json"), list);
  }

  /// A config that says over that of the test what overrides say. On the command line they would have the
  /// last word in each stage of a chain, on parts that it has not.
  fs::path over_config(const std::vector<std::string>& overrides) const {
    const auto file = folder_.path() / "over.json";
    nlohmann::ordered_json over =
        nlohmann::ordered_json::parse(config::Config::parse("{}", "overrides", overrides).dump());
    over["_base_"] = (kConfigs / GetParam()).string();
    std::ofstream(file) << over;
    return file;
  }

  void expect_trains(const std::vector<std::string>& overrides) const;

  const TempFolder folder_;
};

void QuickConfig::expect_trains(const std::vector<std::string>& overrides) const {
  const auto run = folder_.path() / "run";
  const bool is_chain = train::Chain::is_one(config::Config::load(kConfigs / GetParam()));
  std::vector<std::string> words = {"train",
                                    is_chain ? over_config(overrides) : kConfigs / GetParam(),
                                    "--output",
                                    run,
                                    "--device",
                                    "cpu",
                                    "train.iterations=1",
                                    "train.log_period=1",
                                    "data.min_size=96",
                                    "data.max_size=192",
                                    R"(data.classes=["circle", "cross", "square", "star", "triangle"])"};
  if (!is_chain) {
    words.insert(words.end(), overrides.begin(), overrides.end());
    words.push_back("model.weights=null");
  }
  const auto finished = run_rcnn(words, folder_.path());
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  if (is_chain) {
    EXPECT_GT(fs::file_size(run / "7-whole/last.safetensors"), 1000u);
    EXPECT_FALSE(json_lines(run / "7-whole/metrics.jsonl").back().at("scores").empty());
    return;
  }
  const auto lines = json_lines(run / "metrics.jsonl");
  ASSERT_EQ(lines.size(), 2u) << "an iteration and its score";
  EXPECT_EQ(lines[0]["iteration"], 1);
  std::vector<std::string> losses = {"loss", "loss_classifier", "loss_box_reg"};
  if (!GetParam().filename().string().starts_with("fast_rcnn_")) {
    losses.insert(losses.end(), {"loss_objectness", "loss_rpn_box_reg"});
  }
  for (const auto& loss : losses) {
    ASSERT_TRUE(lines[0][loss].is_number()) << loss << " is " << lines[0][loss];
    EXPECT_TRUE(std::isfinite(lines[0][loss].get<double>())) << loss;
    EXPECT_GE(lines[0][loss].get<double>(), 0) << loss;
  }
  EXPECT_GT(lines[0]["loss"].get<double>(), 0);
  EXPECT_FALSE(lines[1].at("scores").empty());
  EXPECT_GT(fs::file_size(run / "last.safetensors"), 1000u);
}

TEST_P(QuickConfig, TrainsWhenItIsNarrow) {
  expect_trains(narrow(kConfigs / GetParam()));
}

TEST_P(QuickConfig, TrainsNightly) {
  expect_trains({});
}

INSTANTIATE_TEST_SUITE_P(All, QuickConfig,
                         testing::ValuesIn(configs([](const fs::path& folder) { return folder == "quick"; })),
                         test_name);

}  // namespace
}  // namespace rcnn::tools
