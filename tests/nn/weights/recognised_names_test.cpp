#include "nn/weights/recognised_names.h"

#include <gmock/gmock.h>

#include <rcnn/io/safetensors.h>
#include <rcnn/io/torch_file.h>
#include <rcnn/nn/weights/weight_names.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using io::Averages;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

using Names = std::vector<std::string>;

const Names kDetector = {"backbone.body.conv1.weight", "backbone.fpn.inner_blocks.0.0.weight",
                         "roi_heads.box_predictor.cls_score.bias", "rpn.head.conv.0.0.weight"};
const Names kClassifier = {"bn1.weight", "conv1.weight", "fc.weight", "layer1.0.conv1.weight"};

void add(TensorMap& tensors, const std::string& prefix, const Names& names, float value = 1) {
  for (const auto& name : names) tensors[prefix + name] = torch::full({2}, value);
}
TensorMap behind(const std::string& prefix, const Names& names, float value = 1) {
  TensorMap tensors;
  add(tensors, prefix, names, value);
  return tensors;
}
Names names_of(const TensorMap& tensors) {
  Names names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}
std::string error_of(const TensorMap& tensors, Averages averages = Averages::leave_out) {
  return message_of<WeightsError>([&] { recognise_names(tensors, averages); });
}

TEST(RecogniseNames, WrappersInAnyOrderAreTakenOff) {
  for (const char* prefix :
       {"", "module.", "_orig_mod.", "model.", "net.", "detector.", "_orig_mod.module.", "module._orig_mod.",
        "model._orig_mod.module.", "model.module.net.", "_forward_module.model.", "faster_rcnn.", "a.b.c.",
        "_fsdp_wrapped_module.model._orig_mod."}) {
    SCOPED_TRACE(prefix);
    const auto found = recognise_names(behind(prefix, kDetector), Averages::leave_out);
    EXPECT_EQ(names_of(found.tensors), kDetector);
    EXPECT_THAT(found.left_out, IsEmpty());
  }
  for (const char* prefix : {"", "module.", "_orig_mod.", "model.", "model.net.module."}) {
    SCOPED_TRACE(prefix);
    EXPECT_EQ(names_of(recognise_names(behind(prefix, kClassifier), Averages::leave_out).tensors),
              kClassifier);
    EXPECT_EQ(names_of(recognise_names(behind(prefix, {"a.b", "c.d"}), Averages::leave_out).tensors),
              (Names{"a.b", "c.d"}));
  }
  const auto inside = recognise_names(
      behind("", {"backbone._orig_mod.body.conv1.weight", "rpn._orig_mod.head.x"}), Averages::leave_out);
  EXPECT_EQ(names_of(inside.tensors), (Names{"backbone.body.conv1.weight", "rpn.head.x"}));
  EXPECT_THAT(inside.wrappers, ElementsAre("_orig_mod"));
}

TEST(RecogniseNames, DetectronsAndMmdetectionsNamesAreDetectorsToo) {
  const Names detectron2 = {"backbone.bottom_up.stem.conv1.weight",
                            "proposal_generator.rpn_head.conv.weight"};
  const Names mmdet = {"backbone.conv1.weight", "neck.lateral_convs.0.conv.weight",
                       "rpn_head.rpn_conv.weight"};
  for (const auto& names : {detectron2, mmdet}) {
    EXPECT_EQ(names_of(recognise_names(behind("module.", names), Averages::leave_out).tensors), names);
    EXPECT_EQ(names_of(recognise_names(behind("", names), Averages::leave_out).tensors), names);
  }
}

