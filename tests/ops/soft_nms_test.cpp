#include <cmath>
#include <limits>

#include <ATen/Parallel.h>

#include <rcnn/ops/nms.h>
#include <rcnn/ops/soft_nms.h>

#include "tests/ops/box_lists.h"
#include "tests/support/devices.h"
#include "tests/support/naive_ops.h"
#include "tests/support/tensors.h"

namespace rcnn::ops {
namespace {

using namespace rcnn::test;
using Decay = SoftNmsOptions::Decay;

class SoftNmsTest : public OnDevice {
 protected:
  /// On the test's device, the answer back on the CPU.
  static SoftNms kept(const at::Tensor& boxes, const at::Tensor& scores, const SoftNmsOptions& options,
                      const at::Tensor& groups = {}) {
    const auto result =
        soft_nms(on_device(boxes), on_device(scores), groups.defined() ? on_device(groups) : groups, options);
    EXPECT_EQ(result.indices.device().type(), device().type());
    EXPECT_EQ(result.scores.device().type(), device().type());
    return {result.indices.cpu(), result.scores.cpu()};
  }
};
INSTANTIATE_TEST_SUITE_P(, SoftNmsTest, devices(), device_name);

std::function<double(double)> decay_of(const SoftNmsOptions& options) {
  if (options.decay == Decay::gaussian)
    return [options](double o) { return std::exp(-o * o / options.sigma); };
  return [options](double o) { return o >= options.iou_threshold ? 1 - o : 1; };
}

TEST_P(SoftNmsTest, AgreesWithThePaper) {
  for (const int64_t count : {1, 2, 30, 70}) {
    for (const SoftNmsOptions& options :
         {SoftNmsOptions{.decay = Decay::linear, .iou_threshold = 0.3, .min_score = 0.05},
          SoftNmsOptions{.decay = Decay::linear, .iou_threshold = 0, .min_score = 0},
          SoftNmsOptions{.decay = Decay::linear, .iou_threshold = 1},
          SoftNmsOptions{.decay = Decay::gaussian, .sigma = 0.5, .min_score = 0.05},
          SoftNmsOptions{.decay = Decay::gaussian, .sigma = 0.05}}) {
      SCOPED_TRACE(testing::Message() << "seed and count " << count << ", threshold " << options.iou_threshold
                                      << ", sigma " << options.sigma);
      torch::manual_seed(count);
      const at::Tensor boxes = random_boxes(count, 40), scores = at::rand({count}, at::kDouble);
      const at::Tensor groups = at::randint(0, 3, {count}, at::kLong);
      const auto doubles = boxes.to(at::kDouble);
      const auto expected = naive_soft_nms(doubles, scores, groups, decay_of(options), options.min_score);
      const auto actual = kept(doubles, scores, options, groups);
      EXPECT_TRUE(identical(actual.indices, expected.indices));
      EXPECT_TRUE(close(actual.scores, expected.scores, 1e-12, 1e-12));
      const auto single = kept(boxes, scores.to(at::kFloat), options, groups);
      EXPECT_TRUE(identical(single.indices, expected.indices));
      EXPECT_TRUE(close(single.scores.to(at::kDouble), expected.scores, 1e-6, 1e-5));
    }
  }
}

TEST_P(SoftNmsTest, WithoutGroupsAllAreInOne) {
  torch::manual_seed(3);
  const at::Tensor boxes = random_boxes(50, 30), scores = at::rand({50});
  const auto alone = kept(boxes, scores, {}), one = kept(boxes, scores, {}, at::full({50}, 7, at::kLong));
  EXPECT_TRUE(identical(alone.indices, one.indices));
  EXPECT_TRUE(identical(alone.scores, one.scores));
}

TEST_P(SoftNmsTest, LowersScoresByTheOverlap) {
  const at::Tensor boxes = torch::tensor({{0.f, 0.f, 4.f, 4.f}, {0.f, 0.f, 4.f, 2.f}});  // IoU 0.5
  const at::Tensor scores = torch::tensor({0.9f, 0.8f});
  const auto lowered = [&](const SoftNmsOptions& options) { return kept(boxes, scores, options).scores[1]; };
  EXPECT_TRUE(close(lowered({.decay = Decay::linear, .iou_threshold = 0.5}), torch::tensor(0.4f)));
  EXPECT_TRUE(identical(lowered({.decay = Decay::linear, .iou_threshold = std::nextafter(0.5, 1.0)}),
                        torch::tensor(0.8f)));
  EXPECT_TRUE(close(lowered({.decay = Decay::gaussian, .sigma = 0.5}),
                    torch::tensor(static_cast<float>(0.8 * std::exp(-0.5)))));
}

TEST_P(SoftNmsTest, KeepsScoresAboveTheLeast) {
  const at::Tensor boxes = torch::tensor({{0.f, 0.f, 9.f, 9.f}}).repeat({3, 1});
  const at::Tensor apart = indices({1, 2, 3});
  const at::Tensor scores = torch::tensor({0.25f, 0.5f, 0.75f});
  EXPECT_TRUE(identical(kept(boxes, scores, {.min_score = 0.25}, apart).indices, indices({2, 1})));
  // The twins of the best have nothing left.
  EXPECT_TRUE(identical(kept(boxes, scores, {.min_score = 0}).indices, indices({2})));
  EXPECT_TRUE(identical(kept(boxes, -scores, {.min_score = 0}, apart).indices, indices({})));
}

TEST_P(SoftNmsTest, StopsAtMaxKept) {
  torch::manual_seed(1);
  const at::Tensor boxes = random_boxes(200, 50), scores = at::rand({200});
  const at::Tensor groups = at::randint(0, 4, {200}, at::kLong);
  const auto all = kept(boxes, scores, {.decay = Decay::gaussian}, groups);
  ASSERT_GT(all.indices.size(0), 30);
  for (const int64_t most : {0, 1, 30, 1000}) {
    const auto some = kept(boxes, scores, {.decay = Decay::gaussian, .max_kept = most}, groups);
    EXPECT_TRUE(identical(some.indices, all.indices.slice(0, 0, most)));
    EXPECT_TRUE(identical(some.scores, all.scores.slice(0, 0, most)));
  }
}

TEST_P(SoftNmsTest, KeepsNothingOfNothing) {
  for (const auto type : {at::kFloat, at::kDouble}) {
    const auto result = kept(at::empty({0, 4}, type), at::empty({0}, type), {}, at::empty({0}, at::kLong));
    EXPECT_EQ(result.indices.sizes(), at::IntArrayRef({0}));
    EXPECT_EQ(result.indices.scalar_type(), at::kLong);
    EXPECT_EQ(result.scores.sizes(), at::IntArrayRef({0}));
    EXPECT_EQ(result.scores.scalar_type(), type);
  }
}

TEST_P(SoftNmsTest, TakesEqualScoresByIndex) {
  const int64_t count = 100;
  const at::Tensor apart =
      at::arange(count, at::kFloat).mul(10).unsqueeze(1) + torch::tensor({0.f, 0.f, 5.f, 5.f});
  const at::Tensor same = at::full({count}, 0.5f);
  EXPECT_TRUE(identical(kept(apart, same, {}).indices, at::arange(count)));
  EXPECT_TRUE(identical(kept(apart, same, {}, at::arange(count, 0, -1)).indices, at::arange(count)));
}

TEST_P(SoftNmsTest, NanAndDegenerateBoxesLowerNothing) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const at::Tensor boxes = torch::tensor({{nan, 0.f, 10.f, 10.f},
                                          {5.f, 5.f, 5.f, 5.f},
                                          {9.f, 9.f, 1.f, 1.f},
                                          {-inf, -inf, inf, inf},
                                          {0.f, 0.f, 10.f, 10.f},
                                          {0.f, 0.f, 10.f, nan}});
  const at::Tensor scores = at::arange(6, 0, -1, at::kFloat).div(10);
  for (const auto decay : {Decay::linear, Decay::gaussian}) {
    const auto result = kept(boxes, scores, {.decay = decay, .iou_threshold = 0});
    EXPECT_TRUE(identical(result.indices, at::arange(6)));
    EXPECT_TRUE(identical(result.scores, scores));
  }
}

TEST_P(SoftNmsTest, ANanScoreIsNeverKept) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const at::Tensor apart =
      at::arange(4, at::kFloat).mul(10).unsqueeze(1) + torch::tensor({0.f, 0.f, 5.f, 5.f});
  EXPECT_TRUE(identical(kept(apart, torch::tensor({nan, 1.f, -inf, inf}), {}).indices, indices({3, 1})));
  EXPECT_TRUE(identical(kept(apart, at::full({4}, nan), {}).indices, indices({})));
}

