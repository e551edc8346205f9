#pragma once

#include <string>

#include <ATen/core/Tensor.h>

namespace rcnn::nn {

/// One part of what training minimises.
struct Loss {
  std::string name;  ///< torchvision's: loss_objectness, loss_rpn_box_reg, loss_classifier, loss_box_reg
  at::Tensor value;  ///< float32 scalar
};

}  // namespace rcnn::nn
