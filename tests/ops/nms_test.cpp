#include <cmath>
#include <limits>

#include <rcnn/ops/nms.h>

#include "tests/ops/box_lists.h"
#include "tests/support/devices.h"
#include "tests/support/goldens.h"
#include "tests/support/naive_ops.h"
#include "tests/support/tensors.h"

namespace rcnn::ops {
namespace {

using namespace rcnn::test;

class NmsTest : public OnDevice {
 protected:
  /// On the test's device, the answer back on the CPU.
  static at::Tensor kept(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold,
                         int64_t max_kept = -1) {
    const at::Tensor result = nms(on_device(boxes), on_device(scores), iou_threshold, max_kept);
    EXPECT_EQ(result.device().type(), device().type());
    return result.cpu();
  }
};
INSTANTIATE_TEST_SUITE_P(, NmsTest, devices(), device_name);

TEST_P(NmsTest, AgreesWithTorchvision) {
  const auto json = golden("ops.json").at("nms");
  const at::Tensor boxes = golden_tensor(json.at("boxes")), scores = golden_tensor(json.at("scores"));
  const double threshold = json.at("iou_threshold");
  EXPECT_TRUE(identical(kept(boxes, scores, threshold), golden_tensor(json.at("nms"), at::kLong)));
  const at::Tensor groups = golden_tensor(json.at("groups"), at::kLong);
  EXPECT_TRUE(identical(batched_nms(on_device(boxes), on_device(scores), on_device(groups), threshold).cpu(),
                        golden_tensor(json.at("batched_nms"), at::kLong)));
}

// 63..65 and 200 boxes: around one and several tiles of the CUDA mask.
TEST_P(NmsTest, AgreesWithTheDefinition) {
  for (const int64_t count : {1, 2, 63, 64, 65, 200}) {
    for (const double threshold : {0.0, 0.3, 0.7, 1.0}) {
      SCOPED_TRACE(testing::Message() << "seed and count " << count << ", threshold " << threshold);
      torch::manual_seed(count);
      const at::Tensor boxes = random_boxes(count, 50), scores = at::rand({count});
      const at::Tensor groups = at::randint(0, 3, {count}, at::kLong);
      EXPECT_TRUE(identical(kept(boxes, scores, threshold),
                            naive_nms(boxes, scores, at::zeros_like(groups), threshold)));
      EXPECT_TRUE(
          identical(batched_nms(on_device(boxes), on_device(scores), on_device(groups), threshold).cpu(),
                    naive_nms(boxes, scores, groups, threshold)));
      EXPECT_TRUE(identical(kept(boxes.to(at::kDouble), scores.to(at::kDouble), threshold),
                            naive_nms(boxes, scores, at::zeros_like(groups), threshold)));
    }
  }
}

TEST_P(NmsTest, StopsAtMaxKept) {
  torch::manual_seed(1);
  const at::Tensor boxes = random_boxes(300, 100), scores = at::rand({300});
  const at::Tensor all = kept(boxes, scores, 0.5);
  ASSERT_GT(all.size(0), 70);
  for (const int64_t most : {0, 1, 64, 70})
    EXPECT_TRUE(identical(kept(boxes, scores, 0.5, most), all.slice(0, 0, most)));
  EXPECT_TRUE(identical(kept(boxes, scores, 0.5, 1000), all));
}

TEST_P(NmsTest, KeepsNothingOfNothing) {
  const at::Tensor result = kept(at::empty({0, 4}), at::empty({0}), 0.5);
  EXPECT_EQ(result.sizes(), at::IntArrayRef({0}));
  EXPECT_EQ(result.scalar_type(), at::kLong);
}

TEST_P(NmsTest, TakesEqualScoresByIndex) {
  const at::Tensor boxes = torch::tensor(
      {{0., 0., 10., 10.}, {50., 0., 60., 10.}, {0., 0., 10., 10.}, {50., 0., 60., 10.}}, at::kFloat);
  EXPECT_TRUE(identical(kept(boxes, at::ones({4}), 0.5), indices({0, 1})));
  const int64_t count = 500;  // long enough for an unstable sort to show
  const at::Tensor apart =
      at::arange(count, at::kFloat).mul(10).unsqueeze(1) + torch::tensor({0.f, 0.f, 5.f, 5.f});
  EXPECT_TRUE(identical(kept(apart, at::zeros({count}), 0.5), at::arange(count)));
}

TEST_P(NmsTest, PutsNanScoresLast) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const at::Tensor apart =
      at::arange(4, at::kFloat).mul(10).unsqueeze(1) + torch::tensor({0.f, 0.f, 5.f, 5.f});
  EXPECT_TRUE(identical(kept(apart, torch::tensor({nan, 1.f, -inf, 2.f}), 0.5), indices({3, 1, 2, 0})));
}

TEST_P(NmsTest, DropsAboveTheThresholdAndNotAtIt) {
  const at::Tensor boxes = torch::tensor({{0.f, 0.f, 4.f, 4.f}, {0.f, 0.f, 4.f, 2.f}});  // IoU 0.5
  const at::Tensor scores = torch::tensor({2.f, 1.f});
  EXPECT_TRUE(identical(kept(boxes, scores, 0.5), indices({0, 1})));
  EXPECT_TRUE(identical(kept(boxes, scores, std::nextafter(0.5, 0.0)), indices({0})));

  const float above = std::nextafter(2.f, 3.f), below = std::nextafter(2.f, 1.f);
  const auto pair = [](float y2) { return torch::tensor({{0.f, 0.f, 4.f, 4.f}, {0.f, 0.f, 4.f, y2}}); };
  EXPECT_TRUE(identical(kept(pair(above), scores, 0.5), indices({0})));
  EXPECT_TRUE(identical(kept(pair(below), scores, 0.5), indices({0, 1})));

  // 0.3 in float is above 0.3: an IoU of 0.3f is greater than a threshold of 0.3, and not than one of 0.3f.
  const at::Tensor tenths = torch::tensor({{0.f, 0.f, 10.f, 1.f}, {0.f, 0.f, 3.f, 1.f}});
  EXPECT_TRUE(identical(kept(tenths, scores, 0.3), indices({0})));
  EXPECT_TRUE(identical(kept(tenths, scores, static_cast<double>(0.3f)), indices({0, 1})));
}

TEST_P(NmsTest, BoxesWithoutAreaOrWithNanSuppressNothing) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const at::Tensor boxes = torch::tensor({{nan, 0.f, 10.f, 10.f},
                                          {5.f, 5.f, 5.f, 5.f},
                                          {9.f, 9.f, 1.f, 1.f},
                                          {-inf, -inf, inf, inf},
                                          {0.f, 0.f, 10.f, 10.f},
                                          {0.f, 0.f, 10.f, nan}});
  EXPECT_TRUE(identical(kept(boxes, at::arange(6, 0, -1, at::kFloat), 0), at::arange(6)));
}

