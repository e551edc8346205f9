#pragma once

#include <vector>

#include <torch/nn/module.h>

#include <rcnn/export.h>
#include <rcnn/nn/feature_extractor.h>
#include <rcnn/nn/layers/conv_norm.h>

namespace rcnn::nn {

/// What FPN does with a backbone's maps (Lin et al. 2017, section 3), and what begins in PANet: 1x1 laterals,
/// nearest-neighbour upsampling and addition from the coarsest map down, a 3x3 convolution on each sum. No
/// module itself: registered with its owner are the convolutions, under torchvision's names, inner_blocks.N.0
/// and layer_blocks.N.0, and their norms as N.1.
class RCNN_EXPORT TopDownPath {
 public:
  /// `rectified`: each convolution is followed by a ReLU; in FPN none is.
  TopDownPath(torch::nn::Module& owner, const std::vector<FeatureSpec>& inputs, int64_t channels,
              const NormOptions& norm, bool rectified = false);

  /// Of the maps that come in, [N, channels, H, W] each, finest first.
  struct Maps {
    std::vector<at::Tensor> laterals;  ///< before anything is added; empty unless they are kept
    std::vector<at::Tensor> sums;      ///< laterals, with what comes down added to all but the last
    std::vector<at::Tensor> outputs;   ///< their 3x3 convolutions
  };
  enum class Laterals { drop, keep };

  /// `augmentation`, [N, channels, H, W] or undefined, is added to the coarsest lateral first.
  Maps operator()(const std::vector<at::Tensor>& maps, const at::Tensor& augmentation = {},
                  Laterals laterals = Laterals::drop);

  void fuse(Precision precision);

 private:
  bool rectified_;
  std::vector<ConvNorm> inner_, layer_;
};

}  // namespace rcnn::nn
