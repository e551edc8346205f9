// Files that trainings leave: the weights among much else. tests/oracle/make_weight_files.py has made them.

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/io/weight_file.h>

#include "tests/io/weights_support.h"

namespace rcnn::io {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::StartsWith;
using testing::UnorderedElementsAre;

/// As the script's older_state(), behind a prefix.
std::map<std::string, at::Tensor> state(float shift = 0, const std::string& prefix = "") {
  const char* names[] = {"backbone.body.conv1.weight",       "backbone.fpn.inner_blocks.0.weight",
                         "backbone.fpn.layer_blocks.3.bias", "rpn.head.conv.weight",
                         "rpn.head.cls_logits.bias",         "roi_heads.box_predictor.cls_score.bias"};
  std::map<std::string, at::Tensor> tensors;
  float i = 0;
  for (const char* name : names) tensors[prefix + name] = torch::tensor({i++ + shift, 0.5f});
  return tensors;
}

class CheckpointTest : public testing::TestWithParam<const char*> {
 protected:
  static std::filesystem::path file(const std::string& name) {
    return weights_fixture(GetParam() + ("/" + name + ".pth"));
  }
  static WeightFile read(const std::string& name, Averages averages = Averages::leave_out) {
    return read_weight_file(file(name), averages);
  }
  static std::string refusal(const std::string& name) { return refusal_of(file_bytes(file(name))); }
};

TEST_P(CheckpointTest, OfTorchvisionsTrainingTheModelIsRead) {
  const auto found = read("reference");
  EXPECT_EQ(found.root, "model");
  EXPECT_TRUE(same_bits(found.tensors, state()));
  EXPECT_FALSE(found.averaged);
  EXPECT_THAT(found.averages, ElementsAre("model_ema"));
  EXPECT_THAT(found.left_out, ElementsAre("optimizer", "lr_scheduler", "args"));
  EXPECT_THAT(found.metadata, ElementsAre(Pair("epoch", "25")));

  const auto averaged = read("reference", Averages::take);
  EXPECT_EQ(averaged.root, "model_ema");
  auto expected = state(10, "module.");
  expected["n_averaged"] = torch::tensor(int64_t{3});
  EXPECT_TRUE(same_bits(averaged.tensors, expected));
  EXPECT_TRUE(averaged.averaged);
  EXPECT_THAT(averaged.left_out, ElementsAre("model", "optimizer", "lr_scheduler", "args"));
}

TEST_P(CheckpointTest, OfLightningTheStateDictIsRead) {
  const auto found = read("lightning");
  EXPECT_EQ(found.root, "state_dict");
  auto expected = state(0, "model._orig_mod.module.");
  expected["criterion.weight"] = torch::ones({3});
  EXPECT_TRUE(same_bits(found.tensors, expected));
  EXPECT_THAT(found.averages, testing::IsEmpty());
  EXPECT_THAT(found.left_out,
              ElementsAre("loops", "callbacks", "optimizer_states", "lr_schedulers", "hyper_parameters",
                          "started", "rng", "cuda_rng", "dtype", "device", "complex", "when", "word"));
  EXPECT_THAT(found.metadata, UnorderedElementsAre(Pair("epoch", "2"), Pair("global_step", "30"),
                                                   Pair("hparams_name", "kwargs"),
                                                   Pair("pytorch-lightning_version", "2.5.0")));
}

TEST_P(CheckpointTest, MmengineKeepsAveragesInTheWeightsPlace) {
  for (const auto averages : {Averages::leave_out, Averages::take}) {
    const auto found = read("mmengine", averages);
    EXPECT_EQ(found.root, "state_dict");
    EXPECT_TRUE(same_bits(found.tensors, state(10)));
    EXPECT_TRUE(found.averaged);
    EXPECT_THAT(found.left_out, ElementsAre("meta", "message_hub", "ema_state_dict"));
  }
}

TEST_P(CheckpointTest, WhatWouldRunBesideTheWeightsIsLeftOutAndDoesNotRun) {
  const auto found = read("touch_beside");
  EXPECT_TRUE(same_bits(found.tensors, state()));
  EXPECT_THAT(found.left_out, ElementsAre("extra"));
  EXPECT_THAT(refusal("touch_inside"),
              AllOf(StartsWith("among its weights extra is a Python object (posix.system)"),
                    HasSubstr("torch.save(model.state_dict(), file)")));
  EXPECT_THAT(refusal("touch"), StartsWith("is as a whole a Python object (posix.system)"));
  EXPECT_FALSE(std::filesystem::exists("rcnn_was_fooled"));
}

TEST_P(CheckpointTest, AModuleAsAWholeIsRefusedWithAdvice) {
  EXPECT_THAT(refusal("module"),
              AllOf(StartsWith("is as a whole a Python object (torch.nn.modules.linear.Linear)"),
                    HasSubstr("torch.save(model.state_dict(), file)")));
  EXPECT_THAT(refusal("module_in_dict"),
              StartsWith("among its weights model is a Python object (torch.nn.modules.linear.Linear)"));
}

INSTANTIATE_TEST_SUITE_P(, CheckpointTest, testing::Values("torch_zip", "torch_legacy"),
                         [](const auto& info) { return std::string(info.param); });

/// A dict of dicts in a pickle of numpy arrays: "{" and "}" nest, any other word is a key; a key that no "{"
/// follows has an array.
std::string nested(const std::vector<std::string>& words) {
  pickle::Writer pickle(4);
  pickle.op('}').op('(');
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "{") {
      pickle.op('}').op('(');
    } else if (words[i] == "}") {
      pickle.op('u');
    } else {
      pickle.text(words[i]);
      if (i + 1 == words.size() || words[i + 1] != "{") write_array(pickle);
    }
  }
  return pickle.op('u').op('.').take();
}

