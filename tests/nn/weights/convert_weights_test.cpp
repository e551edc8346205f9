#include <gmock/gmock.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/io/safetensors.h>
#include <rcnn/io/weight_file.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/models/model_file.h>
#include <rcnn/nn/weights/convert_weights.h>
#include <rcnn/nn/weights/weight_diff.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;
using Format = io::WeightFile::Format;

constexpr const char* kConvertedConfig = R"({"model": {
    "type": "faster_rcnn",
    "backbone": {"type": "resnet50", "width": 4, "levels": ["c2", "c3", "c4", "c5"]},
    "neck": {"type": "fpn", "channels": 8},
    "rpn": {"anchors": {"sizes": [16, 32, 64, 128, 256]}},
    "roi": {"head": {"type": "mlp", "hidden": 8}}}})";

class ConvertWeights : public testing::Test {
 protected:
  ConvertWeights() { io::write_safetensors(plain_, {.tensors = tensors_, .metadata = {{"note", "mine"}}}); }

  std::filesystem::path file(const char* name) const { return folder_.path() / name; }

  std::string weights_error(const std::filesystem::path& to, const ConvertOptions& options = {}) const {
    return message_of<WeightsError>([&] { convert_weights(plain_, to, options); });
  }

  static TensorMap some_weights() {
    torch::manual_seed(3);
    const auto config = config::Config::parse(kConvertedConfig, "test");
    TensorMap tensors;
    for (const auto& [name, tensor] : state_of(*make_detection_model(config.root().child("model"), 2))) {
      tensors.emplace(name, torch::rand(tensor.sizes()) + 0.5);
    }
    // What a background box is in detectron2: not there.
    for (const char* leaf : {"weight", "bias"}) {
      tensors.at(std::string("roi_heads.box_predictor.bbox_pred.") + leaf).narrow(0, 0, 4).zero_();
    }
    return tensors;
  }

  const TempFolder folder_;
  const TensorMap tensors_ = some_weights();
  const std::filesystem::path plain_ = file("plain.safetensors");
  const config::Config config_ = config::Config::parse(kConvertedConfig, "test");
};

TEST_F(ConvertWeights, ThereAndBackThroughEveryFormatGivesTheSame) {
  for (const auto& [name, format, names] : {std::tuple{"a.pth", Format::torch_zip, WeightNames::torchvision},
                                            {"a.pt", Format::torch_zip, WeightNames::torchvision},
                                            {"a.pkl", Format::numpy_pickle, WeightNames::detectron2}}) {
    const auto there = convert_weights(plain_, file(name));
    EXPECT_EQ(there.target, names);
    EXPECT_EQ(there.tensors, std::ssize(tensors_));
    const auto between = io::read_weight_file(file(name));
    EXPECT_EQ(between.format, format);
    EXPECT_EQ(weight_names_of(between.tensors), names);
    std::filesystem::remove(file("back.safetensors"));
    convert_weights(file(name), file("back.safetensors"));
    EXPECT_TRUE(diff_weights(io::read_safetensors(file("back.safetensors")).tensors, tensors_).same())
        << name;
  }
}

TEST_F(ConvertWeights, Caffe2KeepsWhatTheWeightsCompute) {
  convert_weights(plain_, file("c.pkl"), {.names = WeightNames::caffe2});
  EXPECT_EQ(weight_names_of(io::read_weight_file(file("c.pkl")).tensors), WeightNames::caffe2);
  convert_weights(file("c.pkl"), file("back.pth"));
  const auto back = io::read_weight_file(file("back.pth")).tensors;
  const auto scale = [](const TensorMap& map) {
    return map.at("backbone.body.bn1.weight") / at::sqrt(map.at("backbone.body.bn1.running_var") + 1e-5);
  };
  EXPECT_TRUE(close(scale(back), scale(tensors_)));
}

TEST_F(ConvertWeights, AConfigMakesAFileThatDescribesItself) {
  const auto result =
      convert_weights(plain_, file("d.safetensors"), {.config = config_, .categories = {{7, "a"}, {9, "b"}}});
  EXPECT_TRUE(result.described);
  EXPECT_TRUE(result.fresh.empty());
  const auto model = load_model(file("d.safetensors"));
  EXPECT_EQ(model.categories, (std::vector<Category>{{7, "a"}, {9, "b"}}));
  EXPECT_TRUE(diff_weights(state_of(*model.model), tensors_).same());

  // The description stays through other types, and goes with other names.
  const auto half = convert_weights(file("d.safetensors"), file("half.safetensors"), {.type = at::kBFloat16});
  EXPECT_TRUE(half.described);
  EXPECT_EQ(
      io::read_safetensors(file("half.safetensors")).tensors.at("rpn.head.cls_logits.bias").scalar_type(),
      at::kBFloat16);
  EXPECT_EQ(load_model(file("half.safetensors")).categories, model.categories);
  EXPECT_FALSE(
      convert_weights(file("d.safetensors"), file("d2.safetensors"), {.names = WeightNames::detectron2})
          .described);
  EXPECT_EQ(convert_weights(file("d2.safetensors"), file("d3.safetensors"), {.config = config_}).source,
            WeightNames::detectron2);
}