TEST(RecogniseNames, WhatLiesBesideTheDetectorIsLeftOut) {
  auto tensors = behind("model.", kDetector);
  add(tensors, "", {"criterion.weight", "val_map.box"});
  const auto found = recognise_names(tensors, Averages::leave_out);
  EXPECT_EQ(names_of(found.tensors), kDetector);
  EXPECT_EQ(found.prefix, "model.");
  EXPECT_THAT(found.left_out, ElementsAre("criterion.weight", "val_map.box"));

  auto classifier = behind("model.", kClassifier);
  add(classifier, "", {"criterion.weight"});
  EXPECT_EQ(names_of(recognise_names(classifier, Averages::leave_out).tensors), kClassifier);
  // Without a prefix, what is beside stays: it may be the model's own. Another detector is none of it.
  auto bare = behind("", kDetector);
  add(bare, "", {"extra.weight"});
  EXPECT_EQ(names_of(recognise_names(bare, Averages::leave_out).tensors).size(), 5);
  add(bare, "teacher.", kDetector);
  const auto student = recognise_names(bare, Averages::leave_out);
  EXPECT_EQ(student.tensors.size(), 5);
  EXPECT_EQ(student.left_out.size(), 4);
}

TEST(RecogniseNames, SeveralDetectorsAreRefusedByName) {
  auto tensors = behind("student.", kDetector);
  add(tensors, "teacher.", kDetector);
  EXPECT_EQ(
      error_of(tensors),
      "several detectors: student.*, teacher.*; choose one: rcnn weights convert --drop-prefix student.");
}

TEST(RecogniseNames, NamesThatBecomeTheSameAreRefused) {
  EXPECT_EQ(error_of({{"a._orig_mod.w", torch::ones({1})}, {"a.w", torch::ones({1})}}),
            "two tensors would be called a.w");
}

TEST(RecogniseNames, AveragedCopiesAmongTheNamesAreLeftOutOrTaken) {
  for (const auto& [weights, copy] : {std::pair{"model.", "ema_model."},
                                      {"model.", "ema.module."},
                                      {"", "averaged_model.module."},
                                      {"model.", "model_ema._orig_mod."},
                                      {"online_model.", "ema_model."},
                                      {"model.", "callback.ema."}}) {
    for (const auto& names : {kDetector, kClassifier}) {
      SCOPED_TRACE(copy);
      auto tensors = behind(weights, names, 1);
      add(tensors, copy, names, 2);
      const auto counter = std::string(copy) + "n_averaged";
      tensors["n_averaged"] = tensors[counter] = torch::tensor(3);
      if (std::string(weights) == "online_model." && names == kClassifier)
        continue;  // no word that only wraps
      const auto found = recognise_names(tensors, Averages::leave_out);
      EXPECT_EQ(names_of(found.tensors), names);
      EXPECT_EQ(found.tensors.begin()->second[0].item<float>(), 1);
      EXPECT_EQ(found.averages.size(), 1);
      EXPECT_FALSE(found.averaged);
      EXPECT_THAT(found.left_out, UnorderedElementsAre("n_averaged", counter));
      const auto taken = recognise_names(tensors, Averages::take);
      EXPECT_EQ(names_of(taken.tensors), names);
      EXPECT_EQ(taken.tensors.begin()->second[0].item<float>(), 2);
      EXPECT_TRUE(taken.averaged);
    }
  }
}

TEST(RecogniseNames, AnAveragedCopyAloneIsWhatThereIs) {
  const auto found = recognise_names(behind("ema_model.module.", kDetector), Averages::leave_out);
  EXPECT_EQ(names_of(found.tensors), kDetector);
  EXPECT_TRUE(found.averaged);
  EXPECT_EQ(found.prefix, "ema_model.module.");
}

TEST(RecogniseNames, ALayerIsNoCopyForItsName) {
  const Names names = {"backbone.avg.weight", "rpn.head.x"},
              layers = {"avg.weight", "conv.weight", "ema.bias"};
  EXPECT_EQ(names_of(recognise_names(behind("", names), Averages::leave_out).tensors), names);
  EXPECT_EQ(names_of(recognise_names(behind("", layers), Averages::leave_out).tensors), layers);
}

TEST(RecogniseNames, SeveralAveragedCopiesAreRefusedByName) {
  auto tensors = behind("model.", kDetector);
  add(tensors, "ema.", kDetector);
  add(tensors, "swa.", kDetector);
  EXPECT_EQ(recognise_names(tensors, Averages::leave_out).averages, (Names{"ema.", "swa."}));
  EXPECT_THAT(error_of(tensors, Averages::take),
              HasSubstr("several averaged copies of the weights: ema.*, swa.*"));
}

