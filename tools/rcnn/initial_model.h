#pragma once

#include <cstdint>
#include <memory>

#include <rcnn/config/node.h>
#include <rcnn/nn/detection_model.h>

namespace rcnn::tools {

/// The detector of a config's "model" as a training begins with it: random weights of this seed, and those of
/// the file that the config names in the places that they fit; the log says which do.
std::shared_ptr<nn::DetectionModelImpl> initial_model(const config::Node& config, int64_t num_classes,
                                                      uint64_t seed);

}  // namespace rcnn::tools
