#pragma once

namespace rcnn::nn {

/// Whether oneDNN multiplies bfloat16 on this processor, which on x86 needs AVX-512. Without it LibTorch has
/// a plain loop for matrix products, some hundred times slower than float32, and oneDNN's operators throw.
bool onednn_has_bfloat16();

/// Whether bfloat16 is slower than float32 on this processor: oneDNN has none, or has to make do with
/// float32's instructions.
bool is_bfloat16_slow();

}  // namespace rcnn::nn
