#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/models/faster_rcnn.h>
#include <rcnn/nn/models/rpn_model.h>
#include <rcnn/nn/weights/weights.h>

#include "tests/nn/models/oracle.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

/// The parts that both models have; `more` are keys of the model.
std::shared_ptr<DetectionModelImpl> of_type(const std::string& type, const std::string& more = "") {
  const auto json = R"({"type": ")" + type +
                    R"(", "backbone": {"type": "resnet18", "width": 8, "levels": ["c4"], "frozen_stages": 0},
    "rpn": {"anchors": {"sizes": [16, 32, 48]}, "batch_per_image": 1048576,
            "train": {"pre_nms": 150, "post_nms": 60}, "test": {"pre_nms": 150, "post_nms": 40}})" +
                    more + "}";
  return make_detection_model(config::Config::parse(json, "test").root(), 3);
}

std::vector<Target> two_targets() {
  return targets(nlohmann::json::parse(R"([{"boxes": [[4, 6, 40, 50], [30, 10, 90, 60]], "labels": [1, 2]},
                                           {"boxes": [], "labels": []}])"));
}

/// Both models with the same weights, where both have them.
struct Pair {
  std::shared_ptr<DetectionModelImpl> faster =
                                          of_type("faster_rcnn", R"(, "roi": {"head": {"type": "mlp"}})"),
                                      rpn = of_type("rpn");
  Pair() {
    fill(*faster);
    load_initial(*rpn, state_of(*faster), "faster");
  }
};

TEST(RpnModel, LossesAreTheFirstStages) {
  const Pair pair;
  const auto all = pair.faster->losses(oracle_images(), two_targets());
  const auto own = pair.rpn->losses(oracle_images(), two_targets());
  ASSERT_EQ(own.size(), 2u);
  for (size_t i = 0; i < own.size(); ++i) {
    EXPECT_EQ(own[i].name, all[i].name);
    EXPECT_TRUE(at::equal(own[i].value, all[i].value)) << own[i].name;
  }
}

TEST(RpnModel, DetectsProposals) {
  const Pair pair;
  pair.faster->eval();
  pair.rpn->eval();
  EXPECT_TRUE(pair.rpn->finds_proposals());
  EXPECT_FALSE(pair.rpn->needs_proposals());
  const torch::NoGradGuard no_grad;
  const auto want = pair.faster->proposals(oracle_images());
  for (const auto& found : {pair.rpn->proposals(oracle_images()), pair.rpn->detect(oracle_images())}) {
    ASSERT_EQ(found.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_GT(want[i].boxes.size(0), 5);
      EXPECT_TRUE(at::equal(found[i].boxes, want[i].boxes));
      EXPECT_TRUE(at::equal(found[i].scores, want[i].scores));
      EXPECT_TRUE(at::equal(found[i].labels, at::ones_like(want[i].labels)));
    }
  }
}

TEST(RpnModel, ReportsWhatScoresAboveItsThreshold) {
  const Pair pair;
  pair.rpn->eval();
  const torch::NoGradGuard no_grad;
  const auto scores = pair.rpn->detect(oracle_images())[0].scores;
  const auto middle = scores[scores.size(0) / 2].item<double>();
  const auto some = of_type("rpn", R"(, "score_threshold": )" + std::to_string(middle + 1e-5));
  load_state(*some, state_of(*pair.rpn), "rpn");
  some->eval();
  const auto found = some->detect(oracle_images())[0];
  EXPECT_TRUE(at::equal(found.scores, scores.masked_select(scores > middle + 1e-5)));
  EXPECT_EQ(found.boxes.size(0), found.scores.size(0));
  EXPECT_EQ(some->proposals(oracle_images())[0].scores.size(0), scores.size(0));
}

TEST(RpnModel, NothingDependsOnTheClasses) {
  const auto model = of_type("rpn");
  const auto state = state_of(*model);
  for (const auto& [name, tensor] : state) {
    EXPECT_FALSE(model->depends_on_classes(name)) << name;
    EXPECT_TRUE(name.starts_with("backbone.") || name.starts_with("rpn.head.")) << name;
  }
  EXPECT_EQ(model->classes_in(state), 0);
}

}  // namespace
}  // namespace rcnn::nn
