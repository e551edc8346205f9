#pragma once

#include <rcnn/train/stages.h>

namespace rcnn::train {

/// The kind `train`.
StageKind training_stage();

}  // namespace rcnn::train
