#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <rcnn/infer/view_options.h>
#include <rcnn/nn/layers/precision.h>

namespace rcnn {

/// How a detector is loaded. What is not set is as the weight file says.
struct DetectorOptions {
  std::string device = "auto";                    ///< "cpu", "cuda", or "auto": cuda when there is one
  nn::Precision precision = nn::Precision::fp32;  ///< bf16 is faster where the hardware has it
  std::optional<double> score_threshold = {};     ///< what scores less is not reported: 0..1
  std::optional<double> nms_threshold = {};       ///< IoU above which the lower score of a class gives way
  std::optional<int64_t> max_detections = {};     ///< best ones of an image; 1 or more
  std::optional<std::string> nms = {};  ///< "hard", "soft_linear", "soft_gaussian": nn/models/suppression.h
  std::optional<int64_t> iterations = {};  ///< 1 to 16: 2 refines and scores what is found once more
  /// IoU from which a candidate moves a box that is found, 0..1: nn/models/box_voting.h; 0: none does.
  std::optional<double> box_voting = {};
  ViewOptions views = {};
  /// Bound of an image file that is decoded, in millions of pixels, 1 to 1000; unset: the config's
  /// data.max_megapixels, with tiles 1000. A view may have as many, and 100 at least.
  std::optional<int64_t> max_megapixels = {};
  int64_t view_batch = 1;  ///< views that go through the network at once; without views a call is one batch
};

}  // namespace rcnn
