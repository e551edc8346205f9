#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <rcnn/eval/input/coco_input.h>

namespace rcnn::eval {

/// Warnings about boxes that can hardly be what they should be, [x, y, width, height] in pixels.
/// `truth_images` and `detection_images` are the places of the images that they are on.
std::vector<std::string> box_doubts(const std::vector<CocoListedImage>& images,
                                    std::span<const CocoTruth> truths, std::span<const uint32_t> truth_images,
                                    std::span<const CocoDetection> detections,
                                    std::span<const uint32_t> detection_images);

}  // namespace rcnn::eval
