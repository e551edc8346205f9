#pragma once

#include <string>

#include <rcnn/export.h>
#include <rcnn/nn/models/model.h>
#include <rcnn/nn/weights/weights.h>

namespace rcnn::nn {

/// What is doubtful about the weights that load_initial() copied into a model, for people, on one line; empty
/// when nothing is. Named are the parts of the model (a stage of the backbone, the pyramid, the RPN, the RoI
/// head) of which most stays fresh, and those of which most of the file's tensors find no place, with the
/// likely cause. That a classification network fills the backbone alone, and that what depends on the classes
/// or serves the losses alone stays fresh, is as it should be.
RCNN_EXPORT std::string doubts_about(const LoadReport& report, const ModelImpl& model);

}  // namespace rcnn::nn
