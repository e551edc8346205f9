#pragma once

#include <ATen/core/Tensor.h>

namespace rcnn::boxes {

/// Throws c10::Error unless `boxes` is float [..., 4], or with `dims` of so many dimensions.
void check_boxes(const char* function, const char* name, const at::Tensor& boxes, int64_t dims = -1);

}  // namespace rcnn::boxes
