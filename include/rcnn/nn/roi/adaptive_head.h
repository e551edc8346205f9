#pragma once

#include <memory>
#include <vector>

#include <rcnn/config/node.h>
#include <rcnn/export.h>
#include <rcnn/nn/roi/box_head.h>

namespace rcnn::nn {

/// Adaptive feature pooling's second half (PANet, Liu et al. 2018, sections 3.2 and 4.3): a first layer of
/// its own for each grid that the pooler gives, rectified; their maximum or their sum, element by element;
/// and the other layers. Two fully connected ones, fc6 and fc7; or, with convs, the heavier head: so many 3x3
/// convolutions and a fully connected layer.
///
/// Keys: fusion = max (sum), hidden = 1024, those of NormOptions with norm = none, convs = 0 (4: as
/// published), and with convs channels = 256. A norm is behind both fully connected layers, where it is of
/// the kind group, or behind every convolution; the authors' code has groups. svd (an object: ranks, by the
/// layers' names). Names: fc6_0, fc6_1, ... one for each grid, fc7, and their norms fc6_0_norm; or 0.0.0,
/// 0.1.0, ... (the first convolution of each grid), 1.0, ..., their norms 0.0.1, 1.1, and the fully connected
/// layer, 5 behind four: what the conv head calls it. Convolutions start with N(0, 2 / fan_out) and fully
/// connected layers from Xavier's uniform numbers, biases 0. Of grids of different sizes or channels
/// ConfigError.
RCNN_EXPORT std::shared_ptr<BoxHeadImpl> make_adaptive_head(const config::Node& node,
                                                            const std::vector<GridSpec>& grids);

}  // namespace rcnn::nn
