#pragma once

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/train/options.h>

namespace torch::nn {
class Module;
}

namespace rcnn::train {

/// Takes the parameters that TrainOptions::freeze names out of what learns. As in a backbone's frozen stages,
/// a batch norm that is not a frozen one goes on taking its statistics from the batches.
///
/// Throws ConfigError, about keys of the config's `train`, when a pattern there or in SolverOptions::factors
/// means no parameter, with the nearest names; when backbone_lr has nothing to act on; and when nothing is
/// left that learns.
RCNN_EXPORT void freeze(torch::nn::Module& model, const TrainOptions& options, const config::Node& train);

}  // namespace rcnn::train
