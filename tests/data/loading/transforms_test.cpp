#include <fstream>
#include <map>
#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <rcnn/data/loading/transforms.h>

#include "data/loading/random.h"

namespace rcnn::data {
namespace {

nlohmann::json golden() {
  return nlohmann::json::parse(std::ifstream(RCNN_FIXTURES "/resize.json"));
}

Record square_record() {
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

TEST(Resized, IsDetectron2sOrMmdetectionsSize) {
  const auto all = golden();
  for (const auto& [peer, resize] : {std::pair{"pillow", Resize::pillow}, {"opencv", Resize::opencv}}) {
    const auto& rows = all[peer]["sizes"];
    ASSERT_GT(rows.size(), 200u);
    int64_t others = 0;
    for (const auto& row : rows) {
      const std::vector<int64_t> v = row;
      const ImageSize size{v[4], v[5]};
      EXPECT_EQ(resized({v[0], v[1]}, v[2], v[3], resize), size) << peer << ": " << row;
      others += resized({v[0], v[1]}, v[2], v[3]) != size;
    }
    EXPECT_GT(others, 50) << peer;
  }
}

TEST(Resized, IsNeverEmpty) {
  for (const auto resize : {Resize::torchvision, Resize::pillow, Resize::opencv}) {
    EXPECT_EQ(resized({1, 20000}, 800, 1333, resize), (ImageSize{1, 1333}));
    EXPECT_EQ(resized({20000, 1}, 800, 1333, resize), (ImageSize{1333, 1}));
  }
}

TEST(Transform, ScalesBoxesByTheRatioOfTheSizes) {
  const at::Tensor image = at::randint(0, 256, {10, 20, 3}, at::kByte);
  const Sample sample = transform(image, square_record(), {.min_size = 25, .max_size = 1000}, 0);
  EXPECT_EQ(sample.size, (ImageSize{25, 50}));
  EXPECT_TRUE(sample.image.equal(image));
  EXPECT_TRUE(
      sample.target.boxes.equal(at::tensor({2.5f, 5.f, 12.5f, 20.f, 25.f, 0.f, 50.f, 25.f}).view({2, 4})));
  EXPECT_TRUE(sample.target.labels.equal(at::tensor({3, 2}, at::kLong)));
  EXPECT_TRUE(sample.target.ignore.equal(at::tensor({0.f, 0.f, 50.f, 25.f}).view({1, 4})));
}

TEST(Transform, ScalesBoxesToTheSizeThatTheModelsResizingGives) {
  const Record whole{.id = "a", .image = "", .objects = {{.box = {0, 0, 31, 17}, .label = 1}}};
  for (const auto resize : {Resize::pillow, Resize::opencv}) {
    const Sample sample = transform(at::zeros({17, 31, 3}, at::kByte), whole,
                                    {.min_size = 127, .max_size = 1000, .resize = resize}, 0);
    EXPECT_EQ(sample.size, (ImageSize{127, 232}));  // 231.6
    EXPECT_TRUE(at::allclose(sample.target.boxes, at::tensor({0.f, 0.f, 232.f, 127.f}).view({1, 4}), 1e-6));
  }
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
  const Sample sample = transform(image, square_record(), {.min_size = 10, .max_size = 1000, .flip = 1}, 0);
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

TEST(Transform, ProposalsAreUndefinedWithoutAndEmptyWhereThereIsNone) {
  const at::Tensor image = at::zeros({10, 20, 3}, at::kByte);
  Record record;
  EXPECT_FALSE(transform(image, record, {.min_size = 10}, 0).proposals.defined());
  record.proposals.emplace();
  EXPECT_EQ(transform(image, record, {.min_size = 10}, 0).proposals.sizes(), (std::vector<int64_t>{0, 4}));
  // Twice as large, and in the order in which they are given.
  record.proposals = {{10, 0, 20, 10}, {1, 2, 5, 8}};
  EXPECT_TRUE(transform(image, record, {.min_size = 20}, 0)
                  .proposals.equal(at::tensor({20.F, 0.F, 40.F, 20.F, 2.F, 4.F, 10.F, 16.F}).view({2, 4})));
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

TEST(Transform, DrawsOneOfTheMinSizes) {
  const at::Tensor image = at::zeros({10, 20, 3}, at::kByte);
  const TransformOptions options{.min_size = 999, .max_size = 60, .min_sizes = {10, 20, 40}};
  std::map<int64_t, int> heights;
  for (uint64_t seed = 0; seed < 900; ++seed) ++heights[transform(image, {}, options, seed).size.height];
  ASSERT_EQ(heights.size(), 3u);
  for (const int64_t height : {10, 20, 30}) {         // 40 would be 80 wide: max_size makes it 30
    EXPECT_NEAR(heights[height], 300, 71) << height;  // five standard deviations of 14.1
  }
}

// What exists today must not change under its users: these are Random(seed).chance(0.5) of the first seeds.
TEST(Transform, FlipsKeepTheirStream) {
  const at::Tensor image = at::arange(6, at::kByte).view({1, 2, 3});
  const TransformOptions alone{.min_size = 1, .flip = 0.5};
  TransformOptions beside{.min_size = 1, .flip = 0.5, .min_sizes = {1, 2}};
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const bool flipped = Random(seed).chance(0.5);
    EXPECT_EQ(transform(image, {}, alone, seed).image.equal(image.flip(1)), flipped) << seed;
    EXPECT_EQ(transform(image, {}, beside, seed).image.equal(image.flip(1)), flipped) << seed;
  }
}

TEST(Transform, ColorsMoveAndTheDataSetsPixelsStay) {
  const at::Tensor image = at::randint(0, 256, {10, 20, 3}, at::kByte);
  const at::Tensor before = image.clone();
  const Sample sample =
      transform(image, square_record(), {.min_size = 10, .color_jitter = {.brightness = 0.9}}, 5);
  EXPECT_TRUE(image.equal(before));
  EXPECT_FALSE(sample.image.equal(image));
  EXPECT_TRUE(sample.target.boxes.equal(transform(image, square_record(), {.min_size = 10}, 5).target.boxes));
}

TEST(ScaleJitter, ScalesAndCutsByHand) {
  // 10 x 20 fits into 20 x 20 by 1, times 2: 20 x 40, of which 20 x 20 are kept: 10 x 10 of the source.
  const at::Tensor image = at::randint(0, 256, {10, 20, 3}, at::kByte);
  const TransformOptions options{.scale_jitter = ScaleJitterOptions{.min = 2, .max = 2, .size = {20, 20}}};
  std::set<int64_t> places;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    const Sample sample = transform(image, square_record(), options, seed);
    EXPECT_EQ(sample.size, (ImageSize{20, 20}));
    ASSERT_EQ(sample.image.sizes(), (std::vector<int64_t>{10, 10, 3}));
    EXPECT_TRUE(sample.image.is_contiguous());
    int64_t left = 0;
    while (left <= 10 && !sample.image.equal(image.slice(1, left, left + 10))) ++left;
    ASSERT_LE(left, 10) << "no part of the image";
    places.insert(left);
    const auto cut = [left](float x) { return 2 * std::clamp(x - static_cast<float>(left), 0.F, 10.F); };
    std::vector<float> boxes;
    std::vector<int64_t> labels;
    if (left < 5) {  // of columns 1 to 5 something is left
      boxes.insert(boxes.end(), {cut(1), 4, cut(5), 16});
      labels.push_back(3);
    }
    if (left > 0) {  // and of columns 10 to 20
      boxes.insert(boxes.end(), {cut(10), 0, cut(20), 20});
      labels.push_back(2);
    }
    EXPECT_TRUE(sample.target.boxes.equal(at::tensor(boxes).view({-1, 4}))) << sample.target.boxes;
    EXPECT_TRUE(sample.target.labels.equal(at::tensor(labels, at::kLong)));
    EXPECT_TRUE(sample.target.ignore.equal(at::tensor({0.F, 0.F, 20.F, 20.F}).view({1, 4})));
  }
  EXPECT_EQ(places.size(), 11u) << "a cut may lie anywhere";
}

TEST(ScaleJitter, AnImageThatBecomesSmallerStaysWhole) {
  const at::Tensor image = at::randint(0, 256, {10, 20, 3}, at::kByte);
  const TransformOptions options{.scale_jitter =
                                     ScaleJitterOptions{.min = 0.5, .max = 0.5, .size = {40, 40}}};
  const Sample sample = transform(image, square_record(), options, 1);
  EXPECT_EQ(sample.size, (ImageSize{10, 20}));
  EXPECT_TRUE(sample.image.equal(image));
  EXPECT_EQ(sample.target.boxes.size(0), 2);
}

TEST(ScaleJitter, DrawsScalesEvenly) {
  const at::Tensor image = at::zeros({100, 100, 3}, at::kByte);
  const TransformOptions options{.scale_jitter =
                                     ScaleJitterOptions{.min = 0.1, .max = 0.9, .size = {1000, 1000}}};
  double sum = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const auto size = transform(image, {}, options, seed).size;
    EXPECT_EQ(size.height, size.width);
    EXPECT_GE(size.height, 100);
    EXPECT_LE(size.height, 900);
    sum += static_cast<double>(size.height);
  }
  EXPECT_NEAR(sum / 1000, 500, 37);  // five standard deviations of 231 / sqrt(1000)
}

/// The smallest box around the pixels of a colour no background has, in pixels of the image.
Box around(const at::Tensor& image) {
  const auto here = image.select(2, 0).eq(255).nonzero();
  if (here.size(0) == 0) return {};
  const auto least = std::get<0>(here.min(0)), most = std::get<0>(here.max(0));
  return {least[1].item<float>(), least[0].item<float>(), most[1].item<float>() + 1,
          most[0].item<float>() + 1};
}

// Whatever is drawn, the box that comes out surrounds the pixels that the box that went in surrounded.
TEST(Transform, BoxesFollowTheirPixels) {
  int64_t kept = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    Random random(hash(seed, 77));
    const int64_t height = 5 + random.below(60), width = 5 + random.below(60);
    const int64_t x1 = random.below(width), y1 = random.below(height);
    const int64_t x2 = x1 + 1 + random.below(width - x1), y2 = y1 + 1 + random.below(height - y1);
    at::Tensor image = at::randint(0, 200, {height, width, 3}, at::kByte);
    image.slice(0, y1, y2).slice(1, x1, x2).fill_(255);
    const Box box{static_cast<float>(x1), static_cast<float>(y1), static_cast<float>(x2),
                  static_cast<float>(y2)};
    const Record one{.id = "a", .image = "", .objects = {{.box = box, .label = 1}}, .proposals = {{box}}};
    TransformOptions options{.min_size = 16, .max_size = 200, .flip = 0.5, .min_sizes = {16, 40, 90}};
    if (seed % 2 == 1) {
      options.min_sizes.clear();
      options.scale_jitter = {.min = 0.3, .max = 3, .size = {16 + random.below(60), 16 + random.below(60)}};
    }
    const Sample sample = transform(image, one, options, seed);
    EXPECT_TRUE(sample.proposals.equal(sample.target.boxes)) << "proposals move as boxes do";
    const auto expected = around(sample.image);
    if (sample.target.boxes.size(0) == 0) {
      EXPECT_EQ(expected, Box());
      continue;
    }
    ++kept;
    const float scale_x = static_cast<float>(sample.size.width) / static_cast<float>(sample.image.size(1));
    const float scale_y = static_cast<float>(sample.size.height) / static_cast<float>(sample.image.size(0));
    const auto pixels = at::tensor(
        {expected.x1 * scale_x, expected.y1 * scale_y, expected.x2 * scale_x, expected.y2 * scale_y});
    EXPECT_TRUE(at::allclose(sample.target.boxes[0], pixels, 1e-5, 1e-4)) << sample.target.boxes << pixels;
    EXPECT_GE(sample.target.boxes.min().item<float>(), 0);
    EXPECT_LE(sample.target.boxes[0][2].item<float>(), static_cast<float>(sample.size.width) + 1e-3F);
    EXPECT_LE(sample.target.boxes[0][3].item<float>(), static_cast<float>(sample.size.height) + 1e-3F);
    if (options.scale_jitter) {
      EXPECT_LE(sample.size.height, options.scale_jitter->size.height);
      EXPECT_LE(sample.size.width, options.scale_jitter->size.width);
    }
  }
  EXPECT_GT(kept, 300);
}

}  // namespace
}  // namespace rcnn::data
