#pragma once

#include <memory>
#include <string>

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/normalization.h>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/layers/frozen_batch_norm.h>
#include <rcnn/nn/layers/precision.h>

namespace rcnn::nn {

class ConvAwsImpl;
class FusedConv;
class SwitchableAtrousConvImpl;

/// What follows a convolution: nothing; batch normalisation by the statistics it was loaded with, as
/// detectors that start from ImageNet weights have it; batch normalisation that learns, statistics included;
/// or group normalisation (Wu and He 2018), which learns and takes the statistics of each image alone, so
/// that it does not depend on the size of the batch.
enum class Norm { none, frozen, batch, group };

/// The normalisation behind a convolution.
struct RCNN_EXPORT NormOptions {
  Norm type = Norm::frozen;
  double eps = 1e-5;  ///< added to the variance; 0 with torchvision's fasterrcnn_resnet50_fpn COCO_V1 weights
  int64_t groups = 32;    ///< of Norm::group
  double momentum = 0.1;  ///< of Norm::batch's statistics: the share of a new batch, as torch counts it

  /// Keys: norm (frozen, batch, group, and none, except where frozen is the default: in backbones, whose
  /// weights settle it), norm_eps (where there is a norm), norm_groups (of group). Throws ConfigError when
  /// the groups do not divide `channels`: those of the layers that get such a norm, or what all of them are
  /// multiples of.
  void read(const config::Node& node, int64_t channels);
};

/// A convolution and the normalisation behind it. No module itself: the owner registers both under the names
/// that its weights have. Names inside of a norm are torch's: weight and bias, and of both kinds of batch
/// norm running_mean and running_var. The convolution may be a ConvAwsImpl or a SwitchableAtrousConvImpl.
class RCNN_EXPORT ConvNorm {
 public:
  ConvNorm(torch::nn::Conv2d conv, const NormOptions& norm);

  const torch::nn::Conv2d& conv() const { return conv_; }
  std::shared_ptr<torch::nn::Module> norm() const;  ///< null when there is none

  void register_in(torch::nn::Module& owner, const std::string& conv, const std::string& norm) const;

  /// A module that holds both as 0 and 1, the names of torchvision's Conv2dNormActivation.
  std::shared_ptr<torch::nn::Module> block() const;

  /// Takes the parameters of both out of the training. Norm::batch goes on learning its statistics, as in
  /// torchvision.
  void freeze() const;

  /// A frozen norm is folded into the convolution's weights: a pass over these instead of two over the
  /// activations. Throws ConfigError where Norm::batch, in training, gets one value a channel.
  at::Tensor operator()(const at::Tensor& x);

  /// The rectified result.
  at::Tensor relu(const at::Tensor& x);

  /// The end of a residual block: relu of the result plus `sum`, which stays as it is.
  at::Tensor add_relu(const at::Tensor& x, const at::Tensor& sum);

  /// From here on it only computes, on the device where it is now, see prepare_for_inference(). A batch norm,
  /// of either kind by the statistics it has, is folded into the weights for good, and ReLUs and sums are
  /// done in the convolution; a group norm, whose statistics every image changes, goes on following it, in
  /// float32; so does every norm a switchable atrous convolution. The weights of conv() are gone.
  void fuse(Precision precision);

 private:
  at::Tensor group_normalised(const at::Tensor& y);
  at::Tensor weight() const;

  torch::nn::Conv2d conv_;
  std::shared_ptr<ConvAwsImpl> aws_;               // conv_, where it is one
  std::shared_ptr<SwitchableAtrousConvImpl> sac_;  // conv_, where it is one
  FrozenBatchNorm frozen_ = nullptr;
  torch::nn::BatchNorm2d batch_ = nullptr;
  torch::nn::GroupNorm group_ = nullptr;    // at most one of the three is there
  std::shared_ptr<const FusedConv> fused_;  // instead of all but group_ and sac_
};

/// A module that has such layers of its own.
class RCNN_EXPORT Fusible {
 public:
  virtual void fuse(Precision precision) = 0;  ///< each of them

 protected:
  ~Fusible() = default;
};

}  // namespace rcnn::nn