TEST_P(NmsTest, DoesNotDependOnTheOrderOfTheBoxes) {
  torch::manual_seed(5);
  const at::Tensor boxes = random_boxes(150, 60), scores = at::randperm(150).to(at::kFloat);
  const at::Tensor permutation = at::randperm(150);
  const at::Tensor result =
      kept(boxes.index_select(0, permutation), scores.index_select(0, permutation), 0.4);
  EXPECT_TRUE(identical(permutation.index_select(0, result), kept(boxes, scores, 0.4)));
}

TEST_P(NmsTest, ReadsAnyStrides) {
  torch::manual_seed(6);
  const at::Tensor wide = random_boxes(80, 40).repeat({1, 2}), scores = at::rand({160});
  const at::Tensor boxes = wide.slice(1, 2, 6), every_second = scores.slice(0, 0, 160, 2);
  ASSERT_FALSE(boxes.is_contiguous());
  EXPECT_TRUE(identical(nms(on_device(wide).slice(1, 2, 6), on_device(scores).slice(0, 0, 160, 2), 0.4).cpu(),
                        kept(boxes.contiguous(), every_second.contiguous(), 0.4)));
}

TEST_P(NmsTest, FarGroupsStayApart) {
  const at::Tensor boxes = torch::tensor({{0.f, 0.f, 9.f, 9.f}}).repeat({4, 1});
  const int64_t far = std::numeric_limits<int64_t>::max();
  const at::Tensor groups = indices({far, far - 1, -far, far});
  EXPECT_TRUE(identical(
      batched_nms(on_device(boxes), on_device(at::arange(4, 0, -1, at::kFloat)), on_device(groups), 0.5)
          .cpu(),
      indices({0, 1, 2})));
}

