#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/backbones/backbone.h>
#include <rcnn/nn/layers/conv_norm.h>
#include <rcnn/nn/layers/local_response_norm.h>

namespace rcnn::nn {

/// The numbers that tell the networks after Zeiler and Fergus from each other.
struct ZfOptions {
  std::array<int64_t, 5> channels = {96, 256, 384, 384, 256};  ///< after conv1 .. conv5
  int64_t conv1_padding = 3, conv2_padding = 2;
  int64_t pool_padding = 1;
  LocalResponseNormOptions norm{
      .region = LocalResponseNormOptions::Region::within_channel, .size = 3, .alpha = 5e-5};
  int64_t least_side = 1;     ///< of an image that leaves a cell of the map
  int64_t frozen_stages = 0;  ///< not trained: 1 conv1, 2 conv2 too, ...; 0 trains all
};

/// ZF (Zeiler and Fergus 2014) as Faster R-CNN has it, and its descendants: five convolutions, of which the
/// first two have stride 2 and are followed by a local response normalisation and a pooling, 3 x 3 with
/// stride 2, that rounds up as Caffe's does. One map "conv5" of stride 16. Parameters: conv1.weight,
/// conv1.bias,
/// ..., conv5.bias; they start as N(0, 0.01) and 0. fc6 and fc7 belong to the RoI head.
///
/// A map's sides are not those of the image divided by 16: ZF makes 39 x 64 of 600 x 1000, VGG_CNN_M_1024,
/// which hardly pads, 36 x 61. Images are not to be padded (size_divisor 1), and anchors stand 16 pixels
/// apart (spacing stride), to be where the published networks have them.
class RCNN_EXPORT ZfImpl : public BackboneImpl, public Fusible {
 public:
  explicit ZfImpl(const ZfOptions& options);

  /// Images smaller than 25 pixels a side, which leave nothing of VGG_CNN_M_1024's map, are taken as if they
  /// had a margin of 0 at the right and at the bottom.
  std::vector<at::Tensor> forward(const at::Tensor& images) override;
  std::vector<FeatureSpec> features() const override { return {{"conv5", options_.channels.back(), 16}}; }
  void fuse(Precision precision) override;

 private:
  const ZfOptions options_;
  std::vector<ConvNorm> convs_;  // without a norm
};

/// ZF. Keys: width (of conv1; the others in proportion) = 96, frozen_stages = 0.
RCNN_EXPORT std::shared_ptr<BackboneImpl> make_zf(const config::Node& node);

/// VGG_CNN_M_1024 (Chatfield et al. 2014, CNN-M with 1024 outputs of fc7). Keys: width = 96, frozen_stages
/// = 1.
RCNN_EXPORT std::shared_ptr<BackboneImpl> make_vgg_cnn_m_1024(const config::Node& node);

}  // namespace rcnn::nn
