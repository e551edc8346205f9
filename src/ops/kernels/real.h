#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

// The one macro of the kernels: functions of both twins run on the host and on the device. On the host they
// are always inlined, so that a source compiled for a newer instruction set leaves no copy of them for the
// linker to share.
#ifdef __CUDACC__
#define RCNN_HOST_DEVICE __host__ __device__
#else
#define RCNN_HOST_DEVICE [[gnu::always_inline]]
#endif

/// Element types: storage is float, double or BFloat16; arithmetic is in Real<storage>.
namespace rcnn::ops::kernels {

struct BFloat16 {
  uint16_t bits;
};

template <class T>
using Real =
    std::conditional_t<std::is_same_v<std::remove_const_t<T>, BFloat16>, float, std::remove_const_t<T>>;

/// The signed integer as wide as a Real, and what comparing vectors of Reals gives: -1 or 0.
template <class Real>
using IntegerLike = std::conditional_t<sizeof(Real) == 8, int64_t, int32_t>;

RCNN_HOST_DEVICE inline float to_real(float value) {
  return value;
}
RCNN_HOST_DEVICE inline double to_real(double value) {
  return value;
}
RCNN_HOST_DEVICE inline float to_real(BFloat16 value) {
  return std::bit_cast<float>(uint32_t{value.bits} << 16);
}

template <class T>
RCNN_HOST_DEVICE inline T from_real(Real<T> value) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    const auto bits = std::bit_cast<uint32_t>(value);
    const uint32_t rounding = 0x7fff + (bits >> 16 & 1);  // half to even
    return {static_cast<uint16_t>(value != value ? 0x7fc0 : (bits + rounding) >> 16)};
  } else {
    return value;
  }
}

}  // namespace rcnn::ops::kernels
