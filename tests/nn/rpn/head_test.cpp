#include <rcnn/nn/layers/precision.h>
#include <rcnn/nn/rpn/head.h>

#include "tests/support/devices.h"
#include "tests/support/names.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

TEST(RpnHead, NamesAndShapesAreTorchvisions) {
  EXPECT_EQ(shapes_of(*RpnHead(256, 3)), torchvision_shapes("fasterrcnn_resnet50_fpn", "rpn.head."));
}

TEST(RpnHead, TwoConvolutionsHaveTorchvisionsNames) {
  EXPECT_EQ(shapes_of(*RpnHead(256, 3, 2)), torchvision_shapes("fasterrcnn_resnet50_fpn_v2", "rpn.head."));
}

TEST(RpnHead, ConvolutionsFollowEachOther) {
  torch::manual_seed(3);
  const torch::NoGradGuard no_grad;
  RpnHead head(3, 1, 2);
  const auto state = state_of(*head);
  const auto conv = [&](const std::string& name, const at::Tensor& x) {
    const auto weight = state.at(name + ".weight");
    return at::conv2d(x, weight, state.at(name + ".bias"), 1, weight.size(2) / 2);
  };
  const auto map = at::randn({1, 3, 4, 5});
  const auto hidden = at::relu(conv("conv.1.0", at::relu(conv("conv.0.0", map))));
  EXPECT_TRUE(close(head->forward({map}).objectness[0], conv("cls_logits", hidden).flatten(1)));
}

TEST(RpnHead, ItsConvolutionsMayHaveAWidthOfTheirOwn) {
  torch::manual_seed(4);
  const torch::NoGradGuard no_grad;
  RpnHead head(3, 2, 2, 5);
  const auto shapes = shapes_of(*head);
  EXPECT_EQ(shapes.at("conv.0.0.weight"), (std::vector<int64_t>{5, 3, 3, 3}));
  EXPECT_EQ(shapes.at("conv.1.0.weight"), (std::vector<int64_t>{5, 5, 3, 3}));
  EXPECT_EQ(shapes.at("bbox_pred.weight"), (std::vector<int64_t>{8, 5, 1, 1}));
  const std::vector<at::Tensor> maps = {at::randn({2, 3, 4, 5})};
  const auto whole = head->forward(maps);
  const auto chosen = torch::tensor({0, 3, 41, 60}, at::kLong);
  const auto some = head->forward_at(maps, chosen);
  EXPECT_TRUE(close(some.objectness, whole.objectness[0].flatten().index_select(0, chosen)));
  EXPECT_TRUE(close(some.deltas, whole.deltas[0].flatten(0, 1).index_select(0, chosen)));
}

TEST(RpnHead, StartsSmallWithoutBias) {
  torch::manual_seed(1);
  for (const auto& [name, tensor] : state_of(*RpnHead(64, 9))) {
    if (name.ends_with("bias")) {
      EXPECT_TRUE(identical(tensor, at::zeros_like(tensor))) << name;
    } else {
      EXPECT_NEAR(tensor.std().item<double>(), 0.01, 0.001) << name;
      EXPECT_NEAR(tensor.mean().item<double>(), 0, 0.002) << name;
    }
  }
}

TEST(RpnHead, AnswersRunOverRowsColumnsAndAnchors) {
  torch::manual_seed(2);
  const torch::NoGradGuard no_grad;
  constexpr int64_t kAnchors = 3;
  RpnHead head(4, kAnchors);
  for (auto& parameter : head->parameters()) parameter.copy_(at::randn_like(parameter));
  const auto state = state_of(*head);
  const auto conv = [&](const std::string& name, const at::Tensor& x, int64_t padding) {
    return at::conv2d(x, state.at(name + ".weight"), state.at(name + ".bias"), 1, padding);
  };
  // Two levels, one head.
  const std::vector<at::Tensor> maps = {at::randn({2, 4, 5, 6}), at::randn({2, 4, 2, 3})};
  const auto prediction = head->forward(maps);
  ASSERT_EQ(prediction.objectness.size(), 2u);
  ASSERT_EQ(prediction.deltas.size(), 2u);
  for (size_t level = 0; level < 2; ++level) {
    const auto hidden = at::relu(conv("conv.0.0", maps[level], 1));
    const auto logits = conv("cls_logits", hidden, 0), deltas = conv("bbox_pred", hidden, 0);
    const auto height = maps[level].size(2), width = maps[level].size(3);
    ASSERT_EQ(prediction.objectness[level].sizes(), (std::vector<int64_t>{2, height * width * kAnchors}));
    ASSERT_EQ(prediction.deltas[level].sizes(), (std::vector<int64_t>{2, height * width * kAnchors, 4}));
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x) {
        const auto first = (y * width + x) * kAnchors;
        EXPECT_TRUE(close(prediction.objectness[level].slice(1, first, first + kAnchors),
                          logits.select(2, y).select(2, x), 1e-4));
        EXPECT_TRUE(close(prediction.deltas[level].slice(1, first, first + kAnchors).flatten(1),
                          deltas.select(2, y).select(2, x), 1e-4));
      }
    }
  }
}

