#pragma once

#include <span>

#include <rcnn/train/stages.h>
#include <rcnn/train/training.h>

namespace rcnn::train {

/// Loads every tensor of the model from the files that its config names as `weights`, of each what `only`
/// means. Tensors that the model has no place for are passed over; one that two files give is the same in
/// both. Throws WeightsError unless it is so, with all names; ConfigError where no file is named, and where a
/// file says that its weights learnt under other keys that give them their meaning: legacy, pixels, anchors,
/// box_weights, the pooler.
///
/// Of `products` that are not there yet it takes what configs say: names, shapes, meanings, and which stage
/// trains a tensor. It then throws the same of what is wrong for sure, and the model is of no use afterwards.
void load_whole_weights(Training& training, std::span<const Product> products);

}  // namespace rcnn::train
