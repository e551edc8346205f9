#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include <rcnn/eval/coco_map.h>

namespace rcnn::eval {

inline constexpr double kAlmostOne = 1 - 1e-10;  ///< the highest threshold that a perfect box still reaches

/// As maskApi.c's bbIou: a crowd's IoU is the share of the detection that lies in it.
inline double coco_iou(const CocoDetection& detection, const CocoTruth& truth) {
  const auto &d = detection.box, &g = truth.box;
  const double width = std::fmin(d[2] + d[0], g[2] + g[0]) - std::fmax(d[0], g[0]);
  if (width <= 0) return 0;
  const double height = std::fmin(d[3] + d[1], g[3] + g[1]) - std::fmax(d[1], g[1]);
  if (height <= 0) return 0;
  const double intersection = width * height;
  const double own = d[2] * d[3];
  return intersection / (truth.crowd ? own : own + g[2] * g[3] - intersection);
}

/// An object or a detection and the place of its category among those asked for.
template <class Item>
struct Placed {
  const Item* item = nullptr;
  size_t category = 0;
};

struct CocoImage {
  std::vector<Placed<CocoTruth>> truths, crowds;       ///< in the order given
  std::vector<Placed<CocoDetection>> detections = {};  ///< by falling score, equal ones in the order given

  /// Whether more than `share` of a detection lies in a crowd of its category.
  bool in_crowd(const Placed<CocoDetection>& detection, double share) const;
};

/// The images that have objects or detections of the given ascending categories, by their ids. What is
/// returned points into what was given. Throws std::invalid_argument for a score that is not a number and for
/// categories that do not ascend.
std::map<int64_t, CocoImage> by_image(std::span<const CocoTruth> truths,
                                      std::span<const CocoDetection> detections,
                                      std::span<const int64_t> category_ids);

}  // namespace rcnn::eval