/// Every anchor of two images of three levels, by forward_at and by forward, and both ways to a gradient.
void expect_same_at_every_anchor(int64_t convs) {
  torch::manual_seed(5);
  constexpr int64_t kAnchors = 3;
  RpnHead head(4, kAnchors, convs);
  head->to(at::kDouble);
  for (auto& parameter : head->parameters()) parameter.detach().normal_();
  std::vector<at::Tensor> maps;
  for (const int64_t side : {5, 3, 1}) {
    maps.push_back(at::randn({2, 4, side, side + 1}, at::kDouble).set_requires_grad(true));
  }
  const auto prediction = head->forward(maps);
  const auto objectness = at::cat(prediction.objectness, 1).flatten();
  const auto deltas = at::cat(prediction.deltas, 1).view({-1, 4});
  auto inputs = head->parameters();
  inputs.insert(inputs.end(), maps.begin(), maps.end());
  const auto gradients = [&](const AnchorPrediction& at) {
    const auto weight = at::arange(1., 1. + static_cast<double>(at.objectness.size(0)), at::kDouble);
    return torch::autograd::grad(
        {(at.objectness * weight).sum() + (at.deltas.sin() * weight.view({-1, 1})).sum()}, inputs, {},
        /*retain_graph=*/true);
  };
  const auto anchors = at::randperm(objectness.size(0), at::kLong);
  const AnchorPrediction expected{objectness.index_select(0, anchors), deltas.index_select(0, anchors)};
  const auto got = head->forward_at(maps, anchors);
  EXPECT_TRUE(close(got.objectness, expected.objectness, 1e-12, 1e-12));  // float64, sums in another order
  EXPECT_TRUE(close(got.deltas, expected.deltas, 1e-12, 1e-12));
  const auto wanted = gradients(expected), had = gradients(got);
  for (size_t i = 0; i < wanted.size(); ++i) {
    const double largest = wanted[i].abs().max().item<double>();
    EXPECT_TRUE(close(had[i], wanted[i], 1e-12 * largest, 0)) << i;  // terms cancel in small elements
  }
}

TEST(RpnHead, SomeAnchorsHaveThePredictionsAndGradientsOfAll) {
  expect_same_at_every_anchor(1);
}

TEST(RpnHead, SeveralConvolutionsArePaddedAlikeAtSomeAnchors) {
  expect_same_at_every_anchor(3);
}

class RpnHeadInBfloat16 : public OnDevice {
 protected:
  /// For one channel, with layers that sum what they see.
  static RpnHead summing(int64_t convs) {
    const torch::NoGradGuard no_grad;
    RpnHead head(1, 1, convs);
    for (const auto& [name, tensor] : state_of(*head)) at::Tensor(tensor).fill_(name.ends_with("weight"));
    head->to(device());
    return head;
  }

  /// The gradient of the middle of a map of 3 x 3 ones for gradients of some anchors' objectness: as
  /// forward_at has it and as forward has it.
  static std::pair<double, double> in_the_middle(RpnHead& head, const at::Tensor& anchors,
                                                 const at::Tensor& gradients) {
    const auto map = at::ones({1, 1, 3, 3}, at::kBFloat16).to(device()).set_requires_grad(true);
    at::Tensor some, all;
    {
      const Autocast autocast(device().type(), Precision::bf16);
      some = head->forward_at({map}, on_device(anchors)).objectness;
      all = head->forward({map}).objectness[0][0].index_select(0, on_device(anchors));
    }
    const auto middle = [&](const at::Tensor& objectness) {
      const auto sum = (objectness.to(at::kFloat) * on_device(gradients)).sum();
      return torch::autograd::grad({sum}, {map})[0][0][0][1][1].item<double>();
    };
    return {middle(some), middle(all)};
  }
};
INSTANTIATE_TEST_SUITE_P(, RpnHeadInBfloat16, devices(), device_name);

// One after the other in bfloat16, 1024 + 3 is 1024; a convolution makes 1048 of 1024 and eight threes.
TEST_P(RpnHeadInBfloat16, GradientsOfOverlappingPatchesAreSummedInFloat) {
  auto head = summing(1);
  auto gradients = at::full({9}, 3.f);
  gradients[0] = 1024;
  const auto [some, all] = in_the_middle(head, at::arange(9, at::kLong), gradients);
  EXPECT_EQ(some, 1048);
  EXPECT_EQ(all, 1048);
}

TEST_P(RpnHeadInBfloat16, GradientsOfOverlappingWindowsAreSummedInFloat) {
  auto head = summing(2);
  {
    const torch::NoGradGuard no_grad;
    const auto weight = state_of(*head).at("conv.1.0.weight");
    weight.fill_(3);
    weight[0][0][0][0] = 1024;
  }
  const auto [some, all] = in_the_middle(head, torch::tensor({4}, at::kLong), at::ones({1}));
  EXPECT_EQ(some, 1048);
  EXPECT_EQ(all, 1048);
}

TEST(RpnHead, NoAnchorsHaveNoPredictionsAndGradientsOfZero) {
  RpnHead head(4, 3);
  const auto got = head->forward_at({at::randn({1, 4, 2, 2})}, at::empty({0}, at::kLong));
  EXPECT_EQ(got.objectness.sizes(), (std::vector<int64_t>{0}));
  EXPECT_EQ(got.deltas.sizes(), (std::vector<int64_t>{0, 4}));
  (got.objectness.sum() + got.deltas.sum()).backward();
  for (const auto& parameter : head->parameters()) {
    EXPECT_TRUE(identical(parameter.grad(), at::zeros_like(parameter)));
  }
}

}  // namespace
}  // namespace rcnn::nn
