#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace rcnn::data {

/// splitmix64's mixing (Steele, Lea and Flood 2014): each bit of the result depends on every bit given.
constexpr uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// One seed from the numbers that name it, as in hash(seed, epoch, sample).
template <class... Parts>
constexpr uint64_t hash(Parts... parts) {
  uint64_t mixed = 0;
  ((mixed = mix(mixed ^ static_cast<uint64_t>(parts))), ...);
  return mixed;
}

/// A stream of random numbers that is the same everywhere; the distributions of the standard library are not.
class Random {
 public:
  explicit Random(uint64_t seed) : seed_(hash(seed)) {}

  uint64_t bits() { return hash(seed_, counter_++); }

  /// In [0, 1).
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

  double uniform(double from, double to) { return from + (to - from) * uniform(); }

  /// One of 0 .. count - 1.
  int64_t below(int64_t count) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(count)); }

  /// Puts the items in an order of which all are as likely (Fisher and Yates).
  template <class Item>
  void shuffle(std::vector<Item>& items) {
    for (int64_t i = std::ssize(items) - 1; i > 0; --i) {
      std::swap(items[static_cast<size_t>(i)], items[static_cast<size_t>(below(i + 1))]);
    }
  }

  bool chance(double probability) { return uniform() < probability; }

 private:
  uint64_t seed_;
  uint64_t counter_ = 0;
};

}  // namespace rcnn::data
