#pragma once

#include <cstdint>

#include "ops/kernels/cpu/simd/vec.h"

namespace rcnn::ops::kernels::cpu::simd {

/// Neighbouring channels in `Vectors` registers.
template <int Vectors, int Lanes, class Real>
struct Block {
  Vec<Real, Lanes> values[Vectors];

  static constexpr int64_t kChannels = Vectors * Lanes;

  template <class T>
  [[gnu::always_inline]] static Block at(const T* from) {
    Block block;
    for (int v = 0; v < Vectors; ++v) block.values[v] = load<Lanes>(from + v * Lanes);
    return block;
  }
  template <class T>
  [[gnu::always_inline]] void add(Real weight, const T* from) {
    for (int v = 0; v < Vectors; ++v) values[v] += broadcast<Lanes>(weight) * load<Lanes>(from + v * Lanes);
  }
  [[gnu::always_inline]] void add_product(const Block& a, const Block& b) {
    for (int v = 0; v < Vectors; ++v) values[v] += a.values[v] * b.values[v];
  }
  [[gnu::always_inline]] void add_to(Real weight, Real* to) const {
    for (int v = 0; v < Vectors; ++v) {
      Real* at = to + v * Lanes;
      store<Lanes>(at, load<Lanes>(at) + broadcast<Lanes>(weight) * values[v]);
    }
  }
  template <class T>
  [[gnu::always_inline]] void store_to(T* to) const {
    for (int v = 0; v < Vectors; ++v) store<Lanes>(to + v * Lanes, values[v]);
  }
};

}  // namespace rcnn::ops::kernels::cpu::simd
