#pragma once

#include <vector>

#include <torch/nn/module.h>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/feature_extractor.h>
#include <rcnn/nn/layers/conv_norm.h>

namespace rcnn::nn {

/// Which levels follow the coarsest of a pyramid.
struct RCNN_EXPORT ExtraLevelsOptions {
  /// Every second cell of the level before (FPN, section 4.1, P6), or 3x3 convolutions of stride 2.
  enum class Kind { pool, conv } kind = Kind::pool;
  int64_t count = 1;
  /// Of the convolutions: what the first one reads, the backbone's coarsest map, its 1x1 convolution, or the
  /// pyramid's coarsest. mmdetection's add_extra_convs: on_input, on_lateral, on_output.
  enum class Source { input, lateral, output } source = Source::output;
  /// Whether the second and further ones read the rectified level before, as in torchvision and detectron2;
  /// mmdetection's relu_before_extra_convs, false there.
  bool relu = true;
  NormOptions norm{.type = Norm::none};

  /// Keys of a neck's extra_levels: type (pool, conv), count (1; conv: 2), and for conv source (input,
  /// lateral, output), relu, those of NormOptions. `channels` is the neck's.
  void read(const config::Node& neck, int64_t channels);
};

/// The levels that follow the coarsest of a pyramid. No module itself: registered with its owner are the
/// convolutions, under the names of torchvision's LastLevelP6P7, extra_blocks.p6 and extra_blocks.p7, and
/// their norms, extra_blocks.p6_norm.
class RCNN_EXPORT ExtraLevels {
 public:
  /// `input` is the backbone's coarsest map, `levels` are the pyramid's, the last options.count of which
  /// these are.
  ExtraLevels(torch::nn::Module& owner, const FeatureSpec& input, const std::vector<FeatureSpec>& levels,
              const ExtraLevelsOptions& options);

  /// Appends its maps to a pyramid's `outputs` [N, channels, H, W]. `input` and `lateral`: what the options'
  /// source may mean.
  void append_to(std::vector<at::Tensor>& outputs, const at::Tensor& input, const at::Tensor& lateral);

  /// What images have to be multiples of: convolutions want levels that halve exactly, or their anchors
  /// would lie ever further from their cells; where cells are left out there is nothing to be asked for.
  int64_t size_divisor(const std::vector<FeatureSpec>& levels) const;

  void fuse(Precision precision);

 private:
  ExtraLevelsOptions options_;
  std::vector<ConvNorm> convs_;
};

}  // namespace rcnn::nn
