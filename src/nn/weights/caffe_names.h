#pragma once

#include <rcnn/nn/weights/weight_names.h>

namespace rcnn::nn {

/// Whether these are a .caffemodel's blobs: conv1.blobs.0.
bool has_caffe_names(const TensorMap& tensors);

/// to_torchvision() of them. Layers without a counterpart are left out by the layer's name, once a blob.
RenamedWeights from_caffe(const TensorMap& tensors, const WeightNamesOptions& options);

/// The inverse.
RenamedWeights to_caffe(const TensorMap& tensors, const WeightNamesOptions& options);

}  // namespace rcnn::nn
