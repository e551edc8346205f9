// rcnn weights: what a user gets from it, and from weights that are not right.

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/torch.h>

#include <rcnn/data/scenes.h>
#include <rcnn/io/torch_file.h>
#include <rcnn/nn/weights.h>

#include "tests/support/temp_folder.h"
#include "tests/tools/rcnn.h"

namespace rcnn::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class WeightsCommand : public testing::Test {
 protected:
  WeightsCommand() { io::write_torch(file("a.pth"), nn::state_of(*tiny_model(5))); }

  std::string file(const char* name) const { return folder_.path() / name; }
  Finished weights(std::vector<std::string> words) const {
    words.insert(words.begin(), "weights");
    return run_rcnn(words, folder_.path());
  }

  const TempFolder folder_;
  const std::string config_ = folder_.write("config.json", tiny_config());
};

TEST_F(WeightsCommand, InspectListsTensorsWithoutAModel) {
  const auto text = weights({"inspect", file("a.pth")});
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_EQ(text.err, "");
  EXPECT_THAT(text.out, AllOf(HasSubstr("a.pth: torch (zip), names of torchvision, 40 tensors"),
                              testing::ContainsRegex("rpn.head.cls_logits.bias +float32 +\\[9\\]\n")));

  const auto json = nlohmann::json::parse(weights({"inspect", file("a.pth"), "--json"}).out);
  EXPECT_EQ(json["format"], "torch (zip)");
  EXPECT_EQ(json["tensors"].size(), 40u);
  int64_t elements = 0;
  for (const auto& tensor : json["tensors"]) {
    int64_t count = 1;
    for (const auto& size : tensor["shape"]) count *= size.get<int64_t>();
    elements += count;
  }
  EXPECT_EQ(json["elements"], elements);
  EXPECT_EQ(json["bytes"], 4 * elements);
}

TEST_F(WeightsCommand, ADescribedFileNeedsNothingElseToDetect) {
  data::draw_scenes(folder_.path() / "scenes", {.train = 1, .test = 1, .size = {64, 96}});
  const auto classes = folder_.write("classes.txt", "circle\ncross\nsquare\nstar\ntriangle\n");
  const auto made = weights({"convert", file("a.pth"), file("b.safetensors"), "--config", config_,
                             "--classes", classes, "model.roi.score_threshold=0.0"});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.err, HasSubstr("b.safetensors, which describes itself"));
  const auto found = run_rcnn({"detect", folder_.path() / "scenes" / "JPEGImages", "--weights",
                               file("b.safetensors"), "--output", file("found"), "--score", "0"});
  EXPECT_EQ(found.exit_code, 0) << found.err;
  const auto list = nlohmann::json::parse(std::ifstream(file("found/detections.json")));
  ASSERT_FALSE(list.empty());
  EXPECT_THAT((std::vector<std::string>{"circle", "cross", "square", "star", "triangle"}),
              testing::Contains(list[0]["category_name"].get<std::string>()));
}

TEST_F(WeightsCommand, OtherClassesAreSaid) {
  const auto made = weights({"convert", file("a.pth"), file("b.safetensors"), "--config", config_,
                             "--classes", folder_.write("classes.txt", "one\ntwo\n")});
  EXPECT_EQ(made.exit_code, 0);
  EXPECT_THAT(made.err, HasSubstr("another number of classes: roi_heads.box_predictor.bbox_pred (2)"));
}

TEST_F(WeightsCommand, DiffComparesValuesThroughFormats) {
  EXPECT_EQ(weights({"convert", file("a.pth"), file("b.safetensors")}).exit_code, 0);
  const auto same = weights({"diff", file("a.pth"), file("b.safetensors")});
  EXPECT_EQ(same.exit_code, 0);
  EXPECT_THAT(same.out, StartsWith("40 equal, 0 different"));

  auto tensors = nn::state_of(*tiny_model(5));
  tensors.erase("rpn.head.conv.0.0.bias");
  tensors["rpn.head.cls_logits.bias"] = torch::full({9}, 0.25);
  io::write_torch(file("c.pth"), tensors);
  const auto other = weights({"diff", file("a.pth"), file("c.pth")});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_EQ(other.err, "");
  EXPECT_THAT(other.out, AllOf(HasSubstr("- rpn.head.conv.0.0.bias [32]\n"),
                               HasSubstr("! rpn.head.cls_logits.bias  [9]  differs by up to 0.25"),
                               HasSubstr("38 equal, 1 different, 1 only in ")));
}

TEST_F(WeightsCommand, WhatIsWrongIsSaidInOneLine) {
  EXPECT_THAT(error_of(weights({"inspect", file("none.pth")}), 4), HasSubstr("none.pth"));
  const std::string bytes = file_bytes(file("a.pth"));
  const std::string cut = folder_.write("cut.pth", bytes.substr(0, bytes.size() / 2));
  EXPECT_THAT(error_of(weights({"inspect", cut}), 4), HasSubstr(cut));
  EXPECT_THAT(error_of(weights({"inspect", folder_.write("empty.pth", "")}), 4), HasSubstr("empty.pth"));
  // An object that would call os.system.
  const std::string evil = folder_.write("evil.pkl",
                                         "\x80\x02"
                                         "cos\nsystem\n(S'touch " +
                                             file("proof") + "'\ntR.");
  EXPECT_THAT(error_of(weights({"inspect", evil}), 4), AllOf(HasSubstr(evil), HasSubstr("os.system")));
  EXPECT_FALSE(std::filesystem::exists(file("proof")));

  EXPECT_THAT(error_of(weights({"convert", file("a.pth"), file("a.pth")}), 2), HasSubstr("is there already"));
  EXPECT_THAT(error_of(weights({"convert", file("a.pth"), file("b.onnx")}), 2),
              HasSubstr(".safetensors, .pth"));
  EXPECT_THAT(error_of(weights({"convert", file("a.pth"), file("b.pth"), "--classes", "x"}), 2),
              HasSubstr("--config"));
  EXPECT_THAT(error_of(weights({"convert", file("a.pth"), file("b.pth"), "--names", "mmdet"}), 2),
              HasSubstr("--names"));
  EXPECT_THAT(error_of(weights({"convert", file("a.pth"), file("b.pkl")}), 4),
              HasSubstr("backbone.body.features"));
  EXPECT_THAT(error_of(weights({"diff", file("a.pth"), cut}), 4), HasSubstr(cut));
  EXPECT_THAT(error_of(weights({}), 2), HasSubstr("subcommand"));
  EXPECT_THAT(error_of(run_rcnn({"detect", folder_.write("x.jpg", ""), "--weights", file("a.pth"), "--output",
                                 file("x")}),
                       4),
              HasSubstr("rcnn weights convert " + file("a.pth")));
}

TEST_F(WeightsCommand, TrainingStartsFromAnyFormat) {
  data::draw_scenes(folder_.path() / "scenes", {.train = 2, .test = 1, .size = {64, 96}});
  const auto run =
      run_rcnn({"train", config_, "--output", file("run"), "model.weights=a.pth"}, folder_.path());
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("a.pth: 40 tensors; start fresh: none; unused: none"));
}

}  // namespace
}  // namespace rcnn::tools
