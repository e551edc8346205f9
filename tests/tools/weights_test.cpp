// rcnn weights: what a user gets from it, and from weights that are not right.

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <rcnn/io/safetensors.h>
#include <rcnn/io/torch_file.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/weights/weight_names.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/support/caffe_file.h"
#include "tests/support/temp_folder.h"
#include "tests/tools/rcnn.h"
#include "tools/rcnn/demo/scenes.h"

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
  tools::draw_scenes(folder_.path() / "scenes", {.train = 1, .test = 1, .size = {64, 96}});
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

TEST_F(WeightsCommand, WithoutAuxiliaryHeadsADetectorFindsTheSameAndTrainsThemAfresh) {
  tools::draw_scenes(folder_.path() / "scenes", {.train = 1, .test = 1, .size = {64, 96}});
  const auto train = [&](const char* run, const std::string& weights) {
    return run_rcnn(
        {"train", config_, "--output", file(run), "--device", "cpu", "train.iterations=1",
         "model.neck={\"type\": \"aug_fpn\", \"channels\": 8}", "model.rpn.anchors.sizes=[16, 32]",
         "model.roi.auxiliary={\"head\": {\"hidden\": 16}}", "model.weights=" + weights},
        folder_.path());
  };
  const auto first = train("run", "null");
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const auto whole = file("run/last.safetensors"), small = file("small.safetensors");
  const auto made = weights({"convert", whole, small, "--inference-only"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.err, AllOf(HasSubstr("left out: auxiliary_heads.box_head.fc6 (2), "),
                              HasSubstr("small.safetensors, which describes itself")));
  EXPECT_THAT(weights({"inspect", whole}).out, HasSubstr("auxiliary_heads.box_head.fc7.weight"));
  EXPECT_THAT(weights({"inspect", small}).out, testing::Not(HasSubstr("auxiliary_heads.")));
  std::vector<std::string> found;
  for (const auto& weights : {whole, small}) {
    const auto output = file(fmt::format("found{}", found.size()).c_str());
    const auto finished = run_rcnn({"detect", folder_.path() / "scenes" / "JPEGImages", "--weights", weights,
                                    "--output", output, "--score", "0"});
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    std::ifstream list(output + "/detections.json");
    found.emplace_back(std::istreambuf_iterator<char>(list), std::istreambuf_iterator<char>());
  }
  EXPECT_GT(found[0].size(), 100u);
  EXPECT_EQ(found[0], found[1]);
  const auto again = train("again", small);
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.err, AllOf(HasSubstr("start fresh: auxiliary_heads.box_head.fc6 (2), "),
                               testing::Not(HasSubstr("warning"))));
}

