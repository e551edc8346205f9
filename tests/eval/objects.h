#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <rcnn/eval/coco/coco_map.h>

namespace rcnn::eval {

constexpr std::array<double, 4> kBox = {0, 0, 50, 50};  // of medium area
constexpr std::array<double, 4> kFar = {200, 200, 50, 50};
const std::vector<int64_t> kDogCat = {3, 90};

inline CocoTruth truth(int64_t category, std::array<double, 4> box, bool crowd = false) {
  return {.image_id = 1, .category_id = category, .box = box, .area = box[2] * box[3], .crowd = crowd};
}

inline CocoDetection detection(int64_t category, std::array<double, 4> box, double score) {
  return {.image_id = 1, .category_id = category, .box = box, .score = score};
}

}  // namespace rcnn::eval
