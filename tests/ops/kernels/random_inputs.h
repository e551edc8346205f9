#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "ops/kernels/real.h"

/// Small inputs for the kernels' tests that meet every corner of their contracts, the same from the same seed
/// everywhere.
namespace rcnn::ops::kernels::test {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  int64_t below(int64_t end) { return static_cast<int64_t>(engine_() % static_cast<uint64_t>(end)); }
  int64_t between(int64_t first, int64_t last) { return first + below(last - first + 1); }
  bool once_in(int64_t times) { return below(times) == 0; }
  double uniform(double low, double high) {
    return low + (high - low) * std::ldexp(static_cast<double>(engine_() >> 11), -53);
  }
  template <class V>
  V one_of(std::initializer_list<V> values) {
    return values.begin()[below(static_cast<int64_t>(values.size()))];
  }

 private:
  std::mt19937_64 engine_;
};

/// Mostly small whole numbers, so that maxima tie, or all kinds.
template <class T>
std::vector<T> random_values(Random& random, int64_t count) {
  const bool whole = random.once_in(2);
  const double scale = random.one_of({1.0, 1.0, 0x1p-40, 0x1p40});
  std::vector<T> values(count);
  for (T& value : values) {
    const double v = whole ? static_cast<double>(random.between(-3, 3)) : random.uniform(-1, 1);
    value = from_real<T>(static_cast<Real<T>>(v * scale));
  }
  return values;
}

/// x1, y1, x2, y2 with x1 and y1 up to `extent`: on a coarse grid, where IoUs tie, or anywhere; now and then
/// inverted, NaN or infinite.
template <class R>
void random_box(Random& random, bool coarse, double extent, R* box) {
  const auto coordinate = [&](double low, double high) {
    const double v = random.uniform(low, high);
    return static_cast<R>(coarse ? std::round(v) : v);
  };
  box[0] = coordinate(0, extent), box[1] = coordinate(0, extent);
  box[2] = box[0] + coordinate(1, 15), box[3] = box[1] + coordinate(1, 15);
  if (random.once_in(20)) std::swap(box[0], box[2]);
  if (random.once_in(30)) box[random.below(4)] = std::numeric_limits<R>::quiet_NaN();
  if (random.once_in(50)) box[2] = std::numeric_limits<R>::infinity();
}

/// RoIs about maps of some 12 cells, all coordinates finite multiples of 1/64 or NaN.
template <class R>
std::vector<R> random_rois(Random& random, int64_t count, int64_t images, double scale) {
  std::vector<R> rois;
  for (int64_t k = 0; k < count; ++k) {
    const auto coordinate = [&](double low, double high) {
      return static_cast<R>(std::round(random.uniform(low, high) / scale * 64) / 64);
    };
    const bool off_map = random.once_in(8), whole = random.once_in(4);
    R roi[5] = {static_cast<R>(random.below(std::max<int64_t>(images, 1))), coordinate(-3, 12),
                coordinate(-3, 12), 0, 0};
    if (off_map) roi[1] += coordinate(15, 200);
    roi[3] = roi[1] + coordinate(-2, 12), roi[4] = roi[2] + coordinate(-2, 12);
    for (int i = 1; whole && i < 5; ++i) roi[i] = std::round(roi[i]);
    if (random.once_in(15)) roi[random.below(5)] = std::numeric_limits<R>::quiet_NaN();
    if (random.once_in(15)) roi[0] = random.one_of({R(-1), static_cast<R>(images), R(1e30)});
    rois.insert(rois.end(), roi, roi + 5);
  }
  return rois;
}

/// Now and then none.
inline int64_t random_images(Random& random) {
  return random.once_in(12) ? 0 : random.between(1, 3);
}

/// Odd ones, and whole vectors of every element type.
inline int64_t random_channels(Random& random) {
  return random.one_of<int64_t>({1, 2, 3, 4, 7, 8, 8, 16, 17, 24, 32, 40});
}

}  // namespace rcnn::ops::kernels::test
