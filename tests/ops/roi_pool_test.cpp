#include <limits>

#include <rcnn/ops/roi_pool.h>

#include "tests/support/deterministic.h"
#include "tests/support/devices.h"
#include "tests/support/goldens.h"
#include "tests/support/naive_ops.h"
#include "tests/support/tensors.h"

namespace rcnn::ops {
namespace {

using namespace rcnn::test;

constexpr float kRoiPoolNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kRoiPoolInf = std::numeric_limits<float>::infinity();

class RoiPoolTest : public OnDevice {
 protected:
  /// On the test's device, the answer back on the CPU.
  static at::Tensor pooled(const at::Tensor& features, const at::Tensor& rois, int64_t height, int64_t width,
                           double scale = 1) {
    const at::Tensor result = roi_pool(on_device(features), on_device(rois), height, width, scale);
    EXPECT_EQ(result.device().type(), device().type());
    return result.cpu();
  }

  /// Of sum(output * weight); on the CPU.
  static at::Tensor gradient(const at::Tensor& features, const at::Tensor& rois, int64_t height,
                             int64_t width, double scale, const at::Tensor& weight) {
    const at::Tensor leaf = on_device(features).detach().requires_grad_();
    roi_pool(leaf, on_device(rois), height, width, scale).backward(on_device(weight));
    return leaf.grad().cpu();
  }
};
INSTANTIATE_TEST_SUITE_P(, RoiPoolTest, devices(), device_name);

at::Tensor counting_map() {
  return at::arange(64, at::kFloat).view({1, 1, 8, 8});
}

at::Tensor pooled_roi(float x1, float y1, float x2, float y2) {
  return torch::tensor({{0.f, x1, y1, x2, y2}});
}

/// RoIs on and around a map of `extent` cells, corners at quarters of a cell so that halves are rounded too.
at::Tensor rois_at_quarters(int64_t count, int64_t images, int64_t extent) {
  const at::Tensor corner = at::randint(-12, 4 * extent, {count, 2}) / 4.0;
  const at::Tensor size = at::randint(-4, 3 * extent, {count, 2}) / 4.0;
  return at::cat({at::randint(0, images, {count, 1}), corner, corner + size}, 1).to(at::kFloat);
}

TEST_P(RoiPoolTest, GoldenValues) {
  const auto check = [](const at::Tensor& box, const at::Tensor& expected, double scale = 1) {
    EXPECT_TRUE(
        identical(pooled(counting_map(), box, expected.size(0), expected.size(1), scale)[0][0], expected));
  };
  check(pooled_roi(0, 3, 6, 7), torch::tensor({{43.f, 46.f}, {59.f, 62.f}}));
  check(pooled_roi(2, 2, 3, 3), torch::tensor({{18.f, 19.f, 19.f}, {26.f, 27.f, 27.f}, {26.f, 27.f, 27.f}}));
  check(pooled_roi(6, 6, 12, 12), torch::tensor({{63.f, 0.f}, {0.f, 0.f}}));
  check(pooled_roi(8, 8, 40, 40), torch::tensor({{27.f}}), 1.0 / 16);
}

TEST_P(RoiPoolTest, GoldenGradientAddsUpOverRois) {
  const at::Tensor rois = pooled_roi(0, 0, 6, 6).repeat({2, 1});
  at::Tensor expected = at::zeros({8, 8});
  for (const int64_t y : {2, 4, 6})
    for (const int64_t x : {2, 4, 6}) expected[y][x] = 2;
  EXPECT_TRUE(identical(gradient(counting_map(), rois, 3, 3, 1, at::ones({2, 1, 3, 3}))[0][0], expected));
}

TEST_P(RoiPoolTest, AgreesWithTorchvision) {
  const auto json = golden("ops.json").at("roi_pool");
  const at::Tensor features = golden_tensor(json.at("features")), rois = golden_tensor(json.at("rois"));
  const int64_t height = json.at("height"), width = json.at("width");
  const double scale = json.at("spatial_scale");
  EXPECT_TRUE(identical(pooled(features, rois, height, width, scale), golden_tensor(json.at("output"))));
  EXPECT_TRUE(close(gradient(features, rois, height, width, scale, golden_tensor(json.at("weight"))),
                    golden_tensor(json.at("gradient"))));
}

TEST_P(RoiPoolTest, AgreesWithTheDefinition) {
  for (const int seed : {1, 2, 3, 4}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    torch::manual_seed(seed);
    const at::Tensor features = at::randn({2, 70, 9, 13}), rois = rois_at_quarters(30, 2, 12);
    const at::Tensor expected = naive_roi_pool(features, rois, 3, 5, 0.75).to(at::kFloat);
    EXPECT_TRUE(identical(pooled(features, rois, 3, 5, 0.75), expected));
  }
}

// Caffe divides in float: w / 7 times 7 can exceed w, and the last bin then reaches one cell further.
TEST_P(RoiPoolTest, BinsAreCutInFloat) {
  const at::Tensor features = at::arange(60, at::kFloat).view({1, 1, 1, 60});
  EXPECT_EQ(pooled(features, pooled_roi(0, 0, 56, 0), 1, 7)[0][0][0][6].item<float>(), 57);
  EXPECT_EQ(pooled(features, pooled_roi(0, 0, 55, 0), 1, 7)[0][0][0][6].item<float>(), 55);
}

TEST_P(RoiPoolTest, BothMemoryFormatsAgreeAndAreKept) {
  torch::manual_seed(5);
  const at::Tensor features = at::randn({2, 70, 9, 13}), rois = rois_at_quarters(30, 2, 12),
                   weight = at::randn({30, 70, 3, 5});
  const at::Tensor last = features.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor result = roi_pool(on_device(last), on_device(rois), 3, 5, 1);
  EXPECT_TRUE(result.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(identical(result.cpu(), pooled(features, rois, 3, 5)));
  const at::Tensor grad = gradient(last, rois, 3, 5, 1, weight);
  EXPECT_TRUE(grad.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(close(grad, gradient(features, rois, 3, 5, 1, weight)));
  EXPECT_TRUE(identical(pooled(features.transpose(2, 3), rois, 3, 5),
                        pooled(features.transpose(2, 3).contiguous(), rois, 3, 5)));
}

TEST_P(RoiPoolTest, GradientIsTheNumericOne) {
  for (int seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    torch::manual_seed(seed);
    const at::Tensor features = at::randperm(2 * 3 * 5 * 6).to(at::kDouble).view({2, 3, 5, 6});
    const at::Tensor rois = rois_at_quarters(6, 2, 6), weight = at::randn({6, 3, 2, 3}, at::kDouble);
    const at::Tensor numeric = numeric_gradient(
        [&](const at::Tensor& x) { return pooled(x, rois, 2, 3, 0.75); }, features, weight, 1e-3);
    EXPECT_TRUE(close(gradient(features, rois, 2, 3, 0.75, weight), numeric, 1e-7));
  }
}

TEST_P(RoiPoolTest, GradientGoesToTheFirstOfEqualMaxima) {
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const at::Tensor features = at::zeros({1, 2, 3, 3}).contiguous(format);
    const at::Tensor grad = gradient(features, pooled_roi(1, 1, 2, 2), 1, 1, 1, at::ones({1, 2, 1, 1}));
    at::Tensor expected = at::zeros({3, 3});
    expected[1][1] = 1;
    EXPECT_TRUE(identical(grad[0][0], expected));
    EXPECT_TRUE(identical(grad[0][1], expected));
  }
}

TEST_P(RoiPoolTest, Bfloat16IsExactForwardAndSumsInFloatBackward) {
  torch::manual_seed(8);
  const at::Tensor features = at::randn({1, 40, 8, 8}).to(at::kBFloat16), rois = rois_at_quarters(9, 1, 8);
  EXPECT_TRUE(
      identical(pooled(features, rois, 2, 2), pooled(features.to(at::kFloat), rois, 2, 2).to(at::kBFloat16)));
  // 300 ones: a bfloat16 sum would stop at 256.
  const at::Tensor grad =
      gradient(at::zeros({1, 1, 1, 1}, at::kBFloat16), pooled_roi(0, 0, 0, 0).repeat({300, 1}), 1, 1, 1,
               at::ones({300, 1, 1, 1}, at::kBFloat16));
  EXPECT_EQ(grad.scalar_type(), at::kBFloat16);
  EXPECT_EQ(grad.item<float>(), 300);
}

// Thousands of bins have their maximum in one cell: in any other order than the first the last bits would
// differ.
TEST_P(RoiPoolTest, GradientHasTheSameBitsWhereThatIsAskedFor) {
  torch::manual_seed(9);
  const at::Tensor map = at::rand({2, 9, 8, 8}), rois = rois_at_quarters(600, 2, 8),
                   weight = at::randn({600, 9, 7, 7});
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const auto compute = [&](const at::Tensor& grad) {
      return gradient(map.contiguous(format), rois, 7, 7, 1, grad);
    };
    const at::Tensor usual = compute(weight);
    const DeterministicAlgorithms asked;
    const at::Tensor first = compute(weight);
    EXPECT_TRUE(close(first, usual, 1e-3));  // sums of 300 * 49 terms around 1 in another order
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(identical(compute(weight), first));
    EXPECT_FALSE(compute(at::full_like(weight, kRoiPoolInf)).isfinite().all().item<bool>());
  }
}

TEST_P(RoiPoolTest, RoisThatHaveNoCellsGiveZerosAndNoGradient) {
  const at::Tensor rois = torch::tensor({{0.f, 20.f, 20.f, 30.f, 30.f},  // right of and below the map
                                         {0.f, -9.f, -9.f, -2.f, -2.f},  // left of and above it
                                         {0.f, kRoiPoolNan, 0.f, 3.f, 3.f},
                                         {0.f, 0.f, 0.f, 3.f, kRoiPoolNan},
                                         {kRoiPoolNan, 0.f, 0.f, 3.f, 3.f},
                                         {1.f, 0.f, 0.f, 3.f, 3.f},  // no such image
                                         {-1.f, 0.f, 0.f, 3.f, 3.f},
                                         {0.f, 1e30f, 0.f, 2e30f, 3.f}});
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const at::Tensor features = (counting_map() + 1).repeat({1, 2, 1, 1}).contiguous(format);
    EXPECT_TRUE(identical(pooled(features, rois, 2, 2), at::zeros({8, 2, 2, 2})));
    EXPECT_TRUE(
        identical(gradient(features, rois, 2, 2, 1, at::ones({8, 2, 2, 2})), at::zeros({1, 2, 8, 8})));
  }
}

TEST_P(RoiPoolTest, RoisWithoutExtentTakeOneCell) {
  const at::Tensor zero_size = pooled_roi(3, 2, 3, 2), inverted = pooled_roi(3, 2, 1, 0);
  EXPECT_EQ(pooled(counting_map(), zero_size, 1, 1).item<float>(), 19);
  EXPECT_EQ(pooled(counting_map(), inverted, 1, 1).item<float>(), 19);
  EXPECT_EQ(pooled(counting_map(), pooled_roi(-kRoiPoolInf, -kRoiPoolInf, kRoiPoolInf, kRoiPoolInf), 1, 1)
                .item<float>(),
            63);
}

TEST_P(RoiPoolTest, ANanInABinShows) {
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    at::Tensor features = counting_map().clone();
    features[0][0][4][4] = kRoiPoolNan;
    const at::Tensor result = pooled(features.contiguous(format), pooled_roi(0, 0, 7, 7), 2, 2)[0][0];
    EXPECT_TRUE(identical(result, torch::tensor({{27.f, 31.f}, {59.f, kRoiPoolNan}})));
  }
}

