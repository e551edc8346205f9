#include <limits>

#include <rcnn/ops/roi_align.h>

#include "tests/support/deterministic.h"
#include "tests/support/devices.h"
#include "tests/support/goldens.h"
#include "tests/support/naive_ops.h"
#include "tests/support/tensors.h"

namespace rcnn::ops {
namespace {

using namespace rcnn::test;

constexpr float kRoiAlignNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kRoiAlignInf = std::numeric_limits<float>::infinity();

/// Every pair of adaptive or fixed sampling and of alignment.
const std::vector<RoiAlignOptions> kVariants = {
    {.height = 3, .width = 4, .sampling_ratio = 2, .aligned = false},
    {.height = 3, .width = 4, .sampling_ratio = 2, .aligned = true},
    {.height = 3, .width = 4, .sampling_ratio = 0, .aligned = false},
    {.height = 3, .width = 4, .sampling_ratio = 0, .aligned = true},
};

class RoiAlignTest : public OnDevice {
 protected:
  /// On the test's device, the answer back on the CPU.
  static at::Tensor aligned(const at::Tensor& features, const at::Tensor& rois, double scale,
                            const RoiAlignOptions& options = {}) {
    const at::Tensor result = roi_align(on_device(features), on_device(rois), scale, options);
    EXPECT_EQ(result.device().type(), device().type());
    return result.cpu();
  }