TEST_F(WeightsCommand, ACompressedDetectorDetectsAndSaysWhatItIs) {
  tools::draw_scenes(folder_.path() / "scenes", {.train = 1, .test = 1, .size = {64, 96}});
  ASSERT_EQ(weights({"convert", file("a.pth"), file("b.safetensors"), "--config", config_}).exit_code, 0);
  const auto made =
      weights({"compress", file("b.safetensors"), file("c.safetensors"), "--svd", "fc6=8,fc7=20"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  // 32 x 512 and 32 x 32, with their biases.
  EXPECT_THAT(made.out,
              testing::ContainsRegex("roi_heads.box_head.fc6 +8 +16416 -> +4384 +0.016 M -> +0.004 M "
                                     "+0\\.[0-9]+ +0\\.[0-9]+\n"));
  EXPECT_THAT(made.out,
              testing::ContainsRegex("\nthe model .* -> .* G -> .* G  one image of 64 x 96, [0-9]+ RoIs\n"));
  EXPECT_THAT(made.err, HasSubstr("roi_heads.box_head.fc7: a rank of 20 saves nothing, below 16 it would"));
  EXPECT_THAT(
      weights({"inspect", file("c.safetensors")}).out,
      AllOf(HasSubstr("roi_heads.box_head.fc6_L.weight"), HasSubstr("roi_heads.box_head.fc7_U.bias")));
  const auto found = run_rcnn({"detect", folder_.path() / "scenes" / "JPEGImages", "--weights",
                               file("c.safetensors"), "--output", file("found"), "--score", "0"});
  EXPECT_EQ(found.exit_code, 0) << found.err;
  // A training goes on from it where its config says what it is.
  const auto trained =
      run_rcnn({"train", config_, "--output", file("run"), "--device", "cpu", "train.iterations=1",
                "model.roi.head.svd={\"fc6\": 8, \"fc7\": 20}", "model.weights=" + file("c.safetensors")},
               folder_.path());
  EXPECT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_NE(trained.err.find("start fresh: none"), std::string::npos) << trained.err;
}

TEST_F(WeightsCommand, WhatCannotBeCompressedIsSaidInOneLine) {
  ASSERT_EQ(weights({"convert", file("a.pth"), file("b.safetensors"), "--config", config_}).exit_code, 0);
  const auto error = [&](std::vector<std::string> words, int code) {
    words.insert(words.begin(), {"compress", file("b.safetensors"), file("c.safetensors")});
    return error_of(weights(words), code);
  };
  EXPECT_THAT(error({}, 2), HasSubstr("nothing to compress by"));
  EXPECT_THAT(error({"--svd", "fc6=a"}, 2), HasSubstr("--svd: \"fc6=a\" is no LAYER=RANK"));
  EXPECT_THAT(error({"--svd", "fc6=8,fc6=9"}, 2), HasSubstr("fc6 is named twice"));
  for (const auto* list : {"", ",", "fc6=8,", ",fc6=8"}) {
    EXPECT_EQ(error({"--svd", list, "--energy", "0.9"}, 2),
              fmt::format("error: --svd: \"{}\" lacks the name of a layer: LAYER=RANK,..., as in "
                          "fc6=1024,fc7=256\n",
                          list));
  }
  EXPECT_EQ(error({"--svd", "fc6=8,fc7=8", "--energy", "0.9"}, 2),
            "error: an energy of 0.9 decides nothing where each layer has a rank: leave it out, or leave out "
            "the rank of a layer whose rank it is to choose\n");
  EXPECT_THAT(error({"--svd", "fc6=33"}, 2), HasSubstr("b.safetensors: fc6: the rank must be from 1 to 32"));
  EXPECT_THAT(error({"--svd", "fc9=8"}, 2), HasSubstr("did you mean fc6"));
  EXPECT_THAT(error_of(weights({"compress", file("b.safetensors"), file("c.pth"), "--svd", "fc6=8"}), 2),
              HasSubstr("takes a .safetensors file"));
  EXPECT_THAT(error_of(weights({"compress", file("a.pth"), file("c.safetensors"), "--svd", "fc6=8"}), 4),
              HasSubstr("no description of the model"));
  EXPECT_THAT(error_of(weights({"compress", file("b.safetensors"), file("a.pth"), "--svd", "fc6=8"}), 2),
              HasSubstr("a.pth"));
  EXPECT_FALSE(std::filesystem::exists(file("c.safetensors")));
}

TEST_F(WeightsCommand, TheStateOfATrainingIsNamedAsOne) {
  tools::draw_scenes(folder_.path() / "scenes", {.train = 2, .test = 1, .size = {64, 96}});
  const auto trained =
      run_rcnn({"train", config_, "--output", file("run"), "--device", "cpu"}, folder_.path());
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const auto state = file("run/state-00000003.safetensors"), last = file("run/last.safetensors");
  const auto said = [&](const std::string& weights) {
    return fmt::format(
        "error: {}: is the state of a training after iteration 3, for rcnn train --resume; take the run's "
        "weights: {}\n",
        state, weights);
  };
  EXPECT_EQ(error_of(weights({"compress", state, file("c.safetensors"), "--energy", "0.9"}), 4), said(last));
  EXPECT_EQ(error_of(weights({"convert", state, file("c.pth")}), 4), said(last));
  EXPECT_EQ(error_of(weights({"diff", state, last}), 4), said(last));
  EXPECT_EQ(error_of(run_rcnn({"detect", folder_.path() / "scenes" / "JPEGImages", "--weights", state,
                               "--output", file("found")}),
                     4),
            said(last));
  EXPECT_EQ(error_of(run_rcnn({"eval", "--weights", state}, folder_.path()), 4), said(last));
  EXPECT_THAT(
      run_rcnn({"train", config_, "--output", file("other"), "model.weights=" + state}, folder_.path()).err,
      testing::EndsWith(said(last)));
  const auto shown = weights({"inspect", state});
  EXPECT_EQ(shown.exit_code, 0);
  EXPECT_THAT(shown.out, AllOf(HasSubstr("is the state of a training after iteration 3"),
                               HasSubstr("  model.rpn.head.conv.0.0.bias ")));
  std::filesystem::remove(last);
  EXPECT_EQ(error_of(weights({"convert", state, file("c.pth")}), 4), said("its last.safetensors"));
}

TEST_F(WeightsCommand, ValuesThatAreNotFiniteAreRefusedWhereverTheyAreLoaded) {
  tools::draw_scenes(folder_.path() / "scenes", {.train = 2, .test = 1, .size = {64, 96}});
  ASSERT_EQ(weights({"convert", file("a.pth"), file("b.safetensors"), "--config", config_}).exit_code, 0);
  auto content = io::read_safetensors(file("b.safetensors"));
  const std::string name = "rpn.head.conv.0.0.bias";
  const auto with = [&](const at::Tensor& value) {
    auto tensors = content.tensors;
    tensors[name] = value;
    return tensors;
  };
  const auto bias = content.tensors.at(name);
  auto nan = bias.clone(), large = bias.to(at::kDouble);
  nan[1] = NAN;
  large[0] = 1e40;
  const auto said = [&](const std::string& path, const char* what) {
    return fmt::format(
        "error: {}: has values that are no finite numbers: {} (1 of {} {}); they are of a training that "
        "diverged, "
        "or damaged: take earlier ones\n",
        path, name, bias.numel(), what);
  };
  io::write_safetensors(file("n.safetensors"), {.tensors = with(nan), .metadata = content.metadata});
  const auto nan_file = said(file("n.safetensors"), "NaN or infinite");
  EXPECT_EQ(error_of(run_rcnn({"detect", folder_.path() / "scenes" / "JPEGImages", "--weights",
                               file("n.safetensors"), "--output", file("found")}),
                     4),
            nan_file);
  EXPECT_EQ(error_of(run_rcnn({"eval", "--weights", file("n.safetensors")}, folder_.path()), 4), nan_file);
  EXPECT_EQ(
      error_of(weights({"compress", file("n.safetensors"), file("c.safetensors"), "--energy", "0.9"}), 4),
      nan_file);
  io::write_torch(file("n.pth"), with(nan));
  io::write_torch(file("l.pth"), with(large));
  for (const auto& [path, what] :
       {std::pair(file("n.pth"), "NaN or infinite"), {file("l.pth"), "beyond float32's range"}}) {
    EXPECT_EQ(error_of(run_rcnn({"train", config_, "--output", file("run"), "model.weights=" + path},
                                folder_.path()),
                       4),
              said(path, what));
    EXPECT_FALSE(std::filesystem::exists(file("run")));
  }
  EXPECT_EQ(error_of(weights({"convert", file("l.pth"), file("c.safetensors"), "--dtype", "float16"}), 4),
            fmt::format("error: {}: {}: 1 of {} values are beyond the range of Half\n", file("l.pth"), name,
                        bias.numel()));
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

TEST_F(WeightsCommand, CaffesFilesAreReadAsTheyAre) {
  torch::manual_seed(1);
  const auto layer = [](const char* name, at::IntArrayRef shape) {
    return test::caffe_layer(name, {at::randn(shape), at::randn(shape[0])}, test::CaffeFormat::v1);
  };
  const auto bytes = test::field(1, "ZF") + layer("conv1", {96, 3, 7, 7}) + layer("conv2", {256, 96, 5, 5}) +
                     layer("fc8", {10, 4});
  const auto source = folder_.write("zf.caffemodel", bytes);
  const auto shown = weights({"inspect", source});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_THAT(shown.out,
              AllOf(HasSubstr("caffemodel, names of caffe, 6 tensors"), HasSubstr("conv1.blobs.0 "),
                    HasSubstr("[96, 3, 7, 7]"), HasSubstr("name = ZF")));
  const auto made = weights({"convert", source, file("zf.safetensors")});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.err, AllOf(HasSubstr("names of caffe translated to those of torchvision"),
                              HasSubstr("4 tensors in ")));
  EXPECT_TRUE(nn::recognise_weights(file("zf.safetensors")).tensors.contains("conv2.weight"));
  const std::string cut =
      folder_.write("cut.caffemodel", std::string_view(bytes).substr(0, bytes.size() / 2));
  EXPECT_THAT(error_of(weights({"inspect", cut}), 4), AllOf(HasSubstr(cut), HasSubstr("cut short")));
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

/// Tensors of a detector with a pyramid, the config of which kPyramid is.
constexpr const char* kPyramid = R"({"model": {
    "type": "faster_rcnn",
    "backbone": {"type": "resnet18", "width": 4, "levels": ["c2", "c3", "c4", "c5"], "frozen_stages": 0},
    "neck": {"type": "fpn", "channels": 8},
    "rpn": {"anchors": {"sizes": [16, 32, 64, 128, 256]}},
    "roi": {"head": {"type": "mlp", "hidden": 8}}},
  "data": {"root": "scenes", "classes": ["circle", "cross", "square", "star", "triangle"],
           "min_size": 64, "max_size": 96, "workers": 1},
  "train": {"iterations": 1, "batch_size": 1, "log_period": 1}})";

