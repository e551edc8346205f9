#include "ops/kernels/cpu/simd/nms.h"

#include "ops/kernels/cpu/simd/vec.h"

namespace rcnn::ops::kernels::cpu::simd {

template <class Isa, class T>
bool is_suppressed(const KeptCoordinates<T>& kept, int64_t begin, int64_t end, const Corners<T>& box,
                   T iou_threshold) {
  constexpr int kWide = kLanes<Isa, T>;
  constexpr int kVectors = 4;  // between two branches
  static_assert(kVectors * kWide <= kKeptPadding);
  using V = Vec<T, kWide>;
  const Corners<V> candidate{broadcast<kWide>(box.x1), broadcast<kWide>(box.y1), broadcast<kWide>(box.x2),
                             broadcast<kWide>(box.y2)};
  const V candidate_area = area(candidate);
  const auto kept_at = [&](int64_t i) {
    return Corners<V>{load<kWide>(kept.x1 + i), load<kWide>(kept.y1 + i), load<kWide>(kept.x2 + i),
                      load<kWide>(kept.y2 + i)};
  };
  // An IoU above the threshold means common > cut * joined, which needs no division: the cut is lower than
  // the threshold by more than all roundings, and where the product is too small for that, rounding cannot
  // carry it past `common`.
  const T cut = iou_threshold * (1 - T(1) / (1 << 20));
  for (; begin < end; begin += kVectors * kWide) {
    Vec<IntegerLike<T>, kWide> suspects{};
    for (int v = 0; v < kVectors; ++v) {
      const V common = intersection(kept_at(begin + v * kWide), candidate);
      const V joined = load<kWide>(kept.areas + begin + v * kWide) + candidate_area - common;
      suspects |= (common >= cut * joined) & (common > V{});
    }
    if (!any(suspects)) continue;
    for (int v = 0; v < kVectors; ++v) {
      const int64_t i = begin + v * kWide;
      if (any(iou(kept_at(i), load<kWide>(kept.areas + i), candidate, candidate_area) > iou_threshold))
        return true;
    }
  }
  return false;
}

template bool is_suppressed<RCNN_ISA>(const KeptCoordinates<float>&, int64_t, int64_t, const Corners<float>&,
                                      float);
template bool is_suppressed<RCNN_ISA>(const KeptCoordinates<double>&, int64_t, int64_t,
                                      const Corners<double>&, double);

}  // namespace rcnn::ops::kernels::cpu::simd