  /// Of sum(output * weight); on the CPU.
  static at::Tensor gradient(const at::Tensor& features, const at::Tensor& rois, double scale,
                             const RoiAlignOptions& options, const at::Tensor& weight) {
    const at::Tensor leaf = on_device(features).detach().requires_grad_();
    roi_align(leaf, on_device(rois), scale, options).backward(on_device(weight));
    return leaf.grad().cpu();
  }
};
INSTANTIATE_TEST_SUITE_P(, RoiAlignTest, devices(), device_name);

at::Tensor aligned_roi(float x1, float y1, float x2, float y2) {
  return torch::tensor({{0.f, x1, y1, x2, y2}});
}

/// RoIs on and around a map of `extent` cells.
at::Tensor random_rois(int64_t count, int64_t images, double extent) {
  const at::Tensor corner = at::rand({count, 2}) * (extent + 3) - 3;
  return at::cat({at::randint(0, images, {count, 1}), corner, corner + at::rand({count, 2}) * extent * 0.8},
                 1);
}

TEST_P(RoiAlignTest, AgreesWithTorchvision) {
  const auto json = golden("ops.json").at("roi_align");
  for (const auto& variant : json) {
    const at::Tensor features = golden_tensor(variant.at("features")),
                     rois = golden_tensor(variant.at("rois"));
    const RoiAlignOptions options{.height = variant.at("height"),
                                  .width = variant.at("width"),
                                  .sampling_ratio = variant.at("sampling_ratio"),
                                  .aligned = variant.at("aligned")};
    const double scale = variant.at("spatial_scale");
    EXPECT_TRUE(close(aligned(features, rois, scale, options), golden_tensor(variant.at("output"))));
    EXPECT_TRUE(close(gradient(features, rois, scale, options, golden_tensor(variant.at("weight"))),
                      golden_tensor(variant.at("gradient")), 2e-6));  // sums of a hundred float terms
  }
}

TEST_P(RoiAlignTest, AgreesWithTheDefinition) {
  for (const int seed : {1, 2, 3}) {
    torch::manual_seed(seed);
    const at::Tensor features = at::randn({2, 37, 8, 11}, at::kDouble);
    const at::Tensor rois = random_rois(12, 2, 20).to(at::kDouble);
    for (const RoiAlignOptions& o : kVariants) {
      SCOPED_TRACE(testing::Message()
                   << "seed " << seed << ", ratio " << o.sampling_ratio << ", aligned " << o.aligned);
      const at::Tensor expected =
          naive_roi_align(features, rois, 0.5, o.height, o.width, o.sampling_ratio, o.aligned);
      EXPECT_TRUE(close(aligned(features, rois, 0.5, o), expected, 1e-12, 1e-12));
      EXPECT_TRUE(close(aligned(features.to(at::kFloat), rois.to(at::kFloat), 0.5, o),
                        expected.to(at::kFloat), 2e-5,
                        1e-4));  // sample positions rounded to float, times slopes of about 3 a cell
    }
  }
}

TEST_P(RoiAlignTest, ALinearMapIsSampledExactly) {
  // value = x + 10 y: a bin's average is the value at its centre.
  const at::Tensor map =
      (at::arange(12).view({1, 12}) + 10 * at::arange(9).view({9, 1})).to(at::kDouble).view({1, 1, 9, 12});
  const at::Tensor box = aligned_roi(2, 1, 8, 7).to(at::kDouble);
  const at::Tensor expected = torch::tensor({{3.5 + 25., 6.5 + 25.}, {3.5 + 55., 6.5 + 55.}}, at::kDouble);
  for (const int64_t ratio : {0, 1, 2, 5}) {
    const RoiAlignOptions options{.height = 2, .width = 2, .sampling_ratio = ratio};
    EXPECT_TRUE(close(aligned(map, box, 1, options)[0][0], expected, 1e-12));
    RoiAlignOptions shifted = options;
    shifted.aligned = true;
    EXPECT_TRUE(close(aligned(map, box, 1, shifted)[0][0], expected - 5.5, 1e-12));
  }
}

TEST_P(RoiAlignTest, BothMemoryFormatsAgreeAndAreKept) {
  torch::manual_seed(5);
  const at::Tensor features = at::randn({2, 70, 9, 13}), rois = random_rois(30, 2, 12);
  const at::Tensor last = features.contiguous(at::MemoryFormat::ChannelsLast),
                   weight = at::randn({30, 70, 3, 4});
  for (const RoiAlignOptions& options : kVariants) {
    const at::Tensor result = roi_align(on_device(last), on_device(rois), 1, options);
    EXPECT_TRUE(result.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_TRUE(identical(result.cpu(), aligned(features, rois, 1, options)));
    const at::Tensor grad = gradient(last, rois, 1, options, weight);
    EXPECT_TRUE(grad.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_TRUE(close(grad, gradient(features, rois, 1, options, weight), 1e-5));  // atomics add in any order
    const at::Tensor strided = features.transpose(2, 3);
    EXPECT_TRUE(
        identical(aligned(strided, rois, 1, options), aligned(strided.contiguous(), rois, 1, options)));
  }
}

TEST_P(RoiAlignTest, GradientIsTheNumericOne) {
  for (int seed = 1; seed <= 10; ++seed) {
    torch::manual_seed(seed);
    const at::Tensor features = at::randn({2, 2, 5, 6}, at::kDouble),
                     rois = random_rois(5, 2, 10).to(at::kDouble);
    const at::Tensor weight = at::randn({5, 2, 3, 4}, at::kDouble);
    for (const RoiAlignOptions& options : kVariants) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << ", ratio " << options.sampling_ratio);
      const at::Tensor numeric = numeric_gradient(
          [&](const at::Tensor& x) { return aligned(x, rois, 0.5, options); }, features, weight, 1e-4);
      EXPECT_TRUE(close(gradient(features, rois, 0.5, options, weight), numeric, 1e-8));
      const at::Tensor last = features.contiguous(at::MemoryFormat::ChannelsLast);
      EXPECT_TRUE(close(gradient(last, rois, 0.5, options, weight), numeric, 1e-8));
    }
  }
}

TEST_P(RoiAlignTest, Bfloat16RoundsOnlyTheResult) {
  torch::manual_seed(8);
  const at::Tensor features = at::randn({1, 40, 8, 8}).to(at::kBFloat16), rois = random_rois(9, 1, 8);
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const at::Tensor half = features.contiguous(format), single = half.to(at::kFloat);
    EXPECT_TRUE(identical(aligned(half, rois, 1), aligned(single, rois, 1).to(at::kBFloat16)));
  }
  // 300 ones: a bfloat16 sum would stop at 256.
  const RoiAlignOptions cell{.height = 1, .width = 1, .sampling_ratio = 1};
  const at::Tensor grad =
      gradient(at::zeros({1, 1, 1, 1}, at::kBFloat16), aligned_roi(0, 0, 0, 0).repeat({300, 1}), 1, cell,
               at::ones({300, 1, 1, 1}, at::kBFloat16));
  EXPECT_EQ(grad.scalar_type(), at::kBFloat16);
  EXPECT_EQ(grad.item<float>(), 300);
}

// Some 300 RoIs share every cell of the map: in any other order than the first the last bits would differ.
TEST_P(RoiAlignTest, GradientHasTheSameBitsWhereThatIsAskedFor) {
  torch::manual_seed(9);
  const at::Tensor map = at::zeros({2, 9, 8, 8}), rois = random_rois(600, 2, 8),
                   weight = at::randn({600, 9, 7, 7});
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const auto compute = [&](const at::Tensor& grad) {
      return gradient(map.contiguous(format), rois, 1, {}, grad);
    };
    const at::Tensor usual = compute(weight);
    const DeterministicAlgorithms asked;
    const at::Tensor first = compute(weight);
    EXPECT_TRUE(close(first, usual, 1e-3));  // sums of 300 * 49 terms around 1 in another order
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(identical(compute(weight), first));
    EXPECT_FALSE(compute(at::full_like(weight, kRoiAlignInf)).isfinite().all().item<bool>());
  }
}

