#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <rcnn/export.h>
#include <rcnn/nn/models/model.h>
#include <rcnn/types.h>

namespace rcnn::nn {

/// A module with parameters of its own, or a part of the model, which is several of them.
struct LayerSummary {
  std::string name;        ///< "backbone.body.layer1.0.conv1"; empty for products of no parameter
  int64_t parameters = 0;  ///< numbers
  int64_t trainable = 0;   ///< those of them that learn
  int64_t multiply_adds = 0;
  /// Shapes of what its convolutions or matrix products give, in the order of the calls: a layer shared by
  /// the levels of a pyramid has one for each. For a part those of the layer that came last.
  std::vector<std::vector<int64_t>> outputs = {};
  int64_t last_call = -1;  ///< the place of its last product among all; -1 for none
};

/// What it takes to find boxes, or to label pixels, with a model, layer by layer.
struct ModelSummary {
  std::vector<LayerSummary> layers;  ///< in the order of named_modules()
  int64_t weight_bytes = 0;          ///< of parameters and buffers
  int64_t spare_bytes = 0;           ///< of those of them that inference does without
  /// The most bytes of tensors that were alive at once and made on the way, as LibTorch's allocators count;
  /// what libraries below it take for themselves is not seen.
  int64_t inference_bytes = 0;
};

/// Shows the model one grey image of `size`, in network pixels, twice: once to count multiply-adds and once
/// to measure memory. Leaves the model in evaluation mode. Throws c10::Error for one that neither detects nor
/// segments.
///
/// Multiply-adds are those of convolutions, at each place of their outputs, and of matrix products: of
/// everything that these tell apart, so norms, biases, activations, pooling and NMS count nothing. RoI layers
/// count for as many RoIs as the model proposes, which the first number of their output's shape is, and for
/// 2000 where it is given its proposals.
RCNN_EXPORT ModelSummary summarize(ModelImpl& model, ImageSize size);

/// The most bytes of tensors that were alive at once and made by a forward and a backward pass over one grey
/// image of `size` with a few objects of class 1: activations, their gradients and those of the parameters,
/// counted like ModelSummary::inference_bytes. Leaves the model in training mode and without gradients.
RCNN_EXPORT int64_t training_bytes(ModelImpl& model, ImageSize size);

/// The layers gathered into parts by the first two words of their names, three below backbone.body:
/// backbone.body.layer1, backbone.fpn, rpn.head, roi_heads.box_head, ...; in the order in which they come.
RCNN_EXPORT std::vector<LayerSummary> parts(const std::vector<LayerSummary>& layers);

/// All of them together, named "all".
RCNN_EXPORT LayerSummary total(const std::vector<LayerSummary>& layers);

}  // namespace rcnn::nn
