#include <cmath>

#include <rcnn/nn/roi/ohem_sampler.h>

#include "tests/support/goldens.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;

at::Tensor longs(const std::vector<int64_t>& values) {
  return torch::tensor(values, at::kLong);
}

/// Boxes in an order of their own, to compare sets of them.
at::Tensor sorted_rows(const at::Tensor& boxes) {
  auto sorted = boxes;
  for (int64_t column = 3; column >= 0; --column) {
    sorted = sorted.index_select(0, sorted.select(1, column).argsort(/*stable=*/true, 0, false));
  }
  return sorted;
}

TEST(OhemSampler, ChoosesWhatMmdetectionsChooses) {
  const auto cases = golden("ohem_sampler.json").at("cases");
  ASSERT_GE(cases.size(), 4u);
  for (const auto& golden_case : cases) {
    const auto truth = golden_tensor(golden_case["truth"]), none = torch::zeros({0, 4});
    const auto candidates = golden_tensor(golden_case["candidates"]);
    const auto scores = golden_tensor(golden_case["scores"]);
    const boxes::SamplerOptions options{.count = golden_case["num"],
                                        .positive_fraction = golden_case["positive_fraction"]};
    const auto all = sample_rois(
        {golden_tensor(golden_case["proposals"])}, {{truth, longs(golden_case["labels"]), none}},
        {.positive_iou = 0.5, .negative_iou = 0.5}, {.count = candidates.size(0), .positive_fraction = 1});
    ASSERT_EQ(all.counts[0], candidates.size(0));
    const auto place = (all.boxes[0].unsqueeze(1) == candidates.unsqueeze(0)).all(2).to(at::kLong).argmax(1);
    const auto chosen = all.select(worst_classified_rois(all, scores.index_select(0, place), options));
    const auto positive = longs(golden_case["positive"]), negative = longs(golden_case["negative"]);
    ASSERT_EQ(chosen.positives[0], positive.size(0));
    ASSERT_EQ(chosen.counts[0], positive.size(0) + negative.size(0));
    EXPECT_TRUE(identical(sorted_rows(chosen.boxes[0].narrow(0, 0, chosen.positives[0])),
                          sorted_rows(candidates.index_select(0, positive))));
    EXPECT_TRUE(identical(sorted_rows(chosen.boxes[0].slice(0, chosen.positives[0])),
                          sorted_rows(candidates.index_select(0, negative))));
  }
}

/// Two images: an object and three of background, and two objects.
RoiBatch two_images() {
  const auto labels = torch::tensor({{1, 0, 0, 0}, {2, 1, -1, -1}}, at::kLong);
  return {.boxes = torch::zeros({2, 4, 4}),
          .labels = labels,
          .truth = at::full_like(labels, -1),
          .truth_boxes = torch::zeros({2, 4, 4}),
          .proposal = at::full_like(labels, -1),
          .counts = {4, 2},
          .positives = {1, 2}};
}

// Logits of background alone, 0 for the classes: the greater, the better for background.
at::Tensor of_background(const std::vector<float>& logits) {
  auto scores = torch::zeros({std::ssize(logits), 3});
  scores.select(1, 0).copy_(torch::tensor(logits));
  return scores;
}

TEST(OhemSampler, TakesTheWorstOfObjectsAndTheWorstOfBackground) {
  const auto scores = of_background({0, 3, 1, 2, -1, 5});
  const auto rows = [&](int64_t count, double fraction) {
    return worst_classified_rois(two_images(), scores, {.count = count, .positive_fraction = fraction});
  };
  EXPECT_TRUE(
      identical(rows(3, 0.5), torch::tensor({{0, 2, 3, -1}, {1, -1, -1, -1}}, at::kLong).narrow(1, 0, 4)));
  EXPECT_TRUE(identical(rows(2, 1), torch::tensor({{0, -1, 2, -1}, {1, 0, -1, -1}}, at::kLong)));
}

TEST(OhemSampler, ALossThatIsNoNumberIsNotLost) {
  const auto scores = of_background({0, 3, std::nanf(""), 2, -1, 5});
  const auto rows = worst_classified_rois(two_images(), scores, {.count = 1, .positive_fraction = 0});
  EXPECT_TRUE(identical(rows, torch::tensor({{2}, {-1}}, at::kLong)));
  EXPECT_EQ(error_of([&] { worst_classified_rois(two_images(), scores.narrow(0, 0, 5), {}); }),
            "worst_classified_rois: scores: expected [6, C + 1], got [5, 3]");
}

}  // namespace
}  // namespace rcnn::nn
