#include <rcnn/ops/roi_align.h>

#include "tests/support/devices.h"
#include "tests/support/tensors.h"

namespace rcnn::ops {
namespace {

using namespace rcnn::test;

/// The gradient of RoIAlign with respect to its boxes.
class RoiAlignBoxesTest : public OnDevice {
 protected:
  /// Of sum(output * weight), [K, 5] on the CPU.
  static at::Tensor gradient(const at::Tensor& features, const at::Tensor& rois, double scale,
                             const RoiAlignOptions& options, const at::Tensor& weight) {
    const at::Tensor leaf = on_device(rois).detach().requires_grad_();
    roi_align(on_device(features), leaf, scale, options).backward(on_device(weight));
    return leaf.grad().cpu();
  }

  /// The same by central differences; 0 of the batch index.
  static at::Tensor differences(const at::Tensor& features, const at::Tensor& rois, double scale,
                                const RoiAlignOptions& options, const at::Tensor& weight, double step) {
    const at::Tensor result = at::zeros_like(rois);
    for (int64_t corner = 1; corner < 5; ++corner) {
      const auto moved = [&](double by) {
        at::Tensor others = rois.clone();
        others.select(1, corner) += by;
        const at::Tensor output = roi_align(on_device(features), on_device(others), scale, options).cpu();
        return (output * weight).sum({1, 2, 3});
      };
      result.select(1, corner).copy_((moved(step) - moved(-step)) / (2 * step));
    }
    return result;
  }
};
INSTANTIATE_TEST_SUITE_P(, RoiAlignBoxesTest, devices(), device_name);

at::Tensor double_roi(double x1, double y1, double x2, double y2) {
  return torch::tensor({{0., x1, y1, x2, y2}}, at::kDouble);
}

// F(y, x) = alpha x + beta y + gamma: both x edges have alpha * scale * P^2 / 2, both y edges beta's.
TEST_P(RoiAlignBoxesTest, OfALinearMapIsKnown) {
  const double alpha = 1, beta = -3;
  const at::Tensor map = (alpha * at::arange(24, at::kDouble).view({1, 24}) +
                          beta * at::arange(20, at::kDouble).view({20, 1}) + 5)
                             .view({1, 1, 20, 24});
  const at::Tensor expected = torch::tensor({{0., 6.125, -18.375, 6.125, -18.375}}, at::kDouble);
  for (const bool is_aligned : {false, true}) {
    for (const int64_t ratio : {0, 1, 2, 3, 5}) {
      const RoiAlignOptions options{.height = 7, .width = 7, .sampling_ratio = ratio, .aligned = is_aligned};
      for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
        const at::Tensor got = gradient(map.contiguous(format), double_roi(13.3, 9.7, 61.1, 55.9), 0.25,
                                        options, at::ones({1, 1, 7, 7}, at::kDouble));
        EXPECT_TRUE(close(got, expected, 1e-11)) << got;  // 49 * n^2 rounded terms
      }
    }
  }
}

TEST_P(RoiAlignBoxesTest, AgreesWithCentralDifferences) {
  torch::manual_seed(1);
  const at::Tensor map = at::randn({1, 3, 20, 24}, at::kDouble),
                   weight = at::randn({1, 3, 7, 7}, at::kDouble);
  for (const bool is_aligned : {false, true}) {
    const RoiAlignOptions options{.height = 7, .width = 7, .sampling_ratio = 2, .aligned = is_aligned};
    const at::Tensor box = double_roi(13.3, 9.7, 61.1, 55.9);
    const at::Tensor numeric = differences(map, box, 0.25, options, weight, 1e-4);
    EXPECT_TRUE(close(gradient(map, box, 0.25, options, weight), numeric, 0, 1e-7));
  }
}

// Adaptive numbers of samples, boxes partly or wholly outside, thin, empty and inverted ones. Corners in odd
// 97ths keep samples off the kinks at whole cells, where there are two derivatives.
TEST_P(RoiAlignBoxesTest, AgreesWithCentralDifferencesForBoxesOfAllKinds) {
  const at::Tensor rois = torch::tensor({{0., -20., 3., 21., 31.},
                                         {1., 5., -17., 300., 40.},
                                         {0., 30., 20., 31., 90.},
                                         {1., 12., 12., 12., 12.},
                                         {1., 13., 12., 13., 60.},
                                         {0., 40., 30., 20., 10.},
                                         {0., 200., 200., 280., 240.},
                                         {1., 3., 5., 93., 77.},
                                         {0., -3., -2., 4., 3.}},
                                        at::kDouble);
  const at::Tensor shift = torch::tensor({0., 11. / 97, 23. / 97, 41. / 97, 59. / 97}, at::kDouble);
  for (const int seed : {1, 2, 3}) {
    torch::manual_seed(seed);
    const at::Tensor map = at::randn({2, 19, 20, 24}, at::kDouble);
    const at::Tensor weight = at::randn({rois.size(0), 19, 3, 4}, at::kDouble);
    for (const bool is_aligned : {false, true}) {
      for (const int64_t ratio : {0, 2, 3}) {
        SCOPED_TRACE(testing::Message()
                     << "seed " << seed << ", ratio " << ratio << ", aligned " << is_aligned);
        const RoiAlignOptions options{
            .height = 3, .width = 4, .sampling_ratio = ratio, .aligned = is_aligned};
        const at::Tensor numeric = differences(map, rois + shift, 0.25, options, weight, 1e-6);
        const at::Tensor got = gradient(map, rois + shift, 0.25, options, weight);
        EXPECT_TRUE(close(got, numeric, 1e-6)) << got - numeric;  // differences of sums around 10 over 2e-6
        EXPECT_TRUE(identical(got.select(1, 0), at::zeros({rois.size(0)}, at::kDouble)));
      }
    }
  }
}

TEST_P(RoiAlignBoxesTest, ABoxHeldAtTheSizeOfACellFollowsItsLowerEdge) {
  const at::Tensor map = at::arange(24, at::kDouble).view({1, 1, 1, 24}).expand({1, 1, 20, 24}).contiguous();
  const RoiAlignOptions options{.height = 1, .width = 1, .sampling_ratio = 2};
  const at::Tensor weight = at::ones({1, 1, 1, 1}, at::kDouble);
  const at::Tensor thin = double_roi(13, 9, 14, 40);
  EXPECT_TRUE(close(gradient(map, thin, 0.25, options, weight),
                    torch::tensor({{0., 0.25, 0., 0., 0.}}, at::kDouble), 1e-15));
  RoiAlignOptions shifted = options;
  shifted.aligned = true;
  EXPECT_TRUE(close(gradient(map, thin, 0.25, shifted, weight),
                    torch::tensor({{0., 0.125, 0., 0.125, 0.}}, at::kDouble), 1e-15));
}

TEST_P(RoiAlignBoxesTest, EveryBoxOfAPyramidHasThatOfItsLevel) {
  torch::manual_seed(2);
  const std::vector<double> scales = {0.5, 0.25};
  const at::Tensor corner = at::rand({12, 2}) * 20;
  const at::Tensor rois = at::cat({at::randint(0, 2, {12, 1}), corner, corner + at::rand({12, 2}) * 15}, 1);
  at::Tensor levels = at::arange(12, at::kLong).remainder(2);
  levels[11] = 2;  // there is none
  const at::Tensor weight = at::randn({12, 18, 7, 7});
  std::vector<at::Tensor> pyramid;
  for (const int64_t size : {20, 10}) pyramid.push_back(on_device(at::randn({2, 18, size, size + 1})));
  const at::Tensor leaf = on_device(rois).requires_grad_();
  roi_align(pyramid, leaf, on_device(levels), scales).backward(on_device(weight));
  const at::Tensor got = leaf.grad().cpu();
  for (int64_t level = 0; level < 2; ++level) {
    const at::Tensor mine = (levels == level).nonzero().squeeze(1);
    EXPECT_TRUE(
        identical(got.index_select(0, mine), gradient(pyramid[level].cpu(), rois.index_select(0, mine),
                                                      scales[level], {}, weight.index_select(0, mine))));
  }
  EXPECT_TRUE(identical(got[11], at::zeros({5})));
}

TEST_P(RoiAlignBoxesTest, EveryTypeComputesTheSame) {
  torch::manual_seed(3);
  const at::Tensor map = at::rand({1, 40, 12, 12}).to(at::kBFloat16),
                   weight = at::randn({3, 40, 7, 7}).to(at::kBFloat16);
  const at::Tensor rois = torch::tensor(
      {{0.f, 1.3f, 2.1f, 9.7f, 8.2f}, {0.f, 0.2f, 0.4f, 5.1f, 11.3f}, {0.f, 4.7f, 3.3f, 6.1f, 5.9f}});
  const at::Tensor expected =
      gradient(map.to(at::kDouble), rois.to(at::kDouble), 1, {}, weight.to(at::kDouble)).to(at::kFloat);
  for (const auto type : {at::kBFloat16, at::kFloat, at::kDouble}) {
    const at::Tensor got = gradient(map.to(type), rois, 1, {}, weight.to(type));
    EXPECT_EQ(got.scalar_type(), at::kFloat);
    EXPECT_TRUE(close(got, expected, 1e-3)) << type;  // sums of 40 * 49 terms around 1, positions in float
  }
}

TEST_P(RoiAlignBoxesTest, BoxesThatCannotBePooledHaveNone) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor rois = torch::tensor({{0.f, nan, 0.f, 3.f, 3.f},
                                         {1.f, 0.f, 0.f, 3.f, 3.f},  // no such image
                                         {0.f, 20.f, 20.f, 30.f, 30.f}});
  torch::manual_seed(4);
  EXPECT_TRUE(
      identical(gradient(at::rand({1, 2, 5, 5}), rois, 1, {}, at::ones({3, 2, 7, 7})), at::zeros({3, 5})));
  EXPECT_EQ(gradient(at::rand({1, 2, 5, 5}), at::empty({0, 5}), 1, {}, at::empty({0, 2, 7, 7})).sizes(),
            at::IntArrayRef({0, 5}));
}