TEST_P(SoftNmsTest, TheNumberOfThreadsDoesNotShow) {
  torch::manual_seed(9);
  const at::Tensor boxes = random_boxes(500, 80), scores = at::rand({500});
  const at::Tensor groups = at::randint(0, 20, {500}, at::kLong);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = kept(boxes, scores, {.decay = Decay::gaussian}, groups);
  at::set_num_threads(4);
  const auto four = kept(boxes, scores, {.decay = Decay::gaussian}, groups);
  at::set_num_threads(before);
  EXPECT_TRUE(identical(one.indices, four.indices));
  EXPECT_TRUE(identical(one.scores, four.scores));
}

TEST_P(SoftNmsTest, ReadsAnyStridesAndLeavesItsInputAlone) {
  torch::manual_seed(6);
  const at::Tensor wide = random_boxes(80, 40).repeat({1, 2}), scores = at::rand({160});
  const at::Tensor boxes = wide.slice(1, 2, 6), every_second = scores.slice(0, 0, 160, 2);
  const at::Tensor before = scores.clone();
  const auto strided =
      soft_nms(on_device(wide).slice(1, 2, 6), on_device(scores).slice(0, 0, 160, 2), {}, {});
  EXPECT_TRUE(identical(strided.indices.cpu(), kept(boxes.contiguous(), every_second.clone(), {}).indices));
  EXPECT_TRUE(identical(scores, before));
}

