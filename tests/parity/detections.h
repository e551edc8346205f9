#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include <rcnn/types.h>

namespace rcnn::test {

inline std::vector<Detection> to_list(const at::Tensor& boxes, const at::Tensor& scores,
                                      const at::Tensor& labels) {
  std::vector<Detection> list;
  const auto box = boxes.accessor<float, 2>();
  for (int64_t i = 0; i < scores.size(0); ++i) {
    list.push_back({.box = {box[i][0], box[i][1], box[i][2], box[i][3]},
                    .score = scores.data_ptr<float>()[i],
                    .label = labels.data_ptr<int64_t>()[i]});
  }
  return list;
}

/// How many of `a` have no partner in `b`: of the same label, no coordinate off by more than `pixels`, the
/// score by no more than `score`.
inline int64_t without_partner(const std::vector<Detection>& a, const std::vector<Detection>& b,
                               double pixels, double score) {
  const auto near = [](float x, float y, double limit) { return std::abs(x - y) <= limit; };
  int64_t alone = 0;
  for (const auto& x : a) {
    bool found = false;
    for (const auto& y : b) {
      found = found || (x.label == y.label && near(x.score, y.score, score) &&
                        near(x.box.x1, y.box.x1, pixels) && near(x.box.y1, y.box.y1, pixels) &&
                        near(x.box.x2, y.box.x2, pixels) && near(x.box.y2, y.box.y2, pixels));
    }
    alone += !found;
  }
  return alone;
}

/// The largest distance of a coordinate, and of a score, between one of `a` and the nearest of its label in
/// `b`.
struct Farthest {
  float pixels = 0, score = 0;
};
inline Farthest farthest(const std::vector<Detection>& a, const std::vector<Detection>& b) {
  Farthest result;
  for (const auto& x : a) {
    Farthest nearest{std::numeric_limits<float>::infinity(), 0};
    for (const auto& y : b) {
      if (x.label != y.label) continue;
      const float pixels = std::max({std::abs(x.box.x1 - y.box.x1), std::abs(x.box.y1 - y.box.y1),
                                     std::abs(x.box.x2 - y.box.x2), std::abs(x.box.y2 - y.box.y2)});
      if (pixels < nearest.pixels) nearest = {pixels, std::abs(x.score - y.score)};
    }
    result = {std::max(result.pixels, nearest.pixels), std::max(result.score, nearest.score)};
  }
  return result;
}

/// The same ones, each with its partner. Two scores that differ in their last digit may change places, so
/// order counts only up to the tolerance: both lists fall.
inline void expect_same(const std::vector<Detection>& got, const std::vector<Detection>& want) {
  EXPECT_EQ(got.size(), want.size());
  EXPECT_EQ(without_partner(got, want, 1e-2, 1e-4), 0);
  EXPECT_EQ(without_partner(want, got, 1e-2, 1e-4), 0);
  for (size_t i = 1; i < got.size(); ++i) EXPECT_GE(got[i - 1].score, got[i].score);
}

}  // namespace rcnn::test
