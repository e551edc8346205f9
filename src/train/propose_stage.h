#pragma once

#include <rcnn/train/stages.h>

namespace rcnn::train {

/// The kind `propose`: writes what the model of the stage's config, whose weights are its model.weights,
/// proposes on the images of data.train and data.test, as they are, unflipped: train.pkl and test.pkl, best
/// first, at most model.rpn.test.post_nms an image. See data::read_proposals().
StageKind propose_stage();

}  // namespace rcnn::train