// On ones every sample inside is 1, so that the output counts them.
TEST_P(RoiAlignTest, SamplesFurtherThanOneCellOutsideCountAsZero) {
  const at::Tensor ones = at::ones({1, 1, 4, 4});
  const RoiAlignOptions point{.height = 1, .width = 1, .sampling_ratio = 1};
  const auto at_x = [&](float x) {
    return aligned(ones, aligned_roi(x - 0.5f, 1, x + 0.5f, 2), 1, point).item<float>();
  };
  EXPECT_EQ(at_x(-1), 1);
  EXPECT_EQ(at_x(-1.001f), 0);
  EXPECT_EQ(at_x(4), 1);
  EXPECT_EQ(at_x(4.001f), 0);
}

TEST_P(RoiAlignTest, RoisThatCannotBePooledGiveZerosAndNoGradient) {
  const at::Tensor rois = torch::tensor({{0.f, 20.f, 20.f, 30.f, 30.f},  // right of and below the map
                                         {0.f, -9.f, -9.f, -4.f, -4.f},  // left of and above it
                                         {0.f, kRoiAlignNan, 0.f, 3.f, 3.f},
                                         {0.f, 0.f, 0.f, 3.f, kRoiAlignNan},
                                         {kRoiAlignNan, 0.f, 0.f, 3.f, 3.f},
                                         {1.f, 0.f, 0.f, 3.f, 3.f},  // no such image
                                         {-1.f, 0.f, 0.f, 3.f, 3.f},
                                         {0.f, -kRoiAlignInf, 0.f, kRoiAlignInf, 3.f}});
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const at::Tensor features = at::ones({1, 2, 5, 5}).contiguous(format);
    for (const RoiAlignOptions& options : kVariants) {
      EXPECT_TRUE(identical(aligned(features, rois, 1, options), at::zeros({8, 2, 3, 4})));
      EXPECT_TRUE(
          identical(gradient(features, rois, 1, options, at::ones({8, 2, 3, 4})), at::zeros({1, 2, 5, 5})));
    }
  }
}

TEST_P(RoiAlignTest, RoisWithoutExtent) {
  const at::Tensor map = at::arange(16, at::kFloat).view({1, 1, 4, 4});
  RoiAlignOptions options{.height = 1, .width = 1, .sampling_ratio = 0};
  EXPECT_EQ(aligned(map, aligned_roi(1, 1, 1, 1), 1, options).item<float>(), 7.5f);  // made one cell large
  options.aligned = true;
  EXPECT_EQ(aligned(map, aligned_roi(1, 1, 1, 1), 1, options).item<float>(), 0);  // no samples
  EXPECT_EQ(aligned(map, aligned_roi(3, 3, 1, 1), 1, options).item<float>(), 0);
  options.sampling_ratio = 2;
  EXPECT_EQ(aligned(map, aligned_roi(1.5, 1.5, 1.5, 1.5), 1, options).item<float>(),
            5);  // samples at one point
}

TEST_P(RoiAlignTest, AHugeAdaptiveRoiEnds) {
  const at::Tensor output = aligned(at::ones({1, 1, 4, 4}), aligned_roi(-1e20f, -1e20f, 1e20f, 1e20f), 1,
                                    {.height = 1, .width = 1, .sampling_ratio = 0});
  EXPECT_GE(output.item<float>(), 0);
  EXPECT_LT(output.item<float>(), 1e-6);
}

