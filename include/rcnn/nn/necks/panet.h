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

/// Which path aggregation.
struct PanetOptions {
  /// N are the maps given, P those of FPN, i from the finest up:
  /// paper    N[0] = P[0], N[i] = conv(P[i] + down(N[i - 1])): each step reads the one before
  /// pafpn    mmdetection's PAFPN: S[0] = P[0], S[i] = P[i] + down(S[i - 1]), N[0] = S[0], N[i] = conv(S[i]):
  ///          the sums go up, and what is convolved does not
  /// down is a 3x3 convolution of stride 2, conv one of stride 1.
  enum class Form { paper, pafpn } form = Form::paper;
  int64_t channels = 256;                ///< of every output map
  NormOptions norm{.type = Norm::none};  ///< behind every convolution
  /// Whether ReLUs follow: in the paper's form behind down and conv, in PAFPN behind FPN's convolutions too,
  /// where mmdetection's act_cfg puts them. None: as the paper has it, or mmdetection's weights.
  std::optional<bool> rectified = std::nullopt;
  ExtraLevelsOptions extra = {};
  /// From how many of its levels, the finest, RoIs are pooled; none: from all but the extra ones.
  std::optional<int64_t> roi_levels = std::nullopt;

  bool has_relus() const { return rectified.value_or(form == Form::paper); }
};

/// Path aggregation (Liu et al. 2018, section 3.1): FPN, and a way back up that shortens the one from the
/// finest map to the coarsest. Its first convolutions have FPN's names, inner_blocks.N.0 and
/// layer_blocks.N.0; those of the way up are downsample_blocks.N.0 and output_blocks.N.0 from the finest up
/// (mmdetection's downsample_convs.N.conv and pafpn_convs.N.conv), norms are N.1; extra levels: see
/// ExtraLevels. Adaptive feature pooling is the pooler and the box head of the type adaptive.
class RCNN_EXPORT PanetImpl : public NeckImpl, public Fusible {
 public:
  /// The stride of each input is twice that of the one before.
  PanetImpl(const std::vector<FeatureSpec>& inputs, const PanetOptions& options);
  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& maps) override;
  std::vector<FeatureSpec> features() const override { return features_; }

  /// With extra levels by convolutions the coarsest one's stride, otherwise that of the levels for RoIs.
  int64_t size_divisor() const override { return extra_.size_divisor(features_); }

  void fuse(Precision precision) override;

 private:
  at::Tensor apply(ConvNorm& layer, const at::Tensor& x) const;

  PanetOptions options_;
  std::vector<FeatureSpec> features_;
  TopDownPath top_down_;
  std::vector<ConvNorm> downsample_, output_;
  ExtraLevels extra_;
};

/// Keys: form (paper, pafpn), activation (relu, none; the form's), channels, those of NormOptions,
/// extra_levels {...}, see ExtraLevelsOptions, roi_levels. Throws ConfigError for a single map, and for maps
/// whose strides do not double.
RCNN_EXPORT std::shared_ptr<NeckImpl> make_panet(const config::Node& node, const NeckInputs& inputs);

}  // namespace rcnn::nn
