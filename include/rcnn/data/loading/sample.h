#pragma once

#include <cstdint>
#include <vector>

#include <rcnn/export.h>

namespace rcnn::data {

/// `count` of 0 .. size - 1, all of them when there are no more, drawn without replacement and ascending. The
/// same seed gives the same ones. Every choice is as likely as any other.
RCNN_EXPORT std::vector<int64_t> sample(int64_t size, int64_t count, uint64_t seed);

}  // namespace rcnn::data
