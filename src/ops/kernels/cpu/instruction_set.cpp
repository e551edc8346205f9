#include "ops/kernels/cpu/instruction_set.h"

namespace rcnn::ops::kernels::cpu {

InstructionSet best_instruction_set() {
#ifdef RCNN_X86_64
  static const InstructionSet best = [] {
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (avx512) return InstructionSet::kAvx512;
    return __builtin_cpu_supports("avx2") ? InstructionSet::kAvx2 : InstructionSet::kBaseline;
  }();
  return best;
#else
  return InstructionSet::kBaseline;
#endif
}

}  // namespace rcnn::ops::kernels::cpu
