#include "ops/roi_checks.h"

#include "ops/device.h"

namespace rcnn::ops {

void check_features_and_rois(const char* op, const at::Tensor& features, const at::Tensor& rois) {
  TORCH_CHECK(features.dim() == 4 && features.size(2) > 0 && features.size(3) > 0, op,
              ": features: expected [N, C, H, W] with at least one cell, got ", features.sizes());
  TORCH_CHECK(is_supported(features.scalar_type()), op,
              ": features: expected float32, float64 or bfloat16, got ", features.scalar_type());
  TORCH_CHECK(rois.dim() == 2 && rois.size(1) == 5, op, ": rois: expected [K, 5], got ", rois.sizes());
  TORCH_CHECK(rois.scalar_type() == at::kFloat || rois.scalar_type() == features.scalar_type(), op,
              ": rois: expected float32 or the features' ", features.scalar_type(), ", got ",
              rois.scalar_type());
  TORCH_CHECK(rois.device() == features.device(), op, ": rois: expected the features' device ",
              features.device(), ", got ", rois.device());
}

}  // namespace rcnn::ops