TEST_F(ConvertWeights, ANeckThatMmdetectionComputesOtherwiseIsRefused) {
  for (const auto& [neck, what] :
       {std::pair{R"({"type": "panet", "channels": 8})", "PAFPN is panet of the form pafpn"},
        {R"({"type": "nas_fpn", "channels": 8, "stacks": 1})", "NASFPN has global_pooling average"}}) {
    const std::vector<std::string> other_neck = {fmt::format("model.neck={}", neck)};
    const auto config = config::Config::parse(kConvertedConfig, "test", other_neck);
    const auto model = make_detection_model(config.root().child("model"), 2);
    save_model(file("own.safetensors"), {model, {{1, "one"}, {2, "two"}}, config});
    EXPECT_THAT(message_of<WeightsError>([&] {
                  convert_weights(file("own.safetensors"), file("x.pth"),
                                  {.names = WeightNames::mmdetection});
                }),
                testing::HasSubstr(what));
    EXPECT_FALSE(std::filesystem::exists(file("x.pth")));
  }
}

TEST_F(ConvertWeights, OtherClassesAreSaid) {
  const auto result = convert_weights(plain_, file("d.safetensors"),
                                      {.config = config_, .categories = {{1, "a"}, {2, "b"}, {3, "c"}}});
  EXPECT_EQ(result.fresh.size(), 4u);
}

TEST_F(ConvertWeights, MetadataStaysInSafetensors) {
  convert_weights(plain_, file("e.safetensors"));
  EXPECT_EQ(io::read_safetensors(file("e.safetensors")).metadata.at("note"), "mine");
}

TEST_F(ConvertWeights, PrefixesAreDroppedAndAdded) {
  convert_weights(plain_, file("wrapped.pth"), {.read = {.add_prefix = "modul."}});
  EXPECT_TRUE(io::read_weight_file(file("wrapped.pth")).tensors.contains("modul.rpn.head.cls_logits.bias"));
  convert_weights(file("wrapped.pth"), file("bare.safetensors"),
                  {.config = config_, .read = {.drop_prefix = "modul."}});
  EXPECT_TRUE(diff_weights(io::read_safetensors(file("bare.safetensors")).tensors, tensors_).same());
  EXPECT_EQ(weights_error(file("x.pth"), {.read = {.drop_prefix = "module."}}),
            plain_.string() + ": no name begins with 'module.'");
  // A prefix before the whole detector is recognised without a word.
  convert_weights(file("wrapped.pth"), file("again.safetensors"), {.config = config_});
  EXPECT_TRUE(diff_weights(io::read_safetensors(file("again.safetensors")).tensors, tensors_).same());
}

TEST_F(ConvertWeights, ErrorsNameTheFileAndLeaveNothing) {
  EXPECT_NE(message_of<ConfigError>([&] { convert_weights(plain_, file("x.onnx")); }).find("x.onnx"),
            std::string::npos);
  const auto none = file("none.pth");
  EXPECT_NE(message_of<WeightsError>([&] { convert_weights(none, file("x.pth")); }).find(none.string()),
            std::string::npos);

  auto more = tensors_;
  more["extra.weight"] = torch::ones({1});
  io::write_safetensors(plain_, {.tensors = more, .metadata = {}});
  const auto lost = weights_error(file("x.pkl"));
  EXPECT_TRUE(lost.starts_with(plain_.string() + ": ")) << lost;
  EXPECT_NE(lost.find("no name in the convention that is asked for: extra.weight (1)"), std::string::npos)
      << lost;
  const auto unexpected = weights_error(file("x.safetensors"), {.config = config_});
  EXPECT_EQ(unexpected, plain_.string() + ": does not fit the model; unexpected: extra.weight");
  for (const char* name : {"x.pkl", "x.safetensors", "x.onnx", "x.pth"})
    EXPECT_FALSE(std::filesystem::exists(file(name)));
}

}  // namespace
}  // namespace rcnn::nn
