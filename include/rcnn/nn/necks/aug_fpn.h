#pragma once

#include <memory>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/layers/adaptive_spatial_fusion.h>
#include <rcnn/nn/layers/conv_norm.h>
#include <rcnn/nn/necks/fpn.h>

namespace rcnn::nn {

/// What is FPN's, and to which shares of the coarsest map's height and width it is pooled.
struct AugFpnOptions {
  std::vector<double> ratios{0.1, 0.2, 0.3};  ///< each above 0, up to 1
  FpnOptions fpn = {};                        ///< its norms are those of FPN's convolutions alone
};

/// AugFPN's pyramid (Guo et al. 2020, sections 3.1 and 3.2): FPN with residual feature augmentation, and with
/// laterals that can be supervised, see AuxiliaryHeads; the third part of the method, soft RoI selection, is
/// the pooler of the type soft.
///
/// The coarsest map is pooled, by the mean, to each ratio of its size, see pooled_side(). A 1x1 convolution
/// of each is upsampled (bilinear, corner to corner) to the size before. Their adaptive spatial fusion, M6,
/// is added to the coarsest lateral before FPN's sums. FPN's convolutions have FPN's names, the others the
/// authors': high_lateral_conv.N and high_lateral_conv_attention.{0,2}, see AdaptiveSpatialFusion. All
/// weights are Xavier-uniform at first. On a GPU the gradients of the pooling and of the upsampling are
/// LibTorch's, whose last bits may vary, and which it refuses when deterministic algorithms are asked for.
class RCNN_EXPORT AugFpnImpl : public FpnImpl {
 public:
  AugFpnImpl(const std::vector<FeatureSpec>& inputs, const AugFpnOptions& options);
  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& maps) override;

  /// In training mode with the laterals: what the 1x1 convolutions give, M6 and all sums apart.
  Features extract(const at::Tensor& images, BackboneImpl& body) override;

  std::vector<FeatureSpec> laterals() const override { return laterals_; }

  /// M6 of the backbone's coarsest map [N, C, H, W]: [N, channels, H, W].
  at::Tensor augmentation(const at::Tensor& coarsest);

  void fuse(Precision precision) override;

 private:
  Features pyramid(const std::vector<at::Tensor>& maps, TopDownPath::Laterals laterals);

  std::vector<double> ratios_;
  std::vector<FeatureSpec> laterals_;
  std::vector<ConvNorm> high_lateral_;  // one a ratio
  AdaptiveSpatialFusion fusion_;
};

/// To how many cells `side` cells are pooled: floor(ratio side), 1 at least. A ratio means the decimal number
/// it is written as: binary rounding decides nothing. The authors' int(side * ratio) cuts the rounded product
/// off, which is the same for their ratios 0.1, 0.2 and 0.3 and one less for some others: 28 for 0.29 of 100.
RCNN_EXPORT int64_t pooled_side(int64_t side, double ratio);

/// Keys: those of FpnOptions, and ratios (a list, [0.1, 0.2, 0.3]). Throws ConfigError for maps whose strides
/// do not double.
RCNN_EXPORT std::shared_ptr<NeckImpl> make_aug_fpn(const config::Node& node, const NeckInputs& inputs);

}  // namespace rcnn::nn
