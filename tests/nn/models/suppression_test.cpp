#include <cmath>

#include <rcnn/config/config.h>
#include <rcnn/nn/models/suppression.h>
#include <rcnn/ops/nms.h>
#include <rcnn/ops/soft_nms.h>

#include "tests/support/message_of.h"
#include "tests/support/tensors.h"

namespace rcnn::nn {
namespace {

using namespace rcnn::test;
using Method = SuppressionOptions::Method;

SuppressionOptions suppression_options(const std::string& json) {
  return SuppressionOptions::from(config::Config::parse(json, "f.json").root());
}

Detections random_candidates(int64_t count) {
  const auto corner = at::rand({count, 2}) * 40;
  return {at::cat({corner, corner + at::rand({count, 2}) * 20 + 1}, 1), at::rand({count}),
          at::randint(1, 4, {count}, at::kLong)};
}

void expect_rows(const Detections& actual, const Detections& all, const at::Tensor& rows) {
  EXPECT_TRUE(identical(actual.boxes, all.boxes.index_select(0, rows)));
  EXPECT_TRUE(identical(actual.labels, all.labels.index_select(0, rows)));
}

TEST(SuppressionOptions, EveryKeyIsRead) {
  EXPECT_EQ(suppression_options("{}").method, Method::hard);
  EXPECT_EQ(suppression_options(R"({"nms": "hard"})").method, Method::hard);
  EXPECT_EQ(suppression_options(R"({"nms": "soft_linear"})").method, Method::soft_linear);
  const auto options =
      suppression_options(R"({"nms": "soft_gaussian", "soft_nms_sigma": 0.3, "score_threshold": 0.2,
                                "nms_threshold": 0.4, "max_detections": 9})");
  EXPECT_EQ(options.method, Method::soft_gaussian);
  EXPECT_EQ(options.soft_nms_sigma, 0.3);
  EXPECT_EQ(options.score_threshold, 0.2);
  EXPECT_EQ(options.nms_threshold, 0.4);
  EXPECT_EQ(options.max_detections, 9);
}

TEST(SuppressionOptions, WhatIsWrongIsNamed) {
  for (const auto& [json, part] : std::vector<std::pair<const char*, const char*>>{
           {R"({"nms": "soft"})", "f.json: nms"},
           {R"({"nms": "soft_gausian"})", "did you mean soft_gaussian?"},
           {R"({"soft_nms_sigma": 0})", "f.json: soft_nms_sigma"}}) {
    const auto message = message_of<ConfigError>([&, text = json] { suppression_options(text); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

TEST(Suppress, ErrorsNameTheArgument) {
  auto all = random_candidates(3);
  all.labels = all.labels.slice(0, 0, 2);
  EXPECT_EQ(error_of([&] { suppress(all, {}); }), "suppress: labels: expected [3] for boxes [3, 4], got [2]");
}

TEST(Suppress, HardIsNmsWithinLabelsOfWhatIsAboveTheThreshold) {
  for (const int seed : {1, 2, 3}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    torch::manual_seed(seed);
    const auto all = random_candidates(80);
    const auto found = suppress(all, {.score_threshold = 0.3, .nms_threshold = 0.4});
    const auto kept = ops::batched_nms(all.boxes, all.scores, all.labels, 0.4);
    const auto rows = kept.masked_select(all.scores.index_select(0, kept) > 0.3);
    expect_rows(found, all, rows);
    EXPECT_TRUE(identical(found.scores, all.scores.index_select(0, rows)));
  }
}

TEST(Suppress, SoftIsSoftNmsWithinLabels) {
  for (const auto method : {Method::soft_linear, Method::soft_gaussian}) {
    torch::manual_seed(4);
    const auto all = random_candidates(80);
    const auto found = suppress(
        all, {.score_threshold = 0.2, .method = method, .nms_threshold = 0.4, .soft_nms_sigma = 0.3});
    const auto kept =
        ops::soft_nms(all.boxes, all.scores, all.labels,
                      {.decay = method == Method::soft_linear ? ops::SoftNmsOptions::Decay::linear
                                                              : ops::SoftNmsOptions::Decay::gaussian,
                       .iou_threshold = 0.4,
                       .sigma = 0.3,
                       .min_score = 0.2});
    expect_rows(found, all, kept.indices);
    EXPECT_TRUE(identical(found.scores, kept.scores));
    EXPECT_GT(found.scores.min().item<float>(), 0.2f);
  }
}

TEST(Suppress, KeepsTheBestOfTooManyAndNothingOfNothing) {
  torch::manual_seed(5);
  const auto all = random_candidates(60), none = random_candidates(0);
  for (const auto method : {Method::hard, Method::soft_linear, Method::soft_gaussian}) {
    const auto many = suppress(all, {.method = method});
    const auto few = suppress(all, {.method = method, .max_detections = 5});
    ASSERT_GT(many.scores.size(0), 5);
    EXPECT_TRUE(identical(few.boxes, many.boxes.slice(0, 0, 5)));
    EXPECT_TRUE(identical(few.scores, many.scores.slice(0, 0, 5)));
    EXPECT_TRUE(many.scores.equal(std::get<0>(many.scores.sort(0, /*descending=*/true))));

    const auto nothing = suppress(none, {.method = method});
    EXPECT_EQ(nothing.boxes.sizes(), (at::IntArrayRef{0, 4}));
    EXPECT_EQ(nothing.scores.sizes(), at::IntArrayRef({0}));
    EXPECT_EQ(nothing.labels.sizes(), at::IntArrayRef({0}));
    EXPECT_EQ(suppress(all, {.score_threshold = 1, .method = method}).labels.size(0), 0);
  }
}

}  // namespace
}  // namespace rcnn::nn
