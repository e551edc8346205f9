#pragma once

#include <string>

#include <rcnn/export.h>
#include <rcnn/nn/weights/weights.h>

namespace rcnn::nn {

/// What is doubtful about the weights that load_initial() copied, for people, on one line; empty when nothing
/// is. Named are the parts of the model (a stage of the backbone, the pyramid, the RPN, the RoI head) of
/// which most stays fresh, and those of which most of the file's tensors find no place, with the likely
/// cause. That a classification network fills the backbone alone, and that last layers of other classes stay
/// fresh, is as it should be.
RCNN_EXPORT std::string doubts_about(const LoadReport& report);

}  // namespace rcnn::nn