std::vector<std::string> names_in(const WeightFile& file) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : file.tensors) names.push_back(name);
  return names;
}

TEST(Checkpoints, WeightsMayLieInCheckpointsInCheckpoints) {
  const auto two =
      parse(nested({"checkpoint", "{", "state_dict", "{", "w", "}", "optimizer", "{", "m", "}", "}"}));
  EXPECT_EQ(two.root, "checkpoint.state_dict");
  EXPECT_THAT(names_in(two), ElementsAre("w"));
  EXPECT_THAT(two.left_out, ElementsAre("checkpoint.optimizer"));
  const auto three =
      parse(nested({"a", "{", "state_dict", "{", "model", "{", "w", "}", "ema", "{", "w", "}", "}", "}"}));
  EXPECT_EQ(three.root, "a.state_dict.model");
  EXPECT_THAT(three.averages, ElementsAre("a.state_dict.ema"));
  // Two parts of one network: neither is the whole.
  const auto parts = parse(nested({"state_dict", "{", "model", "{", "w", "}", "head", "{", "w", "}", "}"}));
  EXPECT_EQ(parts.root, "state_dict");
  EXPECT_THAT(names_in(parts), ElementsAre("head.w", "model.w"));
  const auto two_networks =
      parse(nested({"g", "{", "state_dict", "{", "w", "}", "}", "d", "{", "state_dict", "{", "w", "}", "}"}));
  EXPECT_EQ(two_networks.root, "");
  EXPECT_THAT(names_in(two_networks), ElementsAre("d.state_dict.w", "g.state_dict.w"));
}

TEST(Checkpoints, AveragedCopiesAreToldByTheirKeys) {
  for (const char* key :
       {"ema", "model_ema", "ema_model", "state_dict_ema", "ema_state_dict", "averaged_model", "swa_model",
        "modelEMA", "EMA", "avg_model", "model-ema", "params_ema"}) {
    const auto bytes = nested({"model", "{", "w", "}", key, "{", "v", "}"});
    EXPECT_THAT(parse(bytes).averages, ElementsAre(key));
    const auto taken = parse_weight_file(memory_of(bytes), Averages::take);
    EXPECT_EQ(taken.root, key);
    EXPECT_THAT(names_in(taken), ElementsAre("v"));
    EXPECT_THAT(taken.left_out, ElementsAre("model"));
    const auto alone = parse(nested({key, "{", "v", "}", "optimizer", "{", "m", "}"}));
    EXPECT_TRUE(alone.averaged) << key;
    EXPECT_EQ(alone.root, key);
  }
  const auto inner = parse_weight_file(
      memory_of(nested({"model", "{", "w", "}", "ema", "{", "module", "{", "v", "}", "}"})), Averages::take);
  EXPECT_EQ(inner.root, "ema.module");
  const auto deep =
      nested({"state_dict", "{", "w", "}", "callbacks", "{", "x", "{", "ema_state", "{", "v", "}", "}", "}"});
  EXPECT_THAT(parse(deep).averages, ElementsAre("callbacks.x.ema_state"));
  EXPECT_THAT(names_in(parse_weight_file(memory_of(deep), Averages::take)), ElementsAre("v"));
  for (const char* key : {"schema", "gemma", "demand", "avgpool"}) {
    EXPECT_THAT(parse(nested({"model", "{", "w", "}", key, "{", "v", "}"})).left_out, ElementsAre(key));
  }
  const auto lightning = parse(nested(
      {"state_dict", "{", "w", "}", "current_model_state", "{", "w", "}", "averaging_state", "{", "w", "}"}));
  EXPECT_TRUE(lightning.averaged);
}

TEST(Checkpoints, SeveralAveragedCopiesAreRefusedByName) {
  const auto both = nested({"model", "{", "w", "}", "ema", "{", "w", "}", "swa", "{", "w", "}"});
  EXPECT_THAT(parse(both).averages, ElementsAre("ema", "swa"));
  try {
    parse_weight_file(memory_of(both), Averages::take);
    ADD_FAILURE() << "no error";
  } catch (const Refusal& refusal) {
    EXPECT_THAT(refusal.what(), StartsWith("holds several averaged copies of its weights: ema, swa"));
  }
  EXPECT_EQ(refusal_of(nested({"ema", "{", "w", "}", "swa", "{", "w", "}"})),
            "holds no tensors but averaged copies of weights: ema, swa");
}

TEST(Checkpoints, RandomStatesBesideAreNoWeights) {
  const auto found = parse(nested({"model", "{", "w", "}", "rng_state", "losses"}));
  EXPECT_EQ(found.root, "model");
  EXPECT_THAT(found.left_out, ElementsAre("rng_state", "losses"));
}

TEST(Checkpoints, DictsThatShareTheirEntriesAreLookedThroughInBoundedTime) {
  // A thousand names of one dict of a thousand names of one dict.
  std::string bytes = "\x80\2}q\1(";
  const auto key = [](int i) {
    const std::string text = std::to_string(i);
    return "U" + std::string(1, static_cast<char>(text.size())) + text;
  };
  for (int i = 0; i < 3000; ++i) bytes += key(i) + "N";
  bytes += "u";
  for (char memo = 2; memo < 6; ++memo) {
    bytes += std::string("0}q") + memo + "(";
    for (int i = 0; i < 3000; ++i) bytes += key(i) + "h" + static_cast<char>(memo - 1);
    bytes += "u";
  }
  EXPECT_THAT(refusal_of(bytes + "."), HasSubstr("too many entries"));
}

}  // namespace
}  // namespace rcnn::io
