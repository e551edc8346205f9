#pragma once

#include <cstdint>

namespace rcnn::ops::kernels::cuda {

constexpr int kPackBytes = 16;  ///< what one load or store of a thread moves at most

/// Elements of T that fill it.
template <class T>
constexpr int kPack = kPackBytes / static_cast<int>(sizeof(T));

/// N elements next to each other.
template <class T, int N>
struct alignas(N * sizeof(T) < kPackBytes ? N * sizeof(T) : kPackBytes) Pack {
  T values[N];
};

template <int N, class T>
__device__ Pack<T, N> load(const T* from) {
  return *reinterpret_cast<const Pack<T, N>*>(from);
}
template <class T, int N>
__device__ void store(T* to, const Pack<T, N>& values) {
  *reinterpret_cast<Pack<T, N>*>(to) = values;
}

inline bool is_aligned(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % kPackBytes == 0;
}

}  // namespace rcnn::ops::kernels::cuda