TEST_P(SoftNmsTest, AHardThresholdIsItsLimit) {
  torch::manual_seed(8);
  const at::Tensor boxes = random_boxes(100, 40), scores = at::rand({100});
  // A tiny sigma leaves nothing of what overlaps at all.
  EXPECT_TRUE(
      identical(kept(boxes, scores, {.decay = Decay::gaussian, .sigma = 1e-12, .min_score = 0}).indices,
                nms(on_device(boxes), on_device(scores), 0).cpu()));
}

TEST(SoftNms, RefusesWhatDoesNotFit) {
  const at::Tensor boxes = at::zeros({3, 4}), scores = at::zeros({3});
  const auto said = [&](const at::Tensor& b, const at::Tensor& s, const at::Tensor& g = {},
                        const SoftNmsOptions& options = {}) {
    return error_of([&] { soft_nms(b, s, g, options); });
  };
  EXPECT_EQ(said(boxes, scores), "");
  for (const auto& [message, part] : std::vector<std::pair<std::string, std::string>>{
           {said(at::zeros({3, 5}), scores), "soft_nms: boxes: expected [N, 4]"},
           {said(at::zeros({4}), scores), "soft_nms: boxes"},
           {said(boxes.to(at::kLong), scores), "float32 or float64"},
           {said(boxes, at::zeros({2})), "soft_nms: scores"},
           {said(boxes, scores.to(at::kDouble)), "soft_nms: scores"},
           {said(boxes, scores, at::zeros({2}, at::kLong)), "soft_nms: groups"},
           {said(boxes, scores, scores), "soft_nms: groups: expected int64"},
           {said(boxes, scores, {}, {.iou_threshold = 1.5}), "soft_nms: iou_threshold"},
           {said(boxes, scores, {}, {.sigma = 0}), "soft_nms: sigma"},
           {said(boxes, scores, {}, {.sigma = std::nan("")}), "soft_nms: sigma"},
           {said(boxes, scores, {}, {.min_score = -0.1}), "soft_nms: min_score"},
           {said(boxes, scores, {}, {.max_kept = -2}), "soft_nms: max_kept"}}) {
    EXPECT_NE(message.find(part), std::string::npos) << part << ": " << message;
  }
}

}  // namespace
}  // namespace rcnn::ops