// More than the mask on a GPU has room for at a time.
TEST_P(NmsTest, ManyBoxesOfManyClassesAreNmsOfEachClass) {
  constexpr int64_t kClasses = 200, kCount = 60'000;
  torch::manual_seed(7);
  const at::Tensor boxes = random_boxes(kCount, 100), scores = at::randperm(kCount).to(at::kFloat);
  const at::Tensor classes = at::randint(0, kClasses, {kCount}, at::kLong);
  std::vector<at::Tensor> of_classes;
  for (int64_t c = 0; c < kClasses; ++c) {
    const at::Tensor members = (classes == c).nonzero().squeeze(1);
    of_classes.push_back(
        members.index_select(0, nms(boxes.index_select(0, members), scores.index_select(0, members), 0.5)));
  }
  const at::Tensor all = at::cat(of_classes);
  const at::Tensor expected = all.index_select(0, scores.index_select(0, all).argsort(0, true));
  ASSERT_LT(expected.size(0), kCount);
  const auto found = [&](int64_t max_kept) {
    return batched_nms(on_device(boxes), on_device(scores), on_device(classes), 0.5, max_kept).cpu();
  };
  EXPECT_TRUE(identical(found(-1), expected));
  EXPECT_TRUE(identical(found(300), expected.slice(0, 0, 300)));
}

class PaddedNmsTest : public OnDevice {};
INSTANTIATE_TEST_SUITE_P(, PaddedNmsTest, devices(), device_name);

TEST_P(PaddedNmsTest, IsNmsOfEachImageAndPadding) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const int seed : {1, 2, 3, 4}) {
    torch::manual_seed(seed);
    const int64_t count = at::randint(1, 300, {1}).item<int64_t>();
    at::Tensor boxes = at::stack({random_boxes(count, 50), random_boxes(count, 90), random_boxes(count, 20)});
    at::Tensor scores = at::rand({3, count});
    scores[1].slice(0, count / 2).fill_(-inf);  // slots without a box
    scores[2].fill_(std::nan(""));
    const at::Tensor groups = at::randint(0, 3, {3, count}, at::kLong);
    for (const int64_t max_kept : {1L, 20L, count + 7}) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << ", max_kept " << max_kept);
      const PaddedNms all = padded_nms(on_device(boxes), on_device(scores), {}, 0.5, max_kept);
      const PaddedNms grouped =
          padded_nms(on_device(boxes), on_device(scores), on_device(groups), 0.5, max_kept);
      for (int64_t image = 0; image < 3; ++image) {
        const at::Tensor present = (scores[image] > -inf).nonzero().squeeze(1);
        const auto of = [&](const at::Tensor& tensor) { return tensor[image].index_select(0, present); };
        const auto check = [&](const PaddedNms& padded, const at::Tensor& expected) {
          const int64_t kept = expected.size(0);
          EXPECT_EQ(padded.counts[image].item<int64_t>(), kept);
          EXPECT_TRUE(identical(padded.indices[image].cpu(),
                                at::cat({expected, at::full({max_kept - kept}, -1, at::kLong)})));
        };
        check(all, nms(of(boxes), of(scores), 0.5, max_kept));
        check(grouped, batched_nms(of(boxes), of(scores), of(groups), 0.5, max_kept));
      }
    }
  }
}

