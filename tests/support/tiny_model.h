#pragma once

#include <memory>
#include <string>

#include <torch/torch.h>

#include <rcnn/config/config.h>
#include <rcnn/nn/models/detection_model.h>
#include <rcnn/nn/models/model_file.h>

namespace rcnn {

/// The smallest detector that still has every part: a thousandth of VGG16.
inline constexpr const char* kTinyModel = R"({
  "type": "faster_rcnn",
  "backbone": {"type": "vgg16", "width": 4, "frozen_stages": 0},
  "rpn": {"anchors": {"sizes": [16, 32, 64]}, "batch_per_image": 64,
          "train": {"pre_nms": 200, "post_nms": 50}, "test": {"pre_nms": 100, "post_nms": 20}},
  "roi": {"pooler": {"type": "align", "size": 4, "sampling_ratio": 2}, "head": {"type": "mlp", "hidden": 32},
          "batch_per_image": 32}
})";

/// The same without an RPN, for data with proposals.
inline constexpr const char* kTinyFastRcnn = R"({
  "type": "fast_rcnn",
  "backbone": {"type": "vgg16", "width": 4, "frozen_stages": 0},
  "roi": {"pooler": {"type": "pool", "size": 4}, "head": {"type": "mlp", "hidden": 32}, "batch_per_image": 32,
          "target_statistics": "per_class"}
})";

/// The same weights for the same seed.
inline std::shared_ptr<nn::DetectionModelImpl> tiny_model(int64_t num_classes, uint64_t seed = 0,
                                                          const char* json = kTinyModel) {
  torch::manual_seed(seed);
  return nn::make_detection_model(config::Config::parse(json, "tiny model").root(), num_classes);
}

/// For who looks at the model alone.
inline nn::DescribedModel bare(std::shared_ptr<nn::DetectionModelImpl> model) {
  return {std::move(model), {}, config::Config::parse("{}", "no config")};
}

}  // namespace rcnn
