#pragma once

#include <array>
#include <cmath>

namespace rcnn::eval {

using CocoBox = std::array<double, 4>;  ///< x, y, width, height

/// As maskApi.c's bbIou: a crowd's IoU is the share of the detection that lies in it.
inline double coco_iou(const CocoBox& detection, const CocoBox& truth, bool crowd = false) {
  const auto &d = detection, &g = truth;
  const double width = std::fmin(d[2] + d[0], g[2] + g[0]) - std::fmax(d[0], g[0]);
  if (width <= 0) return 0;
  const double height = std::fmin(d[3] + d[1], g[3] + g[1]) - std::fmax(d[1], g[1]);
  if (height <= 0) return 0;
  const double intersection = width * height;
  const double own = d[2] * d[3];
  return intersection / (crowd ? own : own + g[2] * g[3] - intersection);
}

}  // namespace rcnn::eval
