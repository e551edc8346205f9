#pragma once

#include <bit>
#include <cmath>

#include "ops/kernels/cuda/launch.h"
#include "ops/kernels/geometry.h"
#include "ops/kernels/real.h"

/// Two ways in which a backward pass adds a gradient to a cell that other threads add to as well. Both have
///   Cell                     what is added to
///   prepare()                called once by each thread before it adds; false: add nothing
///   add(cell, weight, grad)  cell += weight * grad
namespace rcnn::ops::kernels::cuda {

/// Straight to the gradient. Rounds in the order in which the threads come, so the last bits vary.
template <class R>
struct FloatSums {
  using Cell = R;
  __device__ bool prepare() { return true; }
  __device__ void add(R* cell, R weight, R grad) const { atomicAdd(cell, weight * grad); }
};

/// To 64-bit integers in units of a power of two. Integer addition is associative: every order gives the same
/// bits.
///
/// Let m be the largest |grad|. A cell gets at most `terms` gradients, each with weights that sum to 1 or
/// less, so no sum exceeds terms * m. The unit makes that 2^61 at most, which leaves two bits for the
/// rounding of the terms. Each is off by half a unit at most, m * 2^-45 for 1000 RoIs of 7 x 7 bins. The unit
/// does not go below 2^-1023; what that loses lies below the smallest normal number.
class FixedPointSums {
 public:
  using Cell = Word;

  /// largest: the bits of m, as find_largest leaves them.
  FixedPointSums(const Word* largest, int64_t terms)
      : largest_(largest), bits_of_terms_(std::bit_width(static_cast<uint64_t>(terms))) {}

  /// False where some gradient is not finite.
  __device__ bool prepare() {
    const Word bits = *largest_;
    const int exponent_field = static_cast<int>(bits >> 52);
    const int exponent = larger(exponent_field, 1) - 1022;  // m < 2^exponent
    shift_ = smaller(61 - exponent - bits_of_terms_, 1023);
    scale_ = std::ldexp(1.0, shift_);
    return exponent_field < 0x7ff;
  }

  template <class R>
  __device__ void add(Cell* cell, R weight, R grad) const {
    const double units = static_cast<double>(weight) * static_cast<double>(grad) * scale_;
    atomicAdd(cell, static_cast<Word>(llrint(units)));
  }

  template <class R>
  __device__ R value(Cell sum) const {
    return static_cast<R>(std::ldexp(static_cast<double>(static_cast<long long>(sum)), -shift_));
  }

 private:
  const Word* largest_;
  int bits_of_terms_;
  int shift_ = 0;
  double scale_ = 0;
};

/// Raises *largest, which comes as 0, to the bits of the largest |value| as a double. They are ordered as the
/// values; infinity and then NaN come after all numbers.
template <class T>
__global__ void find_largest(const T* values, int64_t size, Word* largest) {
  Word most = 0;
  for (int64_t i = first_item(); i < size; i += item_stride())
    most = larger(most, std::bit_cast<Word>(static_cast<double>(to_real(values[i]))) & ~(Word{1} << 63));
  for (int distance = kWarp / 2; distance > 0; distance /= 2)
    most = larger(most, __shfl_xor_sync(kAllLanes, most, distance));
  if (threadIdx.x % kWarp == 0) atomicMax(largest, most);
}

/// The sums as reals; NaN everywhere where some gradient was not finite.
template <class R>
__global__ void convert_sums(const Word* from, FixedPointSums sums, int64_t size, R* to) {
  const bool finite = sums.prepare();
  for (int64_t i = first_item(); i < size; i += item_stride())
    to[i] = finite ? sums.value<R>(from[i]) : static_cast<R>(NAN);
}

/// Clears scratch, one word for the largest gradient and then `cells` sums, and fills in that word.
template <class T>
int start_sums(const T* grad, int64_t size, int64_t cells, Word* scratch, CUstream_st* stream) {
  constexpr int64_t kMostBlocks = 1 << 10;  // every warp ends in an atomic on the one word
  if (const int error = clear(scratch, 1 + cells, stream)) return error;
  return launch(find_largest<T>, blocks_for(size, kThreads, kMostBlocks), kThreads, stream, grad, size,
                scratch);
}

template <class R>
int finish_sums(const Word* from, const FixedPointSums& sums, int64_t size, R* to, CUstream_st* stream) {
  if (size == 0) return cudaSuccess;
  return launch(convert_sums<R>, blocks_for(size), kThreads, stream, from, sums, size, to);
}

}  // namespace rcnn::ops::kernels::cuda
