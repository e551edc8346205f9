#pragma once

#include <map>
#include <string>
#include <vector>

#include <torch/nn/module.h>

#include <rcnn/error.h>

namespace rcnn::nn {

using TensorMap = std::map<std::string, at::Tensor>;

/// Parameters and buffers of a module under their dotted names; the tensors are the module's own.
TensorMap state_of(const torch::nn::Module& module);

/// Copies `tensors` into the module's state. Throws WeightsError, having changed nothing, when a name is
/// missing or unexpected or a shape differs, listing all of them; `origin` names the file in the message.
void load_state(torch::nn::Module& module, const TensorMap& tensors, const std::string& origin);

/// What load_initial did.
struct InitialLoad {
  std::vector<std::string> loaded;  ///< names in the module
  std::vector<std::string> fresh;   ///< names in the module that keep their initialisation
  std::vector<std::string> unused;  ///< names in the file
};

/// Copies as much of `tensors` as the module has a place for: under the same name, or, for the weights of a
/// classification network, in the backbone and the RoI head (`layer1.0.conv1.weight` is
/// `backbone.body.layer1.0.conv1.weight`; `classifier.0` and `classifier.3` of a VGG are the head's fc6 and
/// fc7). The last layers (roi_heads.box_predictor) stay fresh when the file's have another number of classes.
/// Throws WeightsError, having changed nothing, when another shape differs or nothing fits at all.
InitialLoad load_initial(torch::nn::Module& module, const TensorMap& tensors, const std::string& origin);

/// Names for people: "backbone.body.layer1 (30), rpn.head (6)".
std::string summarize(const std::vector<std::string>& names);

}  // namespace rcnn::nn
