#pragma once

#include <ATen/core/Tensor.h>

namespace rcnn::ops {

/// What roi_pool and roi_align demand of a feature map and its RoIs.
void check_features_and_rois(const char* op, const at::Tensor& features, const at::Tensor& rois);

}  // namespace rcnn::ops
