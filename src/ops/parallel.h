#pragma once

#include "ops/kernels/cpu/parallel.h"

namespace rcnn::ops {

/// at::parallel_for from 0, for the CPU kernels.
void parallel(int64_t count, int64_t grain, const kernels::cpu::RangeBody& body);

}  // namespace rcnn::ops
