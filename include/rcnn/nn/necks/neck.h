#pragma once

#include <vector>

#include <rcnn/export.h>
#include <rcnn/nn/backbones/backbone.h>

namespace rcnn::nn {

/// Turns a backbone's feature maps into the maps that the RPN and the RoI heads see.
class RCNN_EXPORT NeckImpl : public torch::nn::Module {
 public:
  /// The backbone's maps in, one map for each of features() out, finest first.
  virtual std::vector<at::Tensor> forward(const std::vector<at::Tensor>& maps) = 0;

  virtual std::vector<FeatureSpec> features() const = 0;

  /// How many of features(), from the finest on, the RoI heads pool from; the RPN uses all.
  virtual size_t roi_levels() const = 0;
};

}  // namespace rcnn::nn
