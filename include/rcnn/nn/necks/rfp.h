#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/layers/conv_norm.h>
#include <rcnn/nn/necks/fpn.h>
#include <rcnn/nn/necks/neck.h>
#include <rcnn/nn/weights/weights.h>

namespace rcnn::nn {

/// Which recursive feature pyramid.
struct RfpOptions {
  int64_t steps = 2;    ///< looks at the images, 2 or more
  bool shared = false;  ///< whether all looks are the first backbone's, or each further one its own's
  FpnOptions fpn = {};  ///< its channels are a multiple of 4
};

/// Recursive feature pyramid (DetectoRS, Qiao et al. 2021, section 3): FPN, whose maps go back into the
/// stages of a backbone that looks at the images again, see BackboneImpl::feedback_levels(); FPN over what
/// that gives; and as often as there are steps. On their way back maps pass through atrous spatial pyramid
/// pooling (ASPP; figure 4): convolutions 1x1, 3x3 of dilation 3 and of 6, and a 1x1 of the image's mean,
/// side by side, a quarter of the channels each, rectified. Each new map joins the old one of its level,
/// extra levels included, g * new + (1 - g) * old, where a 1x1 convolution to one channel says the logit of g
/// at each place. At the start feedback is 0 and g is 1/2: with backbones of the same weights it is FPN then.
///
/// FPN, ASPP and that convolution are those of all steps. Names: FPN's; rfp_modules.N, the backbones of
/// steps 2, 3, ..., unless they are shared, in which layerN.0.rfp_conv takes the feedback; rfp_aspp.aspp.N;
/// rfp_weight. All but FPN's are mmdetection's below neck.
class RCNN_EXPORT RfpImpl : public FpnImpl, public DerivesWeights {
 public:
  /// `inputs` have a body, which is to be the one that extract() is given, and another_body unless it is
  /// shared; a shared body gets the parameters that take feedback. Throws c10::Error for others.
  RfpImpl(const NeckInputs& inputs, const RfpOptions& options);

  /// forward() is FPN alone, of one look: only here are the images.
  Features extract(const at::Tensor& images, BackboneImpl& body) override;
  void fuse(Precision precision) override;

  /// Further backbones start from the first one's weights, which are "body" beside the neck's own name, as a
  /// feature extractor has them; feedback and gate start at 0.
  void derive(const std::string& prefix, TensorMap& tensors) const override;

 private:
  at::Tensor aspp(const at::Tensor& x);

  RfpOptions options_;
  std::vector<std::shared_ptr<BackboneImpl>> bodies_;  // of further steps, unless they are shared
  std::vector<size_t> joined_;                         // levels whose maps go back
  std::vector<ConvNorm> aspp_;
  std::optional<ConvNorm> gate_;
};

/// Keys: steps, shared, those of FpnOptions. Throws ConfigError where the backbone takes no feedback: ResNets
/// do for c3, c4 and c5.
RCNN_EXPORT std::shared_ptr<NeckImpl> make_rfp(const config::Node& node, const NeckInputs& inputs);

}  // namespace rcnn::nn
