#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/weights.h>

namespace rcnn::nn {

/// Whose names, and with them whose conventions, weights follow.
///
/// torchvision   what this library uses: `backbone.body.layer1.0.conv1.weight`, background is class 0
/// detectron2    `backbone.bottom_up.res2.0.conv1.weight`, `proposal_generator.*`; background comes last,
///               without a box; the anchors of a cell go by size, then by ratio
/// caffe2        Detectron's blobs: `res2_0_branch2a_w`; batch norm is a scale and a shift
enum class WeightNames { torchvision, detectron2, caffe2 };

/// What a translation has to know of the detector and cannot see in its weights.
struct RCNN_EXPORT WeightNamesOptions {
  int64_t anchor_ratios = 3;    ///< aspect ratios of the anchors of a cell
  bool class_agnostic = false;  ///< one box a RoI instead of one for each class
  double norm_eps = 1e-5;       ///< of frozen batch norm

  /// From the keys of a config's "model" that say so, the defaults where it does not.
  static WeightNamesOptions from(const config::Node& model);
};

/// The convention that the names show; torchvision's when they show no other.
RCNN_EXPORT WeightNames weight_names_of(const TensorMap& tensors);

/// What a translation gives.
struct RenamedWeights {
  TensorMap tensors;
  std::vector<std::string> left_out;  ///< names of the source that have no counterpart: anchors, momenta
};

/// Translates weights of a ResNet, or of a Faster R-CNN over one with a res5 head, a pyramid, or neither. A
/// classification network, which has neither RPN nor RoI heads, gets torchvision's names of such a network
/// (`layer1.0.conv1.weight`). Rows of the last layers change their order with the names; tensors whose rows
/// stay are shared. Throws WeightsError when a tensor has not the shape that its name promises.
RCNN_EXPORT RenamedWeights to_torchvision(const TensorMap& tensors, WeightNames from,
                                          const WeightNamesOptions& options = {});

/// The inverse. What to_torchvision() added (zeros as the background's box) or left out is not restored
/// exactly: caffe2's batch norm comes back as scale and shift.
RCNN_EXPORT RenamedWeights from_torchvision(const TensorMap& tensors, WeightNames to,
                                            const WeightNamesOptions& options = {});

/// Weights of a file of any kind (io/weight_file.h) under torchvision's names. Throws WeightsError.
RCNN_EXPORT RenamedWeights read_weights(const std::filesystem::path& file,
                                        const WeightNamesOptions& options = {});

}  // namespace rcnn::nn
