#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <rcnn/nn/precision.h>

namespace rcnn {

/// How a detector is loaded. What is not set is as the weight file says.
struct DetectorOptions {
  std::string device = "auto";                    ///< "cpu", "cuda", or "auto": cuda when there is one
  nn::Precision precision = nn::Precision::fp32;  ///< bf16 is faster where the hardware has it
  std::optional<double> score_threshold = {};     ///< what scores less is not reported: 0..1
  std::optional<double> nms_threshold = {};       ///< IoU above which the lower score of a class gives way
  std::optional<int64_t> max_detections = {};     ///< best ones of an image; 1 or more
};

}  // namespace rcnn
