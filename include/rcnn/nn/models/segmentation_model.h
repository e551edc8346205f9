#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include <rcnn/export.h>
#include <rcnn/nn/models/model.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// A model that says of each pixel what it shows.
class RCNN_EXPORT SegmentationModelImpl : public ModelImpl {
 public:
  /// A label map for each image, uint8 [height, width] of its network size, on the model's device: a value is
  /// the channel of the highest score. Call under eval() and without gradients.
  virtual std::vector<at::Tensor> segment(const ImageBatch& images) = 0;
};

}  // namespace rcnn::nn