TEST_P(RoiAlignTest, WithoutRois) {
  const at::Tensor map = at::ones({1, 2, 4, 4}), none = at::empty({0, 5});
  EXPECT_EQ(aligned(map, none, 1).sizes(), at::IntArrayRef({0, 2, 7, 7}));
  EXPECT_TRUE(identical(gradient(map, none, 1, {}, at::empty({0, 2, 7, 7})), at::zeros({1, 2, 4, 4})));
}

class RoiAlignPyramidTest : public RoiAlignTest {};
INSTANTIATE_TEST_SUITE_P(, RoiAlignPyramidTest, devices(), device_name);

TEST_P(RoiAlignPyramidTest, EveryRoiAndGradientIsThatOfItsLevel) {
  torch::manual_seed(11);
  const std::vector<double> scales = {0.5, 0.25, 0.125};
  const at::Tensor rois = random_rois(20, 2, 30), levels = at::randint(0, 3, {20}, at::kLong);
  const at::Tensor weight = at::randn({20, 18, 3, 4});
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    std::vector<at::Tensor> pyramid;
    for (const int64_t size : {16, 8, 4})
      pyramid.push_back(on_device(at::randn({2, 18, size, size + 1}).contiguous(format)).requires_grad_());
    const at::Tensor output = roi_align(pyramid, on_device(rois), on_device(levels), scales, kVariants[0]);
    output.backward(on_device(weight));
    for (int64_t level = 0; level < 3; ++level) {
      const at::Tensor mine = (levels == level).nonzero().squeeze(1);
      const at::Tensor map = pyramid[level].detach().cpu(), boxes = rois.index_select(0, mine);
      EXPECT_TRUE(identical(output.detach().cpu().index_select(0, mine),
                            aligned(map, boxes, scales[level], kVariants[0])));
      EXPECT_TRUE(close(pyramid[level].grad().cpu(),
                        gradient(map, boxes, scales[level], kVariants[0], weight.index_select(0, mine)),
                        1e-5));
    }
  }
}

TEST_P(RoiAlignPyramidTest, RoisOffThePyramidGiveZeros) {
  const std::vector<at::Tensor> pyramid(2, on_device(at::ones({1, 1, 4, 4})));
  const std::vector<double> scales = {1, 1};
  const at::Tensor levels = torch::tensor({0, 2, -1}, at::kLong),
                   rois = aligned_roi(0, 0, 3, 3).repeat({3, 1});
  const at::Tensor output = roi_align(pyramid, on_device(rois), on_device(levels), scales).cpu();
  EXPECT_TRUE(close(output.amax({1, 2, 3}), torch::tensor({1.f, 0.f, 0.f})));
}

TEST_P(RoiAlignPyramidTest, AFrozenLevelGetsNoGradient) {
  const std::vector<at::Tensor> pyramid = {on_device(at::ones({1, 1, 4, 4})),
                                           on_device(at::ones({1, 1, 2, 2})).requires_grad_()};
  const std::vector<double> scales = {1, 0.5};
  const at::Tensor levels = torch::tensor({0, 1}, at::kLong), rois = aligned_roi(0, 0, 3, 3).repeat({2, 1});
  roi_align(pyramid, on_device(rois), on_device(levels), scales).sum().backward();
  EXPECT_FALSE(pyramid[0].grad().defined());
  EXPECT_NEAR(pyramid[1].grad().sum().item<double>(), 49, 1e-4);
}

TEST(RoiAlignThreads, DoNotChangeTheResult) {
  torch::manual_seed(9);
  const at::Tensor rois = random_rois(40, 2, 12), weight = at::randn({40, 70, 7, 7});
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const at::Tensor features = at::randn({2, 70, 12, 12}).contiguous(format);
    const auto run = [&](int threads) {
      at::set_num_threads(threads);
      const at::Tensor leaf = features.clone().requires_grad_();
      const at::Tensor output = roi_align(leaf, rois, 1);
      output.backward(weight);
      return std::pair(output.detach(), leaf.grad());
    };
    const auto one = run(1), two = run(2);
    EXPECT_TRUE(identical(two.first, one.first));
    EXPECT_TRUE(identical(two.second, one.second));
  }
}