// The backward pass through the features has the same bits whether the boxes learn or not.
TEST_P(RoiAlignBoxesTest, LeavesTheGradientOfTheFeaturesAlone) {
  torch::manual_seed(5);
  const at::Tensor map = at::randn({1, 40, 12, 12}).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor rois = torch::tensor({{0.f, 1.3f, 2.1f, 9.7f, 8.2f}}), weight = at::randn({1, 40, 7, 7});
  const auto of_features = [&](bool boxes_learn) {
    const at::Tensor leaf = on_device(map).requires_grad_(),
                     boxes = on_device(rois).set_requires_grad(boxes_learn);
    roi_align(leaf, boxes, 1).backward(on_device(weight));
    EXPECT_EQ(boxes.grad().defined(), boxes_learn);
    return leaf.grad().cpu();
  };
  EXPECT_TRUE(identical(of_features(true), of_features(false)));
}

TEST(RoiAlignBoxesThreads, DoNotChangeTheResult) {
  torch::manual_seed(6);
  const at::Tensor map = at::randn({1, 70, 12, 12}), corner = at::rand({40, 2}) * 8;
  const at::Tensor rois = at::cat({at::zeros({40, 1}), corner, corner + at::rand({40, 2}) * 8}, 1);
  const at::Tensor weight = at::randn({40, 70, 7, 7});
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    const at::Tensor leaf = rois.clone().requires_grad_();
    roi_align(map, leaf, 1).backward(weight);
    return leaf.grad();
  };
  const at::Tensor one = run(1);
  EXPECT_TRUE(identical(run(2), one));
  EXPECT_TRUE(identical(run(3), one));
}

TEST(RoiAlignBoxesAutograd, RefusesASecondDerivative) {
  const at::Tensor map = at::rand({1, 1, 4, 4}),
                   rois = torch::tensor({{0.f, 0.f, 0.f, 3.f, 3.f}}).requires_grad_();
  const at::Tensor output = roi_align(map, rois, 1);
  const at::Tensor weight = at::ones_like(output).requires_grad_();
  const auto first = torch::autograd::grad({output}, {rois}, {weight}, true, /*create_graph=*/true);
  EXPECT_EQ(error_of([&] { first[0].sum().backward(); }), "roi_align: double backward is not supported");
}

TEST(RoiAlignBoxesAutograd, NoticesFeaturesChangedBeforeTheBackwardPass) {
  at::Tensor map = at::rand({1, 1, 4, 4});
  const at::Tensor rois = torch::tensor({{0.f, 0.f, 0.f, 3.f, 3.f}}).requires_grad_();
  const at::Tensor output = roi_align(map, rois, 1).sum();
  map += 1;
  EXPECT_NE(error_of([&] { output.backward(); }).find("modified by an inplace operation"), std::string::npos);
}

}  // namespace
}  // namespace rcnn::ops
