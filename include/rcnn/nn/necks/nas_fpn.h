#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/layers/conv_norm.h>
#include <rcnn/nn/necks/neck.h>

namespace rcnn::nn {

class NasFpnStageImpl;

/// Which NAS-FPN. The authors' code (tensorflow/tpu) and mmdetection's differ in two things, and weights of
/// one are of no use in the other.
struct NasFpnOptions {
  int64_t channels = 256;  ///< of every map
  int64_t stacks = 7;      ///< of the seven merging cells
  /// How a cell of global pooling lets one of its maps, each a number a channel, gate the other:
  /// max        the authors': coarse + fine * sigmoid(max(coarse))
  /// average    mmdetection's: fine + coarse * sigmoid(mean(fine))
  enum class GlobalPooling { max, average } global_pooling = GlobalPooling::max;
  /// Levels behind the backbone's coarsest: max pooling of the one before, as the authors have it, or in
  /// mmdetection of its 1x1 convolution with a norm.
  enum class ExtraLevels { pool, conv } extra_levels = ExtraLevels::pool;
  NormOptions norm{.type = Norm::batch};
  /// From how many of its five levels, the finest, RoIs are pooled; none: from all.
  std::optional<int64_t> roi_levels = std::nullopt;

  static constexpr int64_t kLevels = 5;
};

/// The pyramid that a search found (Ghiasi, Lin and Le 2019, figure 6): 1x1 laterals with norms, then in
/// every stack seven cells, each of which brings two maps to the size of a third by nearest-neighbour
/// upsampling or max pooling, takes their sum or has one gate the other, and goes on with a ReLU, a 3x3
/// convolution with a bias and a norm. Five levels: p3..p7 over c3..c5, as published; over other maps as many
/// extra ones as are missing, in the same graph.
///
/// Names are mmdetection's below neck.: lateral_convs.N.conv and .bn, extra_downsamples.N.0.conv and .bn,
/// fpn_stages.N.gp_64_4.out_conv.conv and .bn, where the digits are those of p3..p7 over whatever maps.
class RCNN_EXPORT NasFpnImpl : public NeckImpl, public Fusible {
 public:
  /// At most five; the stride of each is twice that of the one before.
  NasFpnImpl(const std::vector<FeatureSpec>& inputs, const NasFpnOptions& options);
  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& maps) override;
  std::vector<FeatureSpec> features() const override { return features_; }

  /// The coarsest level's stride: levels halve exactly then. Of other sizes what is left over makes a cell,
  /// where mmdetection leaves it out.
  int64_t size_divisor() const override { return features_.back().stride; }

  void fuse(Precision precision) override;

 private:
  std::vector<FeatureSpec> features_;
  std::vector<ConvNorm> laterals_;
  std::vector<std::optional<ConvNorm>> extra_;  // one for each extra level
  std::vector<std::shared_ptr<NasFpnStageImpl>> stages_;
};

/// Keys: channels, stacks, global_pooling (max, average), extra_levels {type (pool, conv)}, those of
/// NormOptions, roi_levels. Throws ConfigError for more than five maps, and for maps whose strides do not
/// double.
RCNN_EXPORT std::shared_ptr<NeckImpl> make_nas_fpn(const config::Node& node, const NeckInputs& inputs);

}  // namespace rcnn::nn
