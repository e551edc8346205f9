#include <limits>

#include <torch/torch.h>

#include <rcnn/nn/roi/ohem.h>
#include <rcnn/ops/nms.h>

namespace rcnn::nn {

void OhemOptions::read(const config::Node& node) {
  node.read("nms_threshold", nms_threshold, {.min = 0, .max = 1});
  node.read("per_label", per_label);
}

at::Tensor hardest_rois(const RoiBatch& rois, const at::Tensor& loss, int64_t count,
                        const OhemOptions& options) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  TORCH_CHECK(loss.sizes() == rois.labels.sizes(), "hardest_rois: loss: expected ", rois.labels.sizes(),
              ", got ", loss.sizes());
  const auto hardness = loss.nan_to_num(/*nan=*/kInfinity, /*posinf=*/kInfinity)
                            .masked_fill(rois.mask().logical_not(), -kInfinity);
  return ops::padded_nms(rois.boxes, hardness, options.per_label ? rois.labels : at::Tensor(),
                         options.nms_threshold, count)
      .indices;
}

}  // namespace rcnn::nn