TEST(RoiAlignAutograd, RefusesASecondDerivative) {
  const at::Tensor features = at::rand({1, 1, 4, 4}).requires_grad_();
  const at::Tensor output = roi_align(features, aligned_roi(0, 0, 3, 3), 1);
  const at::Tensor weight = at::ones_like(output).requires_grad_();
  const auto first = torch::autograd::grad({output}, {features}, {weight}, true, /*create_graph=*/true);
  EXPECT_EQ(error_of([&] { first[0].sum().backward(); }), "roi_align: double backward is not supported");
}

TEST(RoiAlignAutograd, NoticesRoisChangedBeforeTheBackwardPass) {
  const at::Tensor features = at::rand({1, 1, 4, 4}).requires_grad_();
  at::Tensor rois = aligned_roi(0, 0, 3, 3);
  const at::Tensor output = roi_align(features, rois, 1).sum();
  rois += 1;
  EXPECT_NE(error_of([&] { output.backward(); }).find("modified by an inplace operation"), std::string::npos);
}

TEST(RoiAlignErrors, NameTheArgument) {
  const at::Tensor map = at::ones({1, 1, 8, 8}), one = aligned_roi(0, 0, 1, 1);
  const auto message = [](const at::Tensor& features, const at::Tensor& rois, double scale = 1,
                          const RoiAlignOptions& options = {}) {
    return error_of([&] { roi_align(features, rois, scale, options); });
  };
  EXPECT_EQ(message(map[0], one),
            "roi_align: features: expected [N, C, H, W] with at least one cell, got [1, 8, 8]");
  EXPECT_EQ(message(map.to(at::kHalf), one),
            "roi_align: features: expected float32, float64 or bfloat16, got Half");
  EXPECT_EQ(message(map, at::zeros({5})), "roi_align: rois: expected [K, 5], got [5]");
  EXPECT_EQ(message(map, one.to(at::kLong)),
            "roi_align: rois: expected float32 or the features' Float, got Long");
  EXPECT_EQ(message(map, one.to(at::kMeta)), "roi_align: rois: expected the features' device cpu, got meta");
  EXPECT_EQ(message(map, one, kRoiAlignNan), "roi_align: spatial_scale: expected a positive number, got nan");
  EXPECT_EQ(message(map, one, 1, {.height = 0}),
            "roi_align: options.height, width: expected positive numbers, got 0, 7");
  EXPECT_EQ(message(map, one, 1, {.sampling_ratio = -1}),
            "roi_align: options.sampling_ratio: expected 0 to 1024, got -1");
  EXPECT_EQ(message(map.to(at::kMeta), one.to(at::kMeta)), "roi_align: no implementation for device meta");

  const at::Tensor level = at::zeros({1}, at::kLong);
  const auto pyramid_message = [&](const std::vector<at::Tensor>& features, const at::Tensor& levels,
                                   const std::vector<double>& scales) {
    return error_of([&] { roi_align(features, one, levels, scales); });
  };
  EXPECT_EQ(pyramid_message({}, level, {}), "roi_align: features: expected 1 to 8 levels, got 0");
  EXPECT_EQ(pyramid_message({map}, level, {1, 2}),
            "roi_align: spatial_scales: expected one for each of 1 levels, got 2");
  EXPECT_EQ(pyramid_message({map}, at::zeros({2}, at::kLong), {1}),
            "roi_align: levels: expected [K] for rois [K, 5], got [2] and [1, 5]");
  EXPECT_EQ(pyramid_message({map}, at::zeros({1}), {1}), "roi_align: levels: expected int64, got Float");
  EXPECT_EQ(pyramid_message({map, at::ones({1, 2, 4, 4})}, level, {1, 1}),
            "roi_align: features: expected the first level's N and C in every level, got [1, 1, 8, 8] and "
            "[1, 2, 4, 4]");
  EXPECT_EQ(pyramid_message({map, map.to(at::kDouble)}, level, {1, 1}),
            "roi_align: features: expected the first level's dtype in every level, got Float and Double");
}

}  // namespace
}  // namespace rcnn::ops
