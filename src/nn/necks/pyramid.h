#pragma once

#include <limits>
#include <optional>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/nn/feature_extractor.h>
#include <rcnn/nn/layers/conv_norm.h>

/// What the necks share.
namespace rcnn::nn {

/// How a convolution of a neck differs from the usual one, which has stride 1, and a bias where it has no
/// norm.
struct NeckConv {
  int64_t stride = 1;
  int64_t groups = 1;
  std::optional<bool> bias = std::nullopt;
};

/// A convolution with padding kernel / 2, Kaiming-uniform with a = 1 as in torchvision's FPN (detectron2's
/// c2_xavier_fill and mmdetection's Caffe2Xavier are the same), its bias 0.
ConvNorm neck_conv(int64_t in, int64_t out, int64_t kernel, const NormOptions& norm,
                   const NeckConv& what = {});

/// The pyramid over `inputs`, finest first: "p4" over "c4", and `extra` further levels of doubled strides.
/// RoIs are pooled from the finest `roi_levels`.
std::vector<FeatureSpec> pyramid_levels(const std::vector<FeatureSpec>& inputs, int64_t channels,
                                        int64_t extra, int64_t roi_levels);

/// Key roi_levels: from how many of `levels` levels, the finest, RoIs are pooled. Stays as it is without.
void read_roi_levels(const config::Node& neck, std::optional<int64_t>& roi_levels, int64_t levels);

/// Throws the ConfigError about a neck's type when there are less than `least` or more than `most` maps in,
/// or when the stride of one is not twice that of the one before.
void check_inputs(const config::Node& neck, const std::vector<FeatureSpec>& inputs, int64_t least,
                  int64_t most = std::numeric_limits<int64_t>::max());

}  // namespace rcnn::nn