TEST_P(PaddedNmsTest, WithoutImagesBoxesOrRoom) {
  const auto check = [](at::IntArrayRef sizes, int64_t max_kept) {
    const at::Tensor scores = on_device(at::rand(sizes));
    const PaddedNms padded =
        padded_nms(on_device(at::rand({sizes[0], sizes[1], 4})), scores, {}, 0.5, max_kept);
    EXPECT_TRUE(identical(padded.indices, at::full({sizes[0], max_kept}, -1, at::kLong)));
    EXPECT_TRUE(identical(padded.counts, at::zeros({sizes[0]}, at::kLong)));
  };
  check({0, 5}, 3);
  check({2, 0}, 3);
  check({2, 5}, 0);
}

TEST(NmsThreads, DoNotChangeTheResult) {
  torch::manual_seed(11);
  const at::Tensor boxes = random_boxes(5000, 1000), scores = at::rand({5000});
  const at::Tensor groups = at::randint(0, 7, {5000}, at::kLong);
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    return std::pair(nms(boxes, scores, 0.6), batched_nms(boxes, scores, groups, 0.6));
  };
  const auto one = run(1), two = run(2);
  EXPECT_TRUE(identical(two.first, one.first));
  EXPECT_TRUE(identical(two.second, one.second));
}

TEST(NmsErrors, NameTheArgument) {
  const at::Tensor boxes = at::zeros({3, 4}), scores = at::zeros({3});
  const auto message = [&](const at::Tensor& b, const at::Tensor& s, double threshold = 0.5,
                           int64_t most = -1) { return error_of([&] { nms(b, s, threshold, most); }); };
  EXPECT_EQ(message(at::zeros({3, 5}), scores), "nms: boxes: expected [N, 4], got [3, 5]");
  EXPECT_EQ(message(boxes, at::zeros({2})), "nms: scores: expected [N] for boxes [N, 4], got [2] and [3, 4]");
  EXPECT_EQ(message(boxes.to(at::kInt), scores), "nms: boxes: expected float32 or float64, got Int");
  EXPECT_EQ(message(boxes, scores.to(at::kDouble)),
            "nms: scores: expected the boxes' dtype Float, got Double");
  EXPECT_EQ(message(boxes, scores.to(at::kMeta)), "nms: scores: expected the boxes' device cpu, got meta");
  EXPECT_EQ(message(boxes, scores, 1.5), "nms: iou_threshold: expected 0 to 1, got 1.5");
  EXPECT_EQ(message(boxes, scores, std::nan("")), "nms: iou_threshold: expected 0 to 1, got nan");
  EXPECT_EQ(message(boxes, scores, 0.5, -2), "nms: max_kept: expected -1 or a count, got -2");
  EXPECT_EQ(message(boxes.to(at::kMeta), scores.to(at::kMeta)), "nms: no implementation for device meta");
  EXPECT_EQ(error_of([&] { batched_nms(boxes, scores, at::zeros({2}, at::kLong), 0.5); }),
            "nms: groups: expected [N] for boxes [N, 4], got [2] and [3, 4]");
  EXPECT_EQ(error_of([&] { batched_nms(boxes, scores, at::zeros({3}), 0.5); }),
            "nms: groups: expected int64, got Float");
  EXPECT_EQ(error_of([&] { padded_nms(boxes, scores, {}, 0.5, 5); }),
            "padded_nms: boxes: expected [B, N, 4], got [3, 4]");
  EXPECT_EQ(error_of([&] { padded_nms(boxes.unsqueeze(0), scores.unsqueeze(0), {}, 0.5, -1); }),
            "padded_nms: max_kept: expected a count, got -1");
}

}  // namespace
}  // namespace rcnn::ops
