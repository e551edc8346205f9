#pragma once

#include <rcnn/train/stages.h>

namespace rcnn::train {

/// The kind `assemble`: puts the model of the stage's config together from the files of its model.weights and
/// leaves it as last.safetensors. The last step of alternating training (Ren et al. 2015, section 3.2): the
/// RPN of one file and the head of another on the convolutions that both share.
StageKind assemble_stage();

}  // namespace rcnn::train
