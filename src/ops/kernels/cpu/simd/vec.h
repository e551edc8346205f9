#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "ops/kernels/geometry.h"
#include "ops/kernels/real.h"

/// Vectors of the compiler's own vector extension (GCC, Clang): +, *, <, ?: work lane by lane, so that
/// geometry.h's formulas hold for a vector as they do for a number.
///
/// A source of this folder is compiled once for each instruction set with RCNN_ISA naming it. Its functions
/// are templates over the instruction set and what they call is inlined: otherwise the linker would keep a
/// single copy of a common helper, maybe one that the processor cannot run.
namespace rcnn::ops::kernels::cpu::simd {

struct Baseline {
  static constexpr int kBytes = 16;
};
struct Avx2 {
  static constexpr int kBytes = 32;
};
struct Avx512 {
  static constexpr int kBytes = 64;
};

template <class T, int Lanes>
struct VecOf {
  typedef T type __attribute__((vector_size(Lanes * sizeof(T))));
};
template <class T>
struct VecOf<T, 1> {
  using type = T;
};
/// T itself for one lane.
template <class T, int Lanes>
using Vec = typename VecOf<T, Lanes>::type;

/// Lanes of T in a register.
template <class Isa, class T>
constexpr int kLanes = Isa::kBytes / static_cast<int>(sizeof(T));

/// The value in every lane.
template <int Lanes, class T>
[[gnu::always_inline]] inline Vec<T, Lanes> broadcast(T value) {
  return value - Vec<T, Lanes>{};
}

/// `Lanes` values from memory, of any alignment, in the type that they are computed in.
template <int Lanes, class T>
[[gnu::always_inline]] inline Vec<Real<T>, Lanes> load(const T* from) {
  if constexpr (Lanes == 1) {
    return to_real(*from);
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    Vec<uint16_t, Lanes> bits;
    std::memcpy(&bits, from, sizeof(bits));
    return reinterpret_cast<Vec<float, Lanes>>(__builtin_convertvector(bits, Vec<uint32_t, Lanes>) << 16);
  } else {
    Vec<T, Lanes> values;
    std::memcpy(&values, from, sizeof(values));
    return values;
  }
}

template <int Lanes, class T>
[[gnu::always_inline]] inline void store(T* to, Vec<Real<T>, Lanes> values) {
  if constexpr (Lanes == 1) {
    *to = from_real<T>(values);
  } else if constexpr (std::is_same_v<T, BFloat16>) {  // from_real, lane by lane
    using Words = Vec<uint32_t, Lanes>;
    const auto bits = reinterpret_cast<Words>(values);
    const Words rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    const Words nan = Words{} + 0x7fc0;
    const auto halves = __builtin_convertvector(values != values ? nan : rounded, Vec<uint16_t, Lanes>);
    std::memcpy(to, &halves, sizeof(halves));
  } else {
    std::memcpy(to, &values, sizeof(values));
  }
}

/// int32 values in the integers that comparing Reals gives.
template <class Integer, int Lanes>
[[gnu::always_inline]] inline Vec<Integer, Lanes> load_integers(const int32_t* from) {
  if constexpr (Lanes == 1) {
    return *from;
  } else {
    return __builtin_convertvector(load<Lanes>(from), Vec<Integer, Lanes>);
  }
}

/// first, first + 1, ...
template <class Integer, int Lanes>
[[gnu::always_inline]] inline Vec<Integer, Lanes> count_from(Integer first) {
  if constexpr (Lanes == 1) {
    return first;
  } else {
    Vec<Integer, Lanes> numbers{};
    for (int lane = 0; lane < Lanes; ++lane) numbers[lane] = lane;
    return numbers + first;
  }
}

/// Whether some lane of a comparison holds.
template <class Mask>
[[gnu::always_inline]] inline bool any(Mask mask) {
#ifdef __AVX512F__
  if constexpr (sizeof(Mask) == 64) return _mm512_movepi32_mask(reinterpret_cast<__m512i>(mask)) != 0;
#endif
#ifdef __AVX2__
  if constexpr (sizeof(Mask) == 32) return _mm256_movemask_epi8(reinterpret_cast<__m256i>(mask)) != 0;
#endif
  uint64_t words[sizeof(Mask) / 8], joined = 0;
  std::memcpy(words, &mask, sizeof(mask));
  for (const uint64_t word : words) joined |= word;
  return joined != 0;
}

/// table[indices] lane by lane, for a table of `count` numbers in memory up to the next multiple of 2 *
/// Lanes. A negative index finds some number.
template <class Isa, int Lanes, class T, class Indices>
[[gnu::always_inline]] inline Vec<T, Lanes> look_up(const T* table, int64_t count, Indices indices) {
  Vec<T, Lanes> found{};
  if constexpr (std::is_same_v<Isa, Baseline>) {  // has no instruction that shuffles by a variable
    for (int lane = 0; lane < Lanes; ++lane) found[lane] = table[larger<int64_t>(indices[lane], 0)];
  } else {
    const auto in_pair = [&](int64_t begin) {
      return __builtin_shuffle(load<Lanes>(table + begin), load<Lanes>(table + begin + Lanes), indices);
    };
    if (count <= 2 * Lanes) return in_pair(0);
    for (int64_t begin = 0; begin < count; begin += 2 * Lanes) {
      const auto here = in_pair(begin);
      const auto first = broadcast<Lanes>(static_cast<IntegerLike<T>>(begin));
      found = (indices & -2 * Lanes) == first ? here : found;
    }
  }
  return found;
}

/// Calls visit.template operator()<Lanes>(i) so that i..i+Lanes-1 cover 0..count-1: as many full registers as
/// fit, then narrower vectors for the rest.
template <int Lanes, class Visit>
[[gnu::always_inline]] inline void for_each_vector(int64_t count, Visit visit, int64_t begin = 0) {
  for (; begin + Lanes <= count; begin += Lanes) visit.template operator()<Lanes>(begin);
  if constexpr (Lanes > 1) {
    if (begin < count) for_each_vector<Lanes / 2>(count, visit, begin);
  }
}

/// Calls f with `count` as a constant where it is 1 to 4, so that short loops are unrolled, else as it is.
template <class F>
[[gnu::always_inline]] inline void with_constant(int64_t count, F f) {
  switch (count) {
    case 1:
      return f(std::integral_constant<int64_t, 1>{});
    case 2:
      return f(std::integral_constant<int64_t, 2>{});
    case 3:
      return f(std::integral_constant<int64_t, 3>{});
    case 4:
      return f(std::integral_constant<int64_t, 4>{});
    default:
      return f(count);
  }
}

/// Lanes of a sum over channels: channel c counts in lane c % kSumLanes, whatever the instruction set.
template <class Real>
constexpr int kSumLanes = 64 / static_cast<int>(sizeof(Real));

/// Bytes of the channels that for_each_block takes at a time.
constexpr int kBlockBytes = 256;

/// Calls visit.template operator()<Vectors, Lanes>(c) for blocks of `Vectors` registers that cover all
/// channels, the last ones with a single register or less.
template <class Isa, class Real, class Visit>
[[gnu::always_inline]] inline void for_each_block(int64_t channels, Visit visit) {
  constexpr int kWide = kLanes<Isa, Real>,
                kVectors = kBlockBytes / Isa::kBytes < 8 ? kBlockBytes / Isa::kBytes : 8;
  int64_t c = 0;
  for (; c + kVectors * kWide <= channels; c += kVectors * kWide)
    visit.template operator()<kVectors, kWide>(c);
  for_each_vector<kWide>(
      channels, [&]<int Lanes>(int64_t i) { visit.template operator()<1, Lanes>(i); }, c);
}

}  // namespace rcnn::ops::kernels::cpu::simd
