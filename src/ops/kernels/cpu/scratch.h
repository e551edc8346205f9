#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rcnn::ops::kernels::cpu {

/// Zeros that begin with a cache line: a vector that is stored across two lines is slow to load again.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t count) : lines_((count * sizeof(T) + sizeof(Line) - 1) / sizeof(Line)) {}

  T* data() { return reinterpret_cast<T*>(lines_.data()); }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> lines_;
};

}  // namespace rcnn::ops::kernels::cpu
