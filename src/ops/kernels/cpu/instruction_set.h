#pragma once

namespace rcnn::ops::kernels::cpu {

/// What the inner loops are compiled for. All give the same bits.
enum class InstructionSet {
  kBaseline,  ///< what every processor of the build's architecture has
  kAvx2,      ///< x86-64 from Haswell and Zen
  kAvx512,    ///< F, BW, DQ and VL: x86-64 servers from Skylake and Zen 4
};

/// The widest one that this build holds and this processor runs.
InstructionSet best_instruction_set();

}  // namespace rcnn::ops::kernels::cpu
