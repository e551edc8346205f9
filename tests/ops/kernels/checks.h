#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "tests/ops/kernels/random_inputs.h"
#include "tests/ops/kernels/reference.h"

/// What a test needs that has no library: checks that name the case and its seed, and end the program.
namespace rcnn::ops::kernels::test {

struct RunningCase {
  const char* name = "";
  uint64_t seed = 0;
};
inline RunningCase running;

inline void check(bool holds, const char* what) {
  if (holds) return;
  std::printf("FAILED: %s, seed %llu: %s\n", running.name, static_cast<unsigned long long>(running.seed),
              what);
  std::exit(1);
}

/// NaN where that is expected.
template <class T>
void check_close(const std::vector<T>& actual, const std::vector<reference::Expected>& expected, double slack,
                 const char* what) {
  check(actual.size() == expected.size(), what);
  for (size_t i = 0; i < actual.size(); ++i) {
    const double value = to_real(actual[i]);
    check(std::abs(value - expected[i].value) <= expected[i].error + slack ||
              (std::isnan(value) && std::isnan(expected[i].value)),
          what);
  }
}

template <class T>
void check_same_bits(const std::vector<T>& a, const std::vector<T>& b, const char* what) {
  check(a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0),
        what);
}

/// As numbers; all NaN are one.
template <class T>
void check_equal(const std::vector<T>& actual, const std::vector<T>& expected, const char* what) {
  check(actual.size() == expected.size(), what);
  for (size_t i = 0; i < actual.size(); ++i) {
    const auto a = to_real(actual[i]), e = to_real(expected[i]);
    check(a == e || (a != a && e != e), what);
  }
}

inline void run(const char* name, void (*test)(Random&), uint64_t first_seed, uint64_t cases) {
  for (uint64_t seed = first_seed; seed < first_seed + cases; ++seed) {
    running = {name, seed};
    Random random(seed);
    test(random);
  }
  std::printf("%s: %llu cases passed\n", name, static_cast<unsigned long long>(cases));
}

}  // namespace rcnn::ops::kernels::test
