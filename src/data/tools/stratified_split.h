#pragma once

#include <vector>

#include <rcnn/data/tools/split.h>

namespace rcnn::data {

/// Throws ConfigError for what stratified_split() refuses whatever the images.
void check_shares(const std::vector<SplitShare>& parts);

}  // namespace rcnn::data