nn::TensorMap pyramid_weights() {
  torch::manual_seed(4);
  return nn::state_of(
      *nn::make_detection_model(config::Config::parse(kPyramid, "test").root().child("model"), 5));
}

/// As torchvision called them before 0.13.
nn::TensorMap older(const nn::TensorMap& tensors, const std::string& prefix = "") {
  nn::TensorMap result;
  for (const auto& [present, tensor] : tensors) {
    auto name = present;
    if (const auto at = name.find(".0.0."); name.starts_with("rpn.")) {
      if (at != std::string::npos) name.erase(at, 4);
    } else if (name.starts_with("backbone.fpn.")) {
      name.erase(name.rfind(".0."), 2);
    }
    result.emplace(prefix + name, tensor);
  }
  return result;
}

TEST_F(WeightsCommand, OlderNamesGiveTheSameWeights) {
  const auto config = folder_.write("pyramid.json", kPyramid);
  io::write_torch(file("new.pth"), pyramid_weights());
  io::write_torch(file("old.pth"), older(pyramid_weights(), "model."));
  const auto made = weights({"convert", file("old.pth"), file("old.safetensors"), "--config", config});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.err,
              StartsWith(file("old.pth") + ": without the prefix 'model.'; under torchvision's names of "
                                           "before 0.13\n"));
  EXPECT_EQ(weights({"convert", file("new.pth"), file("new.safetensors"), "--config", config}).exit_code, 0);
  EXPECT_EQ(weights({"diff", file("old.safetensors"), file("new.safetensors")}).exit_code, 0);
  EXPECT_EQ(weights({"diff", file("old.pth"), file("new.pth")}).exit_code, 0);
  EXPECT_THAT(weights({"inspect", file("old.pth")}).out,
              AllOf(HasSubstr("names of before 0.13"), HasSubstr("  model.rpn.head.conv.weight ")));

  tools::draw_scenes(folder_.path() / "scenes", {.train = 2, .test = 1, .size = {64, 96}});
  const auto train = [&](const char* name) {
    return run_rcnn(
        {"train", config, "--output", file("run"), "--dry-run", std::string("model.weights=") + name},
        folder_.path());
  };
  const auto run = train("old.pth");
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err,
              AllOf(HasSubstr("start fresh: none; unused: none"), testing::Not(HasSubstr("warning"))));

  // A pyramid and an RPN that are called otherwise.
  nn::TensorMap others;
  for (const auto& [present, tensor] : pyramid_weights()) {
    auto name = present;
    if (name.starts_with("backbone.fpn.")) name.replace(0, 13, "neck.");
    others.emplace(name, tensor);
  }
  io::write_torch(file("others.pth"), others);
  EXPECT_THAT(
      train("others.pth").err,
      AllOf(HasSubstr("warning: initial weights "),
            HasSubstr("the pyramid's backbone.fpn.inner_blocks: 8 of 8 tensors"), HasSubstr("neck.")));
}

