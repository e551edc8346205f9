#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/layers/conv_norm.h>
#include <rcnn/nn/necks/fpn.h>

namespace rcnn::nn {

/// Which path aggregation.
struct PanetOptions {
  /// N are the maps given, P those of FPN, i from the finest up:
  /// paper    N[0] = P[0], N[i] = conv(P[i] + down(N[i - 1])): each step reads the one before
  /// pafpn    mmdetection's PAFPN: S[0] = P[0], S[i] = P[i] + down(S[i - 1]), N[0] = S[0], N[i] = conv(S[i]):
  ///          the sums go up, and what is convolved does not
  /// down is a 3x3 convolution of stride 2, conv one of stride 1.
  enum class Form { paper, pafpn } form = Form::paper;
  /// Whether ReLUs follow: in the paper's form behind down and conv, in PAFPN behind FPN's convolutions too,
  /// where mmdetection's act_cfg puts them. None: as the paper has it, or mmdetection's weights.
  std::optional<bool> rectified = std::nullopt;
  FpnOptions fpn = {};  ///< its channels and norms are those of the way up, too

  bool has_relus() const { return rectified.value_or(form == Form::paper); }
};

/// Path aggregation (Liu et al. 2018, section 3.1): FPN, and a way back up that shortens the one from the
/// finest map to the coarsest. Its first convolutions have FPN's names, inner_blocks.N.0 and
/// layer_blocks.N.0; those of the way up are downsample_blocks.N.0 and output_blocks.N.0 from the finest up
/// (mmdetection's downsample_convs.N.conv and pafpn_convs.N.conv), norms are N.1; extra levels: see
/// ExtraLevels. Adaptive feature pooling is the pooler and the box head of the type adaptive.
class RCNN_EXPORT PanetImpl : public FpnImpl {
 public:
  /// The stride of each input is twice that of the one before.
  PanetImpl(const std::vector<FeatureSpec>& inputs, const PanetOptions& options);
  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& maps) override;
  void fuse(Precision precision) override;

 private:
  at::Tensor apply(ConvNorm& layer, const at::Tensor& x) const;

  PanetOptions options_;
  std::vector<ConvNorm> downsample_, output_;
};

/// Keys: form (paper, pafpn), activation (relu, none; the form's), those of FpnOptions. Throws ConfigError
/// for a single map, and for maps whose strides do not double.
RCNN_EXPORT std::shared_ptr<NeckImpl> make_panet(const config::Node& node, const NeckInputs& inputs);

}  // namespace rcnn::nn
