#pragma once

#include <rcnn/export.h>
#include <rcnn/nn/layers/precision.h>
#include <rcnn/nn/models/model.h>

namespace rcnn::nn {

/// Makes a detector one that only detects, in evaluation mode, as fast as it can where it lies: norms behind
/// convolutions are folded into their weights (Jacob et al. 2018, section 3.2), ReLUs and the sums of
/// residual blocks are done by the convolutions, and weights lie, once and for all, in the type and the
/// layout that is computed in, without what only losses need, see ModelImpl::drop_training_parts(). Results
/// differ from before by rounding alone.
///
/// Afterwards it cannot be trained, saved, loaded or moved to another device. With bf16 detect() belongs into
/// an Autocast of that precision. Throws c10::Error for bf16 unless its parameters are float32.
RCNN_EXPORT void prepare_for_inference(ModelImpl& model, Precision precision);

/// Whether prepare_for_inference() has changed the model.
RCNN_EXPORT bool only_detects(const ModelImpl& model);

}  // namespace rcnn::nn
