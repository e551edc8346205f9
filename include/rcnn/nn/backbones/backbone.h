#pragma once

#include <vector>

#include <torch/nn/module.h>

#include <rcnn/export.h>
#include <rcnn/nn/feature_extractor.h>

namespace rcnn::nn {

/// Turns images into feature maps.
class RCNN_EXPORT BackboneImpl : public torch::nn::Module {
 public:
  /// images   float [N, 3, H, W], normalised
  /// returns  one map for each of features(), finest first: [N, channels, H / stride, W / stride] where these
  ///          are whole numbers, which the padding of batches sees to; elsewhere the network's own rounding
  ///          counts: ResNets round up, VGGs down
  virtual std::vector<at::Tensor> forward(const at::Tensor& images) = 0;

  /// What the maps are, known before any image.
  virtual std::vector<FeatureSpec> features() const = 0;
};

}  // namespace rcnn::nn
