#include <algorithm>
#include <future>
#include <set>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <opencv2/imgproc.hpp>
#include <opencv2/ximgproc/segmentation.hpp>

#include <rcnn/data/proposals/selective_search.h>

#include "data/images/mat.h"

namespace rcnn::data {

void PrintTo(const Box& box, std::ostream* out) {
  *out << '(' << box.x1 << ", " << box.y1 << ", " << box.x2 << ", " << box.y2 << ')';
}

namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;
using Mode = SelectiveSearchOptions::Mode;

const std::vector<Box> kRectangles = {{20, 15, 60, 55}, {90, 30, 150, 70}, {30, 80, 110, 110}};

/// Grey with a red, a green and a blue rectangle.
at::Tensor three_rectangles() {
  auto image = at::full({120, 160, 3}, 128, at::kByte);
  for (int64_t i = 0; i < 3; ++i) {
    const auto& box = kRectangles[static_cast<size_t>(i)];
    auto part = image.slice(0, int64_t(box.y1), int64_t(box.y2)).slice(1, int64_t(box.x1), int64_t(box.x2));
    part.zero_();
    part.select(2, i).fill_(255);
  }
  return image;
}

/// An image with much to find.
at::Tensor noise(int64_t height, int64_t width, uint64_t seed) {
  const auto coarse = at::randint(0, 256, {height / 8 + 1, width / 8 + 1, 3},
                                  at::detail::createCPUGenerator(seed), at::kByte);
  return coarse.repeat_interleave(8, 0)
      .repeat_interleave(8, 1)
      .slice(0, 0, height)
      .slice(1, 0, width)
      .contiguous();
}

TEST(SelectiveSearch, FindsUniformRectanglesExactly) {
  for (const auto mode : {Mode::single, Mode::fast, Mode::quality}) {
    const auto boxes = selective_search(three_rectangles(), {.mode = mode, .limit = 0}, 7);
    for (const auto& rectangle : kRectangles) EXPECT_THAT(boxes, Contains(rectangle)) << int(mode);
    EXPECT_THAT(boxes, Contains(Box{0, 0, 160, 120})) << int(mode);
    for (size_t i = 0; i < boxes.size(); ++i) {
      EXPECT_EQ(std::ranges::count(boxes, boxes[i]), 1) << "is there twice";
      EXPECT_GE(std::min(boxes[i].width(), boxes[i].height()), 20);
    }
  }
}

TEST(SelectiveSearch, EachBoxBoundsAUnionOfInitialRegions) {
  // Those that OpenCV's own segmentation gives under the settings of "single".
  const auto image = three_rectangles();
  cv::Mat hsv, regions;
  cv::cvtColor(as_mat(image), hsv, cv::COLOR_RGB2HSV);
  cv::ximgproc::segmentation::createGraphSegmentation(0.8F, 200)->processImage(hsv, regions);
  double last = 0;
  cv::minMaxLoc(regions, nullptr, &last);
  std::vector<cv::Rect> bounds;
  for (int region = 0; region <= static_cast<int>(last); ++region) {
    bounds.push_back(cv::boundingRect(regions == region));
  }
  ASSERT_LT(bounds.size(), 16u);
  std::set<std::vector<float>> unions;
  for (size_t chosen = 1; chosen < size_t{1} << bounds.size(); ++chosen) {
    cv::Rect all;
    for (size_t i = 0; i < bounds.size(); ++i) {
      if (chosen >> i & 1) all = all.empty() ? bounds[i] : all | bounds[i];
    }
    unions.insert({float(all.x), float(all.y), float(all.br().x), float(all.br().y)});
  }
  for (const auto& [x1, y1, x2, y2] : selective_search(image, {.mode = Mode::single, .min_side = 0}, 7)) {
    EXPECT_TRUE(unions.contains({x1, y1, x2, y2})) << x1 << ' ' << y1 << ' ' << x2 << ' ' << y2;
  }
}

TEST(SelectiveSearch, DependsOnImageOptionsAndSeedAlone) {
  const auto one = noise(80, 100, 1), other = noise(90, 70, 2);
  const auto search = [](const at::Tensor& image, uint64_t seed) {
    return selective_search(image, {.mode = Mode::fast, .min_side = 0}, seed);
  };
  const auto of_one = search(one, 1), of_other = search(other, 2);
  ASSERT_GT(of_one.size(), 20u);
  std::srand(99);
  auto again = std::async(std::launch::async, [&] { return search(one, 1); });
  const auto here = search(other, 2);
  EXPECT_EQ(again.get(), of_one);
  EXPECT_EQ(here, of_other);

  auto reseeded = search(one, 2);
  EXPECT_NE(reseeded, of_one) << "the order is random";
  const auto by_corners = [](const Box& a, const Box& b) {
    return std::tie(a.x1, a.y1, a.x2, a.y2) < std::tie(b.x1, b.y1, b.x2, b.y2);
  };
  auto sorted = of_one;
  std::ranges::sort(sorted, by_corners);
  std::ranges::sort(reseeded, by_corners);
  EXPECT_EQ(reseeded, sorted) << "and the boxes are not";
}

TEST(SelectiveSearch, ModesHaveMoreAndMoreGroupings) {
  const auto image = noise(80, 100, 3);
  const auto count = [&](Mode mode) {
    return selective_search(image, {.mode = mode, .limit = 0, .min_side = 0}, 0).size();
  };
  EXPECT_LT(count(Mode::single), count(Mode::fast));
  EXPECT_LT(count(Mode::fast), count(Mode::quality));
}

TEST(SelectiveSearch, LimitTakesTheBestAndMinSideTheLargeOnes) {
  const auto image = noise(80, 100, 4);
  const auto all = selective_search(image, {.limit = 0, .min_side = 0}, 5);
  const auto best = selective_search(image, {.limit = 7, .min_side = 0}, 5);
  EXPECT_EQ(best, std::vector(all.begin(), all.begin() + 7));
  auto large = all;
  std::erase_if(large, [](const Box& box) { return std::min(box.width(), box.height()) < 30; });
  ASSERT_LT(large.size(), all.size());
  EXPECT_EQ(selective_search(image, {.limit = 0, .min_side = 30}, 5), large);
}

TEST(SelectiveSearch, TheWholeImageStandsForNoBox) {
  for (const auto& [height, width] : {std::pair(1, 1), {1, 2}, {3, 500}, {500, 3}, {19, 400}}) {
    EXPECT_THAT(selective_search(noise(height, width, 6), {.mode = Mode::quality}, 0),
                ElementsAre(Box{0, 0, float(width), float(height)}));
  }
  EXPECT_THAT(selective_search(at::full({60, 80, 3}, 9, at::kByte), {}, 0), ElementsAre(Box{0, 0, 80, 60}));
}

TEST(SelectiveSearch, TakesWhatLiesOtherwiseInMemory) {
  const auto image = noise(60, 80, 8);
  const auto planes = image.permute({2, 0, 1}).contiguous().permute({1, 2, 0});
  ASSERT_FALSE(planes.is_contiguous());
  EXPECT_EQ(selective_search(planes, {}, 0), selective_search(image, {}, 0));
}

TEST(SelectiveSearch, RefusesWhatIsNoImage) {
  EXPECT_THROW(selective_search(at::zeros({0, 5, 3}, at::kByte), {}, 0), c10::Error);
  EXPECT_THROW(selective_search(at::zeros({5, 5}, at::kByte), {}, 0), c10::Error);
  EXPECT_THROW(selective_search(at::zeros({5, 5, 3}), {}, 0), c10::Error);
  EXPECT_THROW(selective_search(noise(9, 9, 0), {.limit = -1}, 0), c10::Error);
}

TEST(SelectiveSearch, ModesHaveWords) {
  for (const char* word : {"single", "fast", "quality"}) {
    const auto mode = SelectiveSearchOptions::mode_of(word);
    ASSERT_TRUE(mode) << word;
    EXPECT_EQ(SelectiveSearchOptions{.mode = *mode}.word(), word);
  }
  EXPECT_FALSE(SelectiveSearchOptions::mode_of("Fast"));
}

}  // namespace
}  // namespace rcnn::data