TEST(RecogniseOwnNames, OnlyWhatPythonPutsBeforeAllOfThemGoes) {
  EXPECT_EQ(names_of(recognise_own_names(behind("model.", {"a", "b"})).tensors),
            (Names{"model.a", "model.b"}));
  EXPECT_EQ(names_of(recognise_own_names(behind("_orig_mod.module.", {"model.a"})).tensors),
            Names{"model.a"});
  EXPECT_EQ(names_of(recognise_own_names(behind("module.", {"a", "b"})).tensors), (Names{"a", "b"}));
}

TEST(RenameOlder, AsTorchvisionsModulesDo) {
  auto tensors = behind("", {"backbone.fpn.inner_blocks.0.weight", "backbone.fpn.layer_blocks.12.bias",
                             "rpn.head.conv.weight", "rpn.head.conv.bias"});
  EXPECT_TRUE(rename_older(tensors));
  EXPECT_EQ(names_of(tensors),
            (Names{"backbone.fpn.inner_blocks.0.0.weight", "backbone.fpn.layer_blocks.12.0.bias",
                   "rpn.head.conv.0.0.bias", "rpn.head.conv.0.0.weight"}));
  EXPECT_FALSE(rename_older(tensors));
  const Names others = {"backbone.fpn.inner_blocks.0.1.weight",
                        "backbone.fpn.inner_blocks.weight",
                        "my_inner_blocks.0.weight",
                        "myrpn.head.conv.weight",
                        "rpn.head.cls_logits.weight",
                        "rpn.head.conv.0.0.running_mean",
                        "weight"};
  tensors = behind("", others);
  EXPECT_FALSE(rename_older(tensors));
  EXPECT_EQ(names_of(tensors), others);
  tensors = behind("", {"rpn.head.conv.weight", "rpn.head.conv.0.0.weight"});
  EXPECT_EQ(message_of<WeightsError>([&] { rename_older(tensors); }),
            "two tensors would be called rpn.head.conv.0.0.weight");
}

class RecogniseWeights : public testing::Test {
 protected:
  std::filesystem::path written(const TensorMap& tensors) const {
    const auto file = folder_.path() / "weights.pth";
    io::write_torch(file, tensors);
    return file;
  }
  const TempFolder folder_;
};

TEST_F(RecogniseWeights, SaysWhatItRecognisedInOneLine) {
  EXPECT_EQ(recognise_weights(written(behind("", kDetector))).summary, "");
  auto tensors = behind("model._orig_mod.", {"backbone.body.conv1.weight", "rpn.head.conv.weight"});
  add(tensors, "ema_model.", {"backbone.body.conv1.weight", "rpn.head.conv.weight"});
  add(tensors, "", {"criterion.weight"});
  const auto found = recognise_weights(written(tensors));
  EXPECT_EQ(names_of(found.tensors), (Names{"backbone.body.conv1.weight", "rpn.head.conv.0.0.weight"}));
  EXPECT_EQ(
      found.summary,
      "without _orig_mod in the names; without the prefix 'model.'; under torchvision's names of before "
      "0.13; averaged copies left out: ema_model.* (rcnn weights convert --ema takes them); left out: "
      "criterion.weight (1)");
}

TEST_F(RecogniseWeights, AveragesThatAreNotThereAreAnError) {
  const auto file = written(behind("", kDetector));
  EXPECT_THAT(message_of<WeightsError>([&] { recognise_weights(file, {.averages = Averages::take}); }),
              AllOf(HasSubstr(file.string()), HasSubstr("has no averaged copy")));
}

TEST_F(RecogniseWeights, NamesOfOurOwnFilesStay) {
  const auto file = folder_.path() / "w.safetensors";
  io::write_safetensors(file, {.tensors = behind("model.", {"rpn.head.conv.weight", "x"}),
                               .metadata = {{"rcnn_version", "0.1.0"}}});
  EXPECT_EQ(names_of(recognise_weights(file).tensors), (Names{"model.rpn.head.conv.weight", "model.x"}));
}

}  // namespace
}  // namespace rcnn::nn