TEST_F(WeightsCommand, TheAveragedCopyIsTakenOnDemand) {
  auto tensors = nn::state_of(*tiny_model(5));
  nn::TensorMap both;
  for (const auto& [name, tensor] : tensors) {
    both.emplace("model." + name, tensor);
    both.emplace("ema_model.module." + name, tensor + 1);
  }
  io::write_torch(file("both.pth"), both);
  const auto plain = weights({"diff", file("both.pth"), file("a.pth")});
  EXPECT_EQ(plain.exit_code, 0) << plain.out;
  EXPECT_THAT(plain.err, HasSubstr("averaged copies left out: ema_model.*"));
  const auto made =
      weights({"convert", file("both.pth"), file("ema.safetensors"), "--ema", "--config", config_});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.err, HasSubstr("averaged weights; without the prefix 'ema_model.module.'"));
  for (auto& [name, tensor] : tensors) tensor = tensor + 1;
  io::write_torch(file("more.pth"), tensors);
  EXPECT_EQ(weights({"diff", file("ema.safetensors"), file("more.pth")}).exit_code, 0);
  EXPECT_THAT(weights({"inspect", file("both.pth"), "--ema"}).out, HasSubstr("  rpn.head.conv.0.0.bias "));
  EXPECT_THAT(error_of(weights({"convert", file("a.pth"), file("x.pth"), "--ema"}), 4),
              HasSubstr("has no averaged copy"));
}