TEST_P(RoiPoolTest, WithoutRois) {
  const at::Tensor none = at::empty({0, 5});
  EXPECT_EQ(pooled(counting_map(), none, 7, 7).sizes(), at::IntArrayRef({0, 1, 7, 7}));
  EXPECT_TRUE(
      identical(gradient(counting_map(), none, 7, 7, 1, at::empty({0, 1, 7, 7})), at::zeros({1, 1, 8, 8})));
}

TEST(RoiPoolThreads, DoNotChangeTheResult) {
  torch::manual_seed(9);
  const at::Tensor rois = rois_at_quarters(40, 2, 12), weight = at::randn({40, 70, 3, 3});
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const at::Tensor features = at::randn({2, 70, 12, 12}).contiguous(format);
    const auto run = [&](int threads) {
      at::set_num_threads(threads);
      const at::Tensor leaf = features.clone().requires_grad_();
      const at::Tensor output = roi_pool(leaf, rois, 3, 3, 1);
      output.backward(weight);
      return std::pair(output.detach(), leaf.grad());
    };
    const auto one = run(1), two = run(2);
    EXPECT_TRUE(identical(two.first, one.first));
    EXPECT_TRUE(identical(two.second, one.second));
  }
}

TEST(RoiPoolAutograd, RefusesASecondDerivative) {
  const at::Tensor features = at::rand({1, 1, 4, 4}).requires_grad_();
  const at::Tensor output = roi_pool(features, pooled_roi(0, 0, 3, 3), 2, 2, 1);
  const at::Tensor weight = at::ones_like(output).requires_grad_();
  const auto first = torch::autograd::grad({output}, {features}, {weight}, true, /*create_graph=*/true);
  EXPECT_EQ(error_of([&] { first[0].sum().backward(); }), "roi_pool: double backward is not supported");
}

