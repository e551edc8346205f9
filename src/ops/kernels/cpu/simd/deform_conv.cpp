#include "ops/kernels/cpu/simd/deform_conv.h"

#include "ops/kernels/cpu/simd/block.h"

namespace rcnn::ops::kernels::cpu::simd {
namespace {

template <class Cell, class Real>
[[gnu::always_inline]] inline Cell* corner_of(const ChannelRange<Cell>& map, const DeformTap<Real>& tap,
                                              int corner) {
  return tap.corners[corner] < 0 ? map.outside : map.first + tap.corners[corner] * map.channels;
}

}  // namespace

template <class Isa, class T>
void sample_taps(const ChannelRange<const T>& map, const DeformTap<Real<T>>* taps, int64_t tap_count,
                 Real<T>* columns, int64_t stride) {
  for (int64_t i = 0; i < tap_count; ++i) {
    const T* corners[4];
    for (int corner = 0; corner < 4; ++corner) corners[corner] = corner_of(map, taps[i], corner);
    for_each_block<Isa, Real<T>>(map.count, [&]<int Vectors, int Lanes>(int64_t c) {
      Block<Vectors, Lanes, Real<T>> sum{};
      for (int corner = 0; corner < 4; ++corner) sum.add(taps[i].weights[corner], corners[corner] + c);
      sum.store_to(columns + i * stride + c);
    });
  }
}

template <class Isa, class Real>
void spread_taps(const ChannelRange<Real>& map, const DeformTap<Real>* taps, int64_t tap_count,
                 const Real* grad_columns, int64_t stride) {
  for (int64_t i = 0; i < tap_count; ++i) {
    Real* corners[4];
    for (int corner = 0; corner < 4; ++corner) corners[corner] = corner_of(map, taps[i], corner);
    for_each_block<Isa, Real>(map.count, [&]<int Vectors, int Lanes>(int64_t c) {
      const auto grad = Block<Vectors, Lanes, Real>::at(grad_columns + i * stride + c);
      for (int corner = 0; corner < 4; ++corner) grad.add_to(taps[i].weights[corner], corners[corner] + c);
    });
  }
}

template <class Isa, class T>
void move_taps(const ChannelRange<const T>& map, const DeformTap<Real<T>>* taps, int64_t tap_count,
               const Real<T>* grad_columns, int64_t stride, Real<T>* sums) {
  constexpr int kSum = kSumLanes<Real<T>>, kWide = kLanes<Isa, Real<T>>;
  using B = Block<kSum / kWide, kWide, Real<T>>;
  for (int64_t i = 0; i < tap_count; ++i) {
    const DeformTap<Real<T>>& tap = taps[i];
    const T* corners[4];
    for (int corner = 0; corner < 4; ++corner) corners[corner] = corner_of(map, tap, corner);
    // Adds the products of `Lanes` channels from c on.
    const auto add = [&]<int Lanes>(int64_t c, Vec<Real<T>, Lanes>& of_y, Vec<Real<T>, Lanes>& of_x) {
      const auto low_low = load<Lanes>(corners[0] + c), low_high = load<Lanes>(corners[1] + c);
      const auto high_low = load<Lanes>(corners[2] + c), high_high = load<Lanes>(corners[3] + c);
      const auto grad = load<Lanes>(grad_columns + i * stride + c);
      of_y += grad * (broadcast<Lanes>(tap.low_x) * (high_low - low_low) +
                      broadcast<Lanes>(tap.high_x) * (high_high - low_high));
      of_x += grad * (broadcast<Lanes>(tap.low_y) * (low_high - low_low) +
                      broadcast<Lanes>(tap.high_y) * (high_high - high_low));
    };
    Real<T>*sums_y = sums + 2 * i * kSum, *sums_x = sums_y + kSum;
    B of_y = B::at(sums_y), of_x = B::at(sums_x);
    int64_t c = 0;
    for (; c + kSum <= map.count; c += kSum) {
      for (int v = 0; v < kSum / kWide; ++v)
        add.template operator()<kWide>(c + v * kWide, of_y.values[v], of_x.values[v]);
    }
    of_y.store_to(sums_y), of_x.store_to(sums_x);
    for (; c < map.count; ++c) add.template operator()<1>(c, sums_y[c % kSum], sums_x[c % kSum]);
  }
}

#define RCNN_INSTANTIATE(T)                                                                             \
  template void sample_taps<RCNN_ISA>(const ChannelRange<const T>&, const DeformTap<Real<T>>*, int64_t, \
                                      Real<T>*, int64_t);                                               \
  template void move_taps<RCNN_ISA>(const ChannelRange<const T>&, const DeformTap<Real<T>>*, int64_t,   \
                                    const Real<T>*, int64_t, Real<T>*)
RCNN_INSTANTIATE(float);
RCNN_INSTANTIATE(double);
RCNN_INSTANTIATE(BFloat16);
#undef RCNN_INSTANTIATE
template void spread_taps<RCNN_ISA>(const ChannelRange<float>&, const DeformTap<float>*, int64_t,
                                    const float*, int64_t);
template void spread_taps<RCNN_ISA>(const ChannelRange<double>&, const DeformTap<double>*, int64_t,
                                    const double*, int64_t);

}  // namespace rcnn::ops::kernels::cpu::simd
