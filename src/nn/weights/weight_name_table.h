#pragma once

#include <array>
#include <map>
#include <string>

#include <rcnn/nn/weights/weight_names.h>

namespace rcnn::nn {

/// What the names of one file say of its network.
struct NamedParts {
  bool detector = false;        ///< has an RPN or a RoI head; otherwise a classification network
  bool pyramid = false;         ///< has an FPN
  bool res5_head = false;       ///< the RoI head is the last residual stage
  int rpn_convs = 1;            ///< convolutions before the RPN's two outputs
  int box_convs = 0;            ///< convolutions before the RoI head's linear layers
  std::array<int, 5> blocks{};  ///< of residual stage 1..4, 0 where there is none
};

NamedParts parts_of(const TensorMap& tensors, WeightNames names);

/// Every name that a network of these parts may have: torchvision's and its counterpart.
struct NameTable {
  std::map<std::string, std::string> to_other;
  std::map<std::string, std::string> to_torchvision;
};

/// `other` is detectron2 or caffe2.
NameTable name_table(const NamedParts& parts, WeightNames other);

}  // namespace rcnn::nn
