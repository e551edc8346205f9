#pragma once

#include <rcnn/config/node.h>
#include <rcnn/nn/weights/weight_names.h>

namespace rcnn::nn {

/// Whether names begin as those of mmdetection's detectors do beside their backbone, neck, rpn_head,
/// roi_head, and the backbone's are not torchvision's.
bool has_mmdetection_names(const TensorMap& tensors);

// Names alone, both ways: the rows of the last layers stay as they are. What has no counterpart is left out:
// heads of one-stage detectors, of Cascade R-CNN's several stages, of masks; backbones that are no ResNets.
RenamedWeights from_mmdetection_names(const TensorMap& tensors);
RenamedWeights to_mmdetection_names(const TensorMap& tensors);

/// Throws WeightsError where the neck of a config's "model" has mmdetection's names and computes what
/// mmdetection has not: panet of the form paper, nas_fpn as its authors have it.
void check_mmdetection_has(const config::Node& model);

}  // namespace rcnn::nn
