#include "ops/kernels/cpu/simd/roi_align.h"

#include "ops/kernels/cpu/simd/block.h"

namespace rcnn::ops::kernels::cpu::simd {
namespace {

/// Sums along y: of each column's cells from channel c on, one block a column, and a block of 0 behind them.
template <class B, class T>
[[gnu::always_inline]] inline void sum_columns(const Cells<const T>& map, const Tap<Real<T>>* rows,
                                               int64_t row_count, const Columns& columns, int64_t c,
                                               Real<T>* sums) {
  const int64_t row_size = map.width * map.channels;
  with_constant(row_count, [&](auto count) {
    for (int64_t j = 0; j < columns.count; ++j) {
      const T* column = map.first + columns.listed[j] * map.channels + c;
      B sum{};
      for (int64_t i = 0; i < count; ++i) sum.add(rows[i].weight, column + rows[i].index * row_size);
      sum.store_to(sums + j * B::kChannels);
    }
  });
  B{}.store_to(sums + columns.count * B::kChannels);
}

}  // namespace

template <class Isa, class T>
void average_row(const Cells<const T>& map, const Tap<Real<T>>* rows, int64_t row_count,
                 const BinTaps<Real<T>>& bins, const Columns& columns, Real<T>* scratch, T* output) {
  for_each_block<Isa, Real<T>>(map.channels, [&]<int Vectors, int Lanes>(int64_t c) {
    using B = Block<Vectors, Lanes, Real<T>>;
    sum_columns<B>(map, rows, row_count, columns, c, scratch);
    with_constant(bins.count, [&](auto count) {
      for (int64_t bin = 0; bin < bins.bins; ++bin) {
        B sum{};
        for (int64_t i = 0; i < count; ++i) {
          const Tap<Real<T>>& tap = bins.taps[bin * count + i];
          sum.add(tap.weight, scratch + tap.index * B::kChannels);
        }
        sum.store_to(output + bin * map.channels + c);
      }
    });
  });
}

template <class Isa, class T>
void spread_row(const Cells<Real<T>>& map, const Tap<Real<T>>* rows, int64_t row_count,
                const BinTaps<Real<T>>& bins, const Columns& columns, Real<T>* scratch,
                const T* grad_output) {
  const int64_t row_size = map.width * map.channels;
  for_each_block<Isa, Real<T>>(map.channels, [&]<int Vectors, int Lanes>(int64_t c) {
    using B = Block<Vectors, Lanes, Real<T>>;
    for (int64_t j = 0; j <= columns.count; ++j) B{}.store_to(scratch + j * B::kChannels);
    with_constant(bins.count, [&](auto count) {
      for (int64_t bin = 0; bin < bins.bins; ++bin) {
        const B grad = B::at(grad_output + bin * map.channels + c);
        for (int64_t i = 0; i < count; ++i) {
          const Tap<Real<T>>& tap = bins.taps[bin * count + i];
          grad.add_to(tap.weight, scratch + tap.index * B::kChannels);
        }
      }
    });
    with_constant(row_count, [&](auto count) {
      for (int64_t j = 0; j < columns.count; ++j) {
        Real<T>* column = map.first + columns.listed[j] * map.channels + c;
        const B sum = B::at(scratch + j * B::kChannels);
        for (int64_t i = 0; i < count; ++i) sum.add_to(rows[i].weight, column + rows[i].index * row_size);
      }
    });
  });
}

template <class Isa, class T>
void differentiate_taps(const Cells<const T>& map, const Tap<Real<T>>* rows, int64_t row_count,
                        const BinTaps<Real<T>>& bins, const Columns& columns, Real<T>* scratch,
                        const T* grad_output, Real<T>* of_rows, Real<T>* of_bins) {
  constexpr int kSum = kSumLanes<Real<T>>, kWide = kLanes<Isa, Real<T>>;
  const int64_t row_size = map.width * map.channels;
  const auto visit = [&]<int Vectors, int Lanes>(int64_t c) {
    using B = Block<Vectors, Lanes, Real<T>>;
    const int64_t lane = c % kSum;
    sum_columns<B>(map, rows, row_count, columns, c, scratch);
    Real<T>* spread = scratch + (columns.count + 1) * B::kChannels;  // the bins' gradients in the columns
    for (int64_t j = 0; j <= columns.count; ++j) B{}.store_to(spread + j * B::kChannels);
    with_constant(bins.count, [&](auto count) {
      for (int64_t bin = 0; bin < bins.bins; ++bin) {
        const B grad = B::at(grad_output + bin * map.channels + c);
        for (int64_t i = 0; i < count; ++i) {
          const Tap<Real<T>>& tap = bins.taps[bin * count + i];
          Real<T>* of_tap = of_bins + (bin * count + i) * kSum + lane;
          B sum = B::at(of_tap);
          sum.add_product(grad, B::at(scratch + tap.index * B::kChannels));
          sum.store_to(of_tap);
          grad.add_to(tap.weight, spread + tap.index * B::kChannels);
        }
      }
    });
    for (int64_t i = 0; i < row_count; ++i) {
      B sum = B::at(of_rows + i * kSum + lane);
      const T* row = map.first + rows[i].index * row_size + c;
      for (int64_t j = 0; j < columns.count; ++j) {
        sum.add_product(B::at(spread + j * B::kChannels), B::at(row + columns.listed[j] * map.channels));
      }
      sum.store_to(of_rows + i * kSum + lane);
    }
  };
  int64_t c = 0;
  for (; c + kSum <= map.channels; c += kSum) visit.template operator()<kSum / kWide, kWide>(c);
  for (; c < map.channels; ++c) visit.template operator()<1, 1>(c);
}

template <class Isa, class T>
void average_plane(const Cells<const T>& plane, const BinTaps<Real<T>>& rows, const BinTaps<Real<T>>& bins,
                   const Columns& columns, Real<T>* scratch, T* output) {
  scratch[columns.count] = 0;
  with_constant(rows.count, [&](auto row_count) {
    with_constant(bins.count, [&](auto count) {
      for (int64_t i = 0; i < rows.bins; ++i) {
        const Tap<Real<T>>* row = rows.taps + i * row_count;
        const bool outside = row->index == kOutside;
        if (!outside) {
          for_each_vector<kLanes<Isa, Real<T>>>(columns.count, [&]<int Lanes>(int64_t j) {
            Vec<Real<T>, Lanes> sum{};
            for (int64_t r = 0; r < row_count; ++r) {
              const T* from = plane.first + row[r].index * plane.width + columns.first + j;
              sum += broadcast<Lanes>(row[r].weight) * load<Lanes>(from);
            }
            store<Lanes>(scratch + j, sum);
          });
        }
        for (int64_t bin = 0; bin < bins.bins; ++bin) {
          Real<T> sum = 0;
          for (int64_t t = 0; t < count; ++t) {
            const Tap<Real<T>>& tap = bins.taps[bin * count + t];
            sum += tap.weight * scratch[tap.index];
          }
          *output++ = from_real<T>(outside ? Real<T>(0) : sum);
        }
      }
    });
  });
}

template <class Isa, class T>
void spread_plane(const Cells<Real<T>>& plane, const BinTaps<Real<T>>& rows, const BinTaps<Real<T>>& bins,
                  const Columns& columns, Real<T>* scratch, const T* grad_output) {
  with_constant(rows.count, [&](auto row_count) {
    with_constant(bins.count, [&](auto count) {
      for (int64_t i = 0; i < rows.bins; ++i) {
        const Tap<Real<T>>* row = rows.taps + i * row_count;
        if (row->index == kOutside) continue;
        for (int64_t j = 0; j <= columns.count; ++j) scratch[j] = 0;
        for (int64_t bin = 0; bin < bins.bins; ++bin) {
          const Real<T> grad = to_real(grad_output[i * bins.bins + bin]);
          for (int64_t t = 0; t < count; ++t) {
            const Tap<Real<T>>& tap = bins.taps[bin * count + t];
            scratch[tap.index] += tap.weight * grad;
          }
        }
        for (int64_t r = 0; r < row_count; ++r) {
          Real<T>* to = plane.first + row[r].index * plane.width + columns.first;
          for_each_vector<kLanes<Isa, Real<T>>>(columns.count, [&]<int Lanes>(int64_t j) {
            store<Lanes>(to + j,
                         load<Lanes>(to + j) + broadcast<Lanes>(row[r].weight) * load<Lanes>(scratch + j));
          });
        }
      }
    });
  });
}

#define RCNN_INSTANTIATE(T)                                                                               \
  template void average_row<RCNN_ISA>(const Cells<const T>&, const Tap<Real<T>>*, int64_t,                \
                                      const BinTaps<Real<T>>&, const Columns&, Real<T>*, T*);             \
  template void spread_row<RCNN_ISA>(const Cells<Real<T>>&, const Tap<Real<T>>*, int64_t,                 \
                                     const BinTaps<Real<T>>&, const Columns&, Real<T>*, const T*);        \
  template void differentiate_taps<RCNN_ISA>(const Cells<const T>&, const Tap<Real<T>>*, int64_t,         \
                                             const BinTaps<Real<T>>&, const Columns&, Real<T>*, const T*, \
                                             Real<T>*, Real<T>*);                                         \
  template void average_plane<RCNN_ISA>(const Cells<const T>&, const BinTaps<Real<T>>&,                   \
                                        const BinTaps<Real<T>>&, const Columns&, Real<T>*, T*);           \
  template void spread_plane<RCNN_ISA>(const Cells<Real<T>>&, const BinTaps<Real<T>>&,                    \
                                       const BinTaps<Real<T>>&, const Columns&, Real<T>*, const T*)
RCNN_INSTANTIATE(float);
RCNN_INSTANTIATE(double);
RCNN_INSTANTIATE(BFloat16);
#undef RCNN_INSTANTIATE

}  // namespace rcnn::ops::kernels::cpu::simd
