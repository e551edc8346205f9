#pragma once

#include "ops/kernels/cpu/instruction_set.h"
#include "ops/kernels/cpu/simd/vec.h"

namespace rcnn::ops::kernels::cpu {

/// Calls f with the tag of the instruction set: f(simd::Avx512{}).
template <class F>
auto with_instruction_set([[maybe_unused]] InstructionSet set, F f) {
#ifdef RCNN_X86_64
  if (set == InstructionSet::kAvx512) return f(simd::Avx512{});
  if (set == InstructionSet::kAvx2) return f(simd::Avx2{});
#endif
  return f(simd::Baseline{});
}

}  // namespace rcnn::ops::kernels::cpu