TEST_F(WeightsCommand, ACaffemodelOfAnotherNetworkIsNamed) {
  std::string bytes;
  for (int i = 10; i < 19; ++i)
    bytes += test::caffe_layer(fmt::format("res{}", i), {at::randn({2, 3, 1, 1}), at::randn(2)});
  const auto path = folder_.write("other.caffemodel", bytes);
  const auto said = fmt::format(
      "error: {}: none of its 9 layers is known here: res10, res11, res12, res13, res14, res15, res16, "
      "res17, ...; "
      "known are those of the networks VGG16, ZF and VGG_CNN_M_1024 and py-faster-rcnn's detectors over "
      "them\n",
      path.string());
  tools::draw_scenes(folder_.path() / "scenes", {.train = 2, .test = 1, .size = {64, 96}});
  EXPECT_EQ(error_of(run_rcnn({"train", config_, "--output", file("run"), "model.weights=" + path.string()},
                              folder_.path()),
                     4),
            said);
  EXPECT_EQ(error_of(weights({"convert", path, file("c.safetensors")}), 4), said);
  EXPECT_EQ(error_of(weights({"convert", path, file("c.safetensors"), "--config", config_}), 4), said);
  EXPECT_EQ(error_of(weights({"diff", path, file("a.pth")}), 4), said);
  EXPECT_THAT(weights({"inspect", path}).out,
              AllOf(HasSubstr("caffemodel, names of caffe, 18 tensors"), HasSubstr("  res10.blobs.0 ")));
}

TEST_F(WeightsCommand, NamesAreWrittenWithoutControlCharacters) {
  const std::string evil = "a\x1b[2Jb\n+ c";
  io::write_safetensors(file("evil.safetensors"), {.tensors = {{evil, torch::ones({2})}},
                                                   .metadata = {{evil, evil}, {"checksum", "sha256:0"}}});
  io::write_safetensors(file("other.safetensors"), {.tensors = {{evil, torch::zeros({2})}}, .metadata = {}});
  const auto is_plain = [](const std::string& text) {
    return std::ranges::none_of(text, [](char c) { return c >= 0 && c < ' ' && c != '\n'; });
  };
  for (const auto& said :
       {weights({"inspect", file("evil.safetensors")}),
        weights({"diff", file("evil.safetensors"), file("other.safetensors")}),
        weights({"diff", file("evil.safetensors"), file("a.pth")}),
        weights({"convert", file("evil.safetensors"), file("x.safetensors"), "--config", config_})}) {
    EXPECT_TRUE(is_plain(said.out + said.err)) << said.out << said.err;
    EXPECT_THAT(said.out + said.err, HasSubstr("a\\x1b[2Jb\\n+ c"));
  }
  EXPECT_THAT(weights({"inspect", file("evil.safetensors")}).out, HasSubstr("checksum = sha256:0"));
  EXPECT_EQ(nlohmann::json::parse(
                weights({"inspect", file("evil.safetensors"), "--json"}).out)["tensors"][0]["name"],
            evil);
}

TEST_F(WeightsCommand, OneSaysThatFilesDifferAndNothingElse) {
  EXPECT_EQ(weights({"diff", file("a.pth"), file("a.pth")}).exit_code, 0);
  EXPECT_EQ(weights({"diff", file("a.pth"), file("none.pth")}).exit_code, 4);
  EXPECT_EQ(weights({"diff", file("a.pth")}).exit_code, 2);
  EXPECT_EQ(weights({"diff", file("a.pth"), file("a.pth"), "--none"}).exit_code, 2);
  EXPECT_THAT(weights({"diff", "--help"}).out, HasSubstr("0 equal, 1 different"));
  // The commands cannot be loaded: nothing was compared.
  const auto alone = folder_.path() / "rcnn";
  std::filesystem::copy_file(RCNN_PROGRAM, alone);
  EXPECT_EQ(run_program(alone, {"weights", "diff", file("a.pth"), file("a.pth")}).exit_code, 4);
}

TEST_F(WeightsCommand, TrainingStartsFromAnyFormat) {
  tools::draw_scenes(folder_.path() / "scenes", {.train = 2, .test = 1, .size = {64, 96}});
  const auto run =
      run_rcnn({"train", config_, "--output", file("run"), "model.weights=a.pth"}, folder_.path());
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("a.pth: 40 tensors; start fresh: none; unused: none"));
}

}  // namespace
}  // namespace rcnn::tools
