#include "eval/radix_sort.h"

#include <array>
#include <bit>

namespace rcnn::eval {
namespace {

constexpr size_t kDigits = sizeof(uint64_t), kValues = 256;

size_t digit(uint64_t key, size_t place) {
  return key >> (8 * place) & (kValues - 1);
}

}  // namespace

uint64_t falling_key(double score) {
  const auto bits = std::bit_cast<uint64_t>(score + 0.0);  // -0 + 0 is 0
  constexpr uint64_t kSign = uint64_t{1} << 63;
  return (bits & kSign) != 0 ? bits : ~(bits | kSign);
}

void radix_sort(std::vector<Keyed>& items, std::vector<Keyed>& spare) {
  std::array<std::array<size_t, kValues>, kDigits> counts = {};
  for (const auto& item : items) {
    for (size_t d = 0; d < kDigits; ++d) ++counts[d][digit(item.key, d)];
  }
  spare.resize(items.size());
  for (size_t d = 0; d < kDigits; ++d) {
    auto& places = counts[d];
    if (items.empty() || places[digit(items.front().key, d)] == items.size()) continue;  // all the same
    size_t place = 0;
    for (auto& count : places) {
      const size_t next = place + count;
      count = place;
      place = next;
    }
    for (const auto& item : items) spare[places[digit(item.key, d)]++] = item;
    items.swap(spare);
  }
}

}  // namespace rcnn::eval
