#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/layers/conv_norm.h>
#include <rcnn/nn/necks/neck.h>

namespace rcnn::nn {

class BifpnCellImpl;

/// Which BiFPN; by default that of EfficientDet-D0.
struct BifpnOptions {
  int64_t channels = 64;     ///< of every map; D0 to D7: 64, 88, 112, 160, 224, 288, 384, 384
  int64_t repeats = 3;       ///< D0 to D7: 3, 4, 5, 6, 7, 7, 8, 8
  int64_t extra_levels = 2;  ///< behind the backbone's coarsest, by max pooling
  /// What follows a fusion: a depthwise 3x3 convolution and a 1x1 one, or an ordinary 3x3 one (CenterNet2).
  enum class Conv { separable, plain } conv = Conv::separable;
  /// Fast normalised: each edge has a weight w that is learnt, and max(w, 0) / (sum + 0.0001) of its map
  /// counts (section 3.3); or plain sums, as D6 and D7 have.
  enum class Fusion { fast, sum } fusion = Fusion::fast;
  NormOptions norm{.type = Norm::batch, .eps = 1e-3, .momentum = 0.01};
  /// From how many of its levels, the finest, RoIs are pooled; none: from all.
  std::optional<int64_t> roi_levels = std::nullopt;
};

/// Bidirectional pyramid (Tan, Pang and Le 2020, EfficientDet, section 3; the authors' code: automl/
/// efficientdet): in each repeat down from the coarsest map by nearest-neighbour upsampling, and up again by
/// 3x3 max pooling of stride 2 with TensorFlow's "same" padding, where a map also sees what came in; after
/// each fusion swish, the convolution with a bias, and the norm. The first repeat takes the backbone's maps
/// through 1x1 convolutions with norms, two of them for all but the finest, unless they have the channels
/// already. Over c3..c5 it gives p3..p7, as published. Over c2..c5 the same rules go on down to p2: a
/// variant, which is ours.
///
/// Names are those of mmdetection's EfficientDet below neck.bifpn.: 0.p3_down_channel.down_conv,
/// 0.p4_level_connection.bn, 0.p5_to_p6.0.down_conv, 0.conv6_up.depthwise_conv, .pointwise_conv and .bn
/// (plain: .conv), 0.conv4_down, 0.p6_w1, 0.p4_w2.
class RCNN_EXPORT BifpnImpl : public NeckImpl, public Fusible {
 public:
  /// The stride of each input is twice that of the one before.
  BifpnImpl(const std::vector<FeatureSpec>& inputs, const BifpnOptions& options);
  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& maps) override;
  std::vector<FeatureSpec> features() const override { return features_; }

  /// The coarsest level's stride: levels halve exactly then. It takes other sizes too.
  int64_t size_divisor() const override { return features_.back().stride; }

  void fuse(Precision precision) override;

 private:
  std::vector<FeatureSpec> features_;
  std::vector<std::shared_ptr<BifpnCellImpl>> cells_;
};

/// Keys: channels, repeats, conv (separable, plain), fusion (fast, sum), those of NormOptions (eps 0.001,
/// with group 0.00001), extra_levels {count}, roi_levels. Throws ConfigError when there are less than two
/// levels, and for maps whose strides do not double.
RCNN_EXPORT std::shared_ptr<NeckImpl> make_bifpn(const config::Node& node, const NeckInputs& inputs);

}  // namespace rcnn::nn
