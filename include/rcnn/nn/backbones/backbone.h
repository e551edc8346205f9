#pragma once

#include <vector>

#include <torch/nn/module.h>

#include <rcnn/export.h>
#include <rcnn/nn/feature_extractor.h>

namespace rcnn::nn {

/// Turns images into feature maps.
class RCNN_EXPORT BackboneImpl : public torch::nn::Module {
 public:
  /// images   float [N, 3, H, W], normalised, of least_side() at least
  /// returns  one map for each of features(), finest first: [N, channels, H / stride, W / stride] where these
  ///          are whole numbers, which the padding of batches sees to; elsewhere the network's own rounding
  ///          counts: ResNets round up, VGGs down, and up after pool_like_caffe()
  virtual std::vector<at::Tensor> forward(const at::Tensor& images) = 0;

  /// What the maps are, known before any image.
  virtual std::vector<FeatureSpec> features() const = 0;

  /// Of which levels, as places in features(), feedback can join on the way to them: maps that a pyramid made
  /// of an earlier look at the images (recursive feature pyramid; Qiao et al. 2021, DetectoRS, section 3.2).
  /// None unless a backbone says otherwise.
  virtual std::vector<size_t> feedback_levels() const { return {}; }

  /// Gets the parameters by which feedback of so many channels joins.
  virtual void take_feedback(int64_t channels);

  /// forward() with feedback, after take_feedback().
  ///
  /// feedback  for each of features() [N, the channels taken, H, W] of its map's size, or undefined; only
  ///           those of feedback_levels() are looked at
  virtual std::vector<at::Tensor> forward_with(const at::Tensor& images,
                                               const std::vector<at::Tensor>& feedback);

  /// The smallest height and width of images that it can see; 1 unless a backbone says otherwise.
  virtual int64_t least_side() const { return 1; }

  /// Lets poolings round the sizes of what they give up from now on, as Caffe's do: a stride of 16 then makes
  /// 38 x 63 cells of 600 x 1000 pixels. For backbones that round down without; the others do nothing.
  virtual void pool_like_caffe() {}
};

}  // namespace rcnn::nn
