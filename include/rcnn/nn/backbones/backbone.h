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
  ///          counts: ResNets round up, VGGs down, and up after pool_like_caffe()
  virtual std::vector<at::Tensor> forward(const at::Tensor& images) = 0;

  /// What the maps are, known before any image.
  virtual std::vector<FeatureSpec> features() const = 0;

  /// Lets poolings round the sizes of what they give up from now on, as Caffe's do: a stride of 16 then makes
  /// 38 x 63 cells of 600 x 1000 pixels. For backbones that round down without; the others do nothing.
  virtual void pool_like_caffe() {}
};

}  // namespace rcnn::nn