TEST(RoiPoolErrors, NameTheArgument) {
  const at::Tensor map = counting_map(), one = pooled_roi(0, 0, 1, 1);
  const auto message = [](const at::Tensor& features, const at::Tensor& rois, int64_t height = 2,
                          double scale = 1) {
    return error_of([&] { roi_pool(features, rois, height, 2, scale); });
  };
  EXPECT_EQ(message(map[0], one),
            "roi_pool: features: expected [N, C, H, W] with at least one cell, got [1, 8, 8]");
  EXPECT_EQ(message(at::empty({1, 1, 0, 8}), one),
            "roi_pool: features: expected [N, C, H, W] with at least one cell, got [1, 1, 0, 8]");
  EXPECT_EQ(message(map.to(at::kHalf), one),
            "roi_pool: features: expected float32, float64 or bfloat16, got Half");
  EXPECT_EQ(message(map, at::zeros({2, 4})), "roi_pool: rois: expected [K, 5], got [2, 4]");
  EXPECT_EQ(message(map, one.to(at::kDouble)),
            "roi_pool: rois: expected float32 or the features' Float, got Double");
  EXPECT_EQ(message(map, one.to(at::kMeta)), "roi_pool: rois: expected the features' device cpu, got meta");
  EXPECT_EQ(message(map, one, 0), "roi_pool: height, width: expected positive numbers, got 0, 2");
  EXPECT_EQ(message(map, one, 2, 0), "roi_pool: spatial_scale: expected a positive number, got 0");
  EXPECT_EQ(message(map.to(at::kMeta), one.to(at::kMeta)), "roi_pool: no implementation for device meta");
}

}  // namespace
}  // namespace rcnn::ops
