#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/data/transforms.h>

namespace rcnn::data {
namespace {

nlohmann::json golden() {
  return nlohmann::json::parse(std::ifstream(RCNN_FIXTURES "/resize.json"));
}

Record record() {
  return {.id = "a",
          .image = "a.jpg",
          .objects = {{.box = {1, 2, 5, 8}, .label = 3},
                      {.box = {0, 0, 20, 10}, .label = 1, .ignore = true},
                      {.box = {10, 0, 20, 10}, .label = 2}}};
}

TEST(Resized, IsTorchvisionsSize) {
  const auto rows = golden()["sizes"];
  ASSERT_GT(rows.size(), 200u);
  for (const auto& row : rows) {
    const std::vector<int64_t> v = row;
    EXPECT_EQ(resized({v[0], v[1]}, v[2], v[3]), (ImageSize{v[4], v[5]})) << row;
  }
}

TEST(Resized, IsNeverEmpty) {
  EXPECT_EQ(resized({1, 20000}, 800, 1333), (ImageSize{1, 1333}));
}

TEST(Transform, ScalesBoxesByTheRatioOfTheSizes) {
  const at::Tensor image = at::randint(0, 256, {10, 20, 3}, at::kByte);
  const Sample sample = transform(image, record(), {.min_size = 25, .max_size = 1000}, 0);
  EXPECT_EQ(sample.size, (ImageSize{25, 50}));
  EXPECT_TRUE(sample.image.equal(image));
  EXPECT_TRUE(
      sample.target.boxes.equal(at::tensor({2.5f, 5.f, 12.5f, 20.f, 25.f, 0.f, 50.f, 25.f}).view({2, 4})));
  EXPECT_TRUE(sample.target.labels.equal(at::tensor({3, 2}, at::kLong)));
  EXPECT_TRUE(sample.target.ignore.equal(at::tensor({0.f, 0.f, 50.f, 25.f}).view({1, 4})));
}

TEST(Transform, EachSideHasItsOwnRatio) {
  // 31 x 17 under (127, 1000): 231.6 is cut to 231, so boxes at the border must end at 231.
  const Record whole{.id = "a", .image = "", .objects = {{.box = {0, 0, 31, 17}, .label = 1}}};
  const Sample sample =
      transform(at::zeros({17, 31, 3}, at::kByte), whole, {.min_size = 127, .max_size = 1000}, 0);
  EXPECT_EQ(sample.size, (ImageSize{127, 231}));
  EXPECT_TRUE(at::allclose(sample.target.boxes, at::tensor({0.f, 0.f, 231.f, 127.f}).view({1, 4}), 1e-6));
}

TEST(Transform, FlipMirrorsPixelsAndBoxes) {
  const at::Tensor image = at::randint(0, 256, {10, 20, 3}, at::kByte);
  const at::Tensor before = image.clone();
  const Sample sample = transform(image, record(), {.min_size = 10, .max_size = 1000, .flip = 1}, 0);
  EXPECT_TRUE(sample.image.equal(image.flip(1)));
  EXPECT_TRUE(image.equal(before)) << "the data set's own pixels were changed";
  EXPECT_TRUE(
      sample.target.boxes.equal(at::tensor({15.f, 2.f, 19.f, 8.f, 0.f, 0.f, 10.f, 10.f}).view({2, 4})));
  EXPECT_TRUE(sample.target.ignore.equal(at::tensor({0.f, 0.f, 20.f, 10.f}).view({1, 4})));
}

TEST(Transform, WithoutObjectsTheTargetIsEmptyNotUndefined) {
  const Sample sample = transform(at::zeros({10, 20, 3}, at::kByte), {}, {.min_size = 10}, 0);
  EXPECT_EQ(sample.target.boxes.sizes(), (std::vector<int64_t>{0, 4}));
  EXPECT_EQ(sample.target.ignore.sizes(), (std::vector<int64_t>{0, 4}));
  EXPECT_EQ(sample.target.labels.sizes(), (std::vector<int64_t>{0}));
  EXPECT_EQ(sample.target.labels.scalar_type(), at::kLong);
}

TEST(Transform, FlipsAsOftenAsAskedAndBySeedAlone) {
  const at::Tensor image = at::arange(6, at::kByte).view({1, 2, 3});
  int flips = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const TransformOptions options{.min_size = 1, .flip = 0.3};
    const at::Tensor result = transform(image, {}, options, seed).image;
    EXPECT_TRUE(result.equal(transform(image, {}, options, seed).image));
    flips += !result.equal(image);
  }
  EXPECT_NEAR(flips, 300, 75);  // five standard deviations of 14.5
}

TEST(Transform, RefusesWhatIsNoImage) {
  EXPECT_THROW(transform(at::zeros({0, 5, 3}, at::kByte), {}, {}, 0), c10::Error);
  EXPECT_THROW(transform(at::zeros({5, 5, 3}), {}, {.flip = 1}, 0), c10::Error);
}

}  // namespace
}  // namespace rcnn::data
