#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/layers/conv_norm.h>
#include <rcnn/nn/necks/extra_levels.h>
#include <rcnn/nn/necks/neck.h>
#include <rcnn/nn/necks/top_down_path.h>

namespace rcnn::nn {

/// The pyramid, its strides and levels apart, which are those of what comes in.
struct RCNN_EXPORT FpnOptions {
  int64_t channels = 256;  ///< of every output map
  NormOptions norm{.type = Norm::none};
  ExtraLevelsOptions extra = {};
  /// From how many of its levels, the finest, RoIs are pooled; none: from all but the extra ones.
  std::optional<int64_t> roi_levels = std::nullopt;

  /// Keys: channels, those of NormOptions, extra_levels {...}, see ExtraLevelsOptions, roi_levels. `inputs`
  /// is how many maps come in.
  void read(const config::Node& neck, size_t inputs);
};

/// Feature pyramid (Lin et al. 2017, section 3): 1x1 laterals, nearest-neighbour upsampling and addition from
/// the coarsest map down, a 3x3 convolution on each sum; one more map by subsampling the coarsest, for the
/// RPN alone, or others, see ExtraLevels. For c2..c5 it gives p2..p6. torchvision's names: inner_blocks.N.0,
/// layer_blocks.N.0, their norms as N.1, extra_blocks.p6. Pyramids that change or follow it derive from it.
class RCNN_EXPORT FpnImpl : public NeckImpl, public Fusible {
 public:
  FpnImpl(const std::vector<FeatureSpec>& inputs, const FpnOptions& options);
  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& maps) override;
  std::vector<FeatureSpec> features() const override { return features_; }

  /// With extra levels by convolutions the coarsest one's stride, otherwise that of the levels for RoIs.
  int64_t size_divisor() const override { return extra_.size_divisor(features_); }

  void fuse(Precision precision) override;

 protected:
  /// `rectified`: see TopDownPath.
  FpnImpl(const std::vector<FeatureSpec>& inputs, const FpnOptions& options, bool rectified);

  std::vector<FeatureSpec> features_;
  TopDownPath top_down_;
  ExtraLevels extra_;
};

/// Keys: those of FpnOptions.
RCNN_EXPORT std::shared_ptr<NeckImpl> make_fpn(const config::Node& node, const NeckInputs& inputs);

}  // namespace rcnn::nn
