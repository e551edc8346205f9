#pragma once

#include <c10/core/DeviceType.h>
#include <c10/core/ScalarType.h>

#include <rcnn/export.h>

namespace rcnn::nn {

/// What a network computes in. Its parameters are float32 either way.
enum class Precision {
  fp32,
  /// Convolutions and matrix products take and give bfloat16 (LibTorch's autocast); boxes, their coding, NMS
  /// and losses stay float32. Range is that of float32: no scaling. Slow without AVX512_BF16 or AMX on x86.
  bf16,
};

/// Makes networks compute in a precision from here to the end of the scope, on this thread. A backward pass
/// follows what was recorded and belongs behind the scope.
///
/// bf16 switches LibTorch's autocast on, without its cache of parameters' casts, and logs a warning the first
/// time where that is slow; fp32 leaves everything as it was.
class RCNN_EXPORT Autocast {
 public:
  Autocast(c10::DeviceType device, Precision precision);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  c10::DeviceType device_;
  bool switched_, was_enabled_ = false, had_cache_ = false;
  c10::ScalarType old_type_ = c10::ScalarType::Float;
};

}  // namespace rcnn::nn
