#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rcnn::eval {

/// Something at `place` of a list, to be sorted by `key`.
struct Keyed {
  uint64_t key = 0;
  size_t place = 0;
};

/// The key by which greater scores come first, -0 and 0 as one. A score is a number.
uint64_t falling_key(double score);

/// Sorts by ascending key; equal ones keep their order. `spare` is memory to work in.
void radix_sort(std::vector<Keyed>& items, std::vector<Keyed>& spare);

}  // namespace rcnn::eval
