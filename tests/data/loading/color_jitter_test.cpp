#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/data/loading/color_jitter.h>

namespace rcnn::data {
namespace {

at::Tensor as_image(const nlohmann::json& rows) {
  std::vector<int64_t> values;
  for (const auto& row : rows) {
    for (const auto& pixel : row) values.insert(values.end(), pixel.begin(), pixel.end());
  }
  return at::tensor(values).to(at::kByte).reshape({std::ssize(rows), std::ssize(rows[0]), 3});
}

TEST(ColorJitter, AdjustmentsAreTorchvisions) {
  const auto golden = nlohmann::json::parse(std::ifstream(RCNN_FIXTURES "/color.json"));
  const std::map<std::string, void (*)(at::Tensor&, double)> adjustments = {{"brightness", adjust_brightness},
                                                                            {"contrast", adjust_contrast},
                                                                            {"saturation", adjust_saturation},
                                                                            {"hue", adjust_hue}};
  ASSERT_EQ(golden["cases"].size(), 17u);
  for (const auto& one : golden["cases"]) {
    at::Tensor image = as_image(golden["image"]);
    adjustments.at(one["what"])(image, one["factor"]);
    EXPECT_TRUE(image.equal(as_image(one["image"]))) << one["what"] << " by " << one["factor"];
  }
}

TEST(ColorJitter, RefusesFactorsWithoutMeaning) {
  at::Tensor image = at::zeros({2, 2, 3}, at::kByte);
  EXPECT_THROW(adjust_brightness(image, -0.1), c10::Error);
  EXPECT_THROW(adjust_contrast(image, -0.1), c10::Error);
  EXPECT_THROW(adjust_saturation(image, -0.1), c10::Error);
  EXPECT_THROW(adjust_hue(image, 0.6), c10::Error);
  at::Tensor floats = at::zeros({2, 2, 3});
  EXPECT_THROW(adjust_hue(floats, 0.1), c10::Error);
}

TEST(ColorJitter, DependsOnTheSeedAloneAndVaries) {
  const at::Tensor image = at::randint(0, 256, {6, 5, 3}, at::kByte);
  const ColorJitterOptions options{.brightness = 0.4, .contrast = 0.4, .saturation = 0.4, .hue = 0.1};
  int64_t changed = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    at::Tensor first = image.clone(), second = image.clone(), next = image.clone();
    jitter_color(first, options, seed);
    jitter_color(second, options, seed);
    jitter_color(next, options, seed + 1000);
    EXPECT_TRUE(first.equal(second)) << "seed " << seed;
    changed += !first.equal(next);
  }
  EXPECT_EQ(changed, 50);
}

TEST(ColorJitter, FactorsStayInTheirRange) {
  double least = 2, most = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    at::Tensor image = at::full({1, 1, 3}, 100, at::kByte);
    jitter_color(image, {.brightness = 0.5}, seed);
    const double factor = image[0][0][0].item<double>() / 100;
    least = std::min(least, factor);
    most = std::max(most, factor);
  }
  EXPECT_GE(least, 0.49);  // values are cut off to whole ones
  EXPECT_LT(least, 0.52);
  EXPECT_LE(most, 1.5);
  EXPECT_GT(most, 1.47);
}

TEST(ColorJitter, WhatIsOffLeavesTheOthersChoicesAlone) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    // On a grey pixel saturation and hue do nothing, so that brightness is seen alone.
    at::Tensor alone = at::full({1, 1, 3}, 100, at::kByte), beside = alone.clone();
    jitter_color(alone, {.brightness = 0.5}, seed);
    jitter_color(beside, {.brightness = 0.5, .saturation = 0.9}, seed);
    // Saturation's grey of (v, v, v) is v or v - 1: 0.2989 + 0.587 + 0.114 is 0.9999.
    EXPECT_LE((alone.to(at::kInt) - beside.to(at::kInt)).abs().max().item<int>(), 2) << "seed " << seed;
  }
}

}  // namespace
}  // namespace rcnn::data
