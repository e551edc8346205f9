#pragma once

#include <memory>
#include <string>

#include <torch/nn/modules/conv.h>

#include <rcnn/export.h>
#include <rcnn/nn/layers/conv_aws.h>
#include <rcnn/nn/layers/precision.h>

namespace rcnn::nn {

class FusedConv;

/// Switchable atrous convolution (SAC; DetectoRS, Qiao et al. 2021, section 4): a 3x3 convolution with
/// standardised weights, and one of three times its dilation whose weights differ from these by weight_diff.
/// What a 1x1 convolution sees of each place's 5x5 surroundings, the switch S, is the share of the first, and
/// 1 - S that of the second; it may be any number. Each channel's mean over the image joins before and after
/// (pre_context, post_context). With `deformable` both are deformable convolutions, see ops::deform_conv(),
/// whose offsets two 3x3 convolutions of the surroundings say (offset_s, offset_l).
///
/// A new one is the convolution alone: S is 1, all else 0. Names are mmcv's.
class RCNN_EXPORT SwitchableAtrousConvImpl : public ConvAwsImpl {
 public:
  /// The smallest map, in either direction, that it takes: surroundings are mirrored at the border.
  static constexpr int64_t kLeastSide = 3;

  /// Options as a 3x3 convolution has them, without bias.
  SwitchableAtrousConvImpl(const torch::nn::Conv2dOptions& options, bool deformable);

  /// x is [N, in, H, W] of at least kLeastSide; an empty batch is fine.
  at::Tensor forward(const at::Tensor& x) override;

  /// Of a plain convolution's weights its own start: all that they lack says nothing new.
  void derive(const std::string& prefix, TensorMap& tensors) const override;

  /// See ConvNorm::fuse(). Its own weights are gone, those of its parts stay.
  void fuse(Precision precision);

 private:
  /// One of the two convolutions.
  struct Kernel {
    int64_t spacing = 1;                          // times the options' dilation and padding
    torch::nn::Conv2d offset = nullptr;           // none unless it is deformable
    at::Tensor weight = {};                       // what a deformable one computes with once it is fused
    std::shared_ptr<const FusedConv> fused = {};  // instead of one that is not
  };
  at::Tensor convolve(const Kernel& kernel, const at::Tensor& weight, const at::Tensor& x,
                      const at::Tensor& surroundings) const;
  void fuse(Kernel& kernel, const at::Tensor& weight);
  bool learns() const { return !near_.fused && !near_.weight.defined(); }

  torch::nn::Conv2d switch_, pre_context_, post_context_;
  at::Tensor weight_diff_;
  Kernel near_{.spacing = 1}, far_{.spacing = 3};
};

}  // namespace rcnn::nn
