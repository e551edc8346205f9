#include "ops/parallel.h"

#include <ATen/Parallel.h>

#if AT_PARALLEL_OPENMP && !defined(_OPENMP)
#error "without the compiler's OpenMP flag at::parallel_for is a plain loop"
#endif

namespace rcnn::ops {

void parallel(int64_t count, int64_t grain, const kernels::cpu::RangeBody& body) {
  at::parallel_for(0, count, grain, body);
}

}  // namespace rcnn::ops
