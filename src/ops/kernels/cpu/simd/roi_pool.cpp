#include "ops/kernels/cpu/simd/roi_pool.h"

#include "ops/kernels/cpu/simd/vec.h"

namespace rcnn::ops::kernels::cpu::simd {
namespace {

/// Maxima so far and where they are; `Index` is as wide as the numbers.
template <int Vectors, int Lanes, class Real, bool WithIndex>
struct Best {
  using Index = IntegerLike<Real>;
  Vec<Real, Lanes> values[Vectors];
  Vec<Index, Lanes> indices[Vectors];

  template <class T>
  [[gnu::always_inline]] static Best at(const T* from, int64_t index) {
    Best best;
    for (int v = 0; v < Vectors; ++v) {
      best.values[v] = load<Lanes>(from + v * Lanes);
      best.indices[v] = broadcast<Lanes>(static_cast<Index>(index));
    }
    return best;
  }
  template <class T>
  [[gnu::always_inline]] void raise(const T* from, int64_t index) {
    for (int v = 0; v < Vectors; ++v) {
      const Vec<Real, Lanes> value = load<Lanes>(from + v * Lanes);
      const auto better = (value > values[v]) | (value != value);
      values[v] = better ? value : values[v];
      if constexpr (WithIndex) indices[v] = better ? broadcast<Lanes>(static_cast<Index>(index)) : indices[v];
    }
  }
  template <class T>
  [[gnu::always_inline]] void store_values(T* to) const {
    for (int v = 0; v < Vectors; ++v) store<Lanes>(to + v * Lanes, values[v]);
  }
  template <class Integer>
  [[gnu::always_inline]] void store_indices(Integer* to) const {
    for (int v = 0; v < Vectors; ++v) {
      if constexpr (Lanes == 1) {
        to[v] = static_cast<Integer>(indices[v]);
      } else {
        store<Lanes>(to + v * Lanes, __builtin_convertvector(indices[v], Vec<Integer, Lanes>));
      }
    }
  }
};

template <class Isa, bool WithIndex, class T>
[[gnu::always_inline]] inline void max_of_bin(const T* map, int64_t width, int64_t channels, CellRange rows,
                                              CellRange columns, T* output, int32_t* argmax) {
  for_each_block<Isa, Real<T>>(channels, [&]<int Vectors, int Lanes>(int64_t c) {
    const int64_t first = rows.begin * width + columns.begin;
    auto best = Best<Vectors, Lanes, Real<T>, WithIndex>::at(map + first * channels + c, first);
    for (int64_t y = rows.begin; y < rows.end; ++y)
      for (int64_t cell = y * width + columns.begin; cell < y * width + columns.end; ++cell)
        best.raise(map + cell * channels + c, cell);
    best.store_values(output + c);
    if constexpr (WithIndex) best.store_indices(argmax + c);
  });
}

template <class Isa, bool WithIndex, class T>
[[gnu::always_inline]] inline void max_in_plane(const T* plane, int64_t width, const PoolWindow& window,
                                                Real<T>* scratch, IntegerLike<Real<T>>* scratch_cells,
                                                T* output, int32_t* argmax) {
  using Index = IntegerLike<Real<T>>;
  constexpr int kWide = kLanes<Isa, Real<T>>;
  const int64_t padded_width =
      (window.out_width + PoolWindow::kBins - 1) / PoolWindow::kBins * PoolWindow::kBins;
  with_constant(window.row_count, [&](auto row_count) {
    with_constant(window.column_count, [&](auto column_count) {
      for (int64_t i = 0; i < window.out_height; ++i) {
        const CellRange rows = window.rows[i];
        const bool empty = rows.begin >= rows.end;
        if (!empty) {  // down the columns first
          for_each_vector<kWide>(window.width, [&]<int Lanes>(int64_t j) {
            const T* column = plane + window.first + j;
            auto best =
                Best<1, Lanes, Real<T>, WithIndex>::at(column + rows.begin * width, rows.begin * width);
            for (int64_t r = 1; r < row_count; ++r) {
              const int64_t y = smaller<int64_t>(rows.begin + r, rows.end - 1);
              best.raise(column + y * width, y * width);
            }
            best.indices[0] += count_from<Index, Lanes>(static_cast<Index>(window.first + j));
            best.store_values(scratch + j);
            if constexpr (WithIndex) best.store_indices(scratch_cells + j);
          });
        }
        for (int64_t bin = 0; bin < window.out_width; bin += kWide) {
          Vec<Real<T>, kWide> value{};
          Vec<Index, kWide> cell{};
          const auto first = load_integers<Index, kWide>(window.columns + bin);
          for (int64_t t = 0; t < column_count; ++t) {
            const auto x = load_integers<Index, kWide>(window.columns + t * padded_width + bin);
            const auto candidate = look_up<Isa, kWide>(scratch, window.width, x);
            auto better = (candidate > value) | (candidate != candidate);
            if constexpr (WithIndex) {
              const auto at = look_up<Isa, kWide>(scratch_cells, window.width, x);
              // Of equal ones the first counts, of NaN the last.
              better = (better & ((value == value) | (at > cell))) | ((candidate == value) & (at < cell));
              if (t == 0) better = first == first;
              cell = better ? at : cell;
            } else if (t == 0) {
              better = first == first;
            }
            value = better ? candidate : value;
          }
          const auto none = (first < 0) | broadcast<kWide>(static_cast<Index>(empty ? -1 : 0));
          const Vec<Real<T>, kWide> zero{};
          store<kWide>(output + i * window.out_width + bin, none ? zero : value);
          if constexpr (WithIndex)
            store<kWide>(argmax + i * window.out_width + bin,
                         __builtin_convertvector(none ? first * 0 - 1 : cell, Vec<int32_t, kWide>));
        }
      }
    });
  });
}

}  // namespace

template <class Isa, class T>
void max_of_bin(const T* map, int64_t width, int64_t channels, CellRange rows, CellRange columns, T* output,
                int32_t* argmax) {
  if (argmax) {
    max_of_bin<Isa, true>(map, width, channels, rows, columns, output, argmax);
  } else {
    max_of_bin<Isa, false>(map, width, channels, rows, columns, output, argmax);
  }
}

template <class Isa, class T>
void max_in_plane(const T* plane, int64_t width, const PoolWindow& window, Real<T>* scratch,
                  IntegerLike<Real<T>>* scratch_cells, T* output, int32_t* argmax) {
  if (argmax) {
    max_in_plane<Isa, true>(plane, width, window, scratch, scratch_cells, output, argmax);
  } else {
    max_in_plane<Isa, false>(plane, width, window, scratch, scratch_cells, output, argmax);
  }
}

template <class Isa, class T>
void add_to_maxima(Real<T>* map, int64_t width, int64_t channels, CellRange rows, CellRange columns,
                   const T* grad_output, const int32_t* argmax) {
  for_each_block<Isa, Real<T>>(channels, [&]<int Vectors, int Lanes>(int64_t c) {
    using Index = IntegerLike<Real<T>>;
    Vec<Real<T>, Lanes> grad[Vectors];
    Vec<Index, Lanes> target[Vectors];
    for (int v = 0; v < Vectors; ++v) {
      grad[v] = load<Lanes>(grad_output + c + v * Lanes);
      target[v] = load_integers<Index, Lanes>(argmax + c + v * Lanes);
    }
    for (int64_t y = rows.begin; y < rows.end; ++y) {
      for (int64_t cell = y * width + columns.begin; cell < y * width + columns.end; ++cell) {
        Real<T>* to = map + cell * channels + c;
        for (int v = 0; v < Vectors; ++v) {
          const auto here = target[v] == broadcast<Lanes>(static_cast<Index>(cell));
          const Vec<Real<T>, Lanes> none{};
          store<Lanes>(to + v * Lanes, load<Lanes>(to + v * Lanes) + (here ? grad[v] : none));
        }
      }
    }
  });
}

#define RCNN_INSTANTIATE(T)                                                                           \
  template void max_of_bin<RCNN_ISA>(const T*, int64_t, int64_t, CellRange, CellRange, T*, int32_t*); \
  template void add_to_maxima<RCNN_ISA>(Real<T>*, int64_t, int64_t, CellRange, CellRange, const T*,   \
                                        const int32_t*);                                              \
  template void max_in_plane<RCNN_ISA>(const T*, int64_t, const PoolWindow&, Real<T>*,                \
                                       IntegerLike<Real<T>>*, T*, int32_t*)
RCNN_INSTANTIATE(float);
RCNN_INSTANTIATE(double);
RCNN_INSTANTIATE(BFloat16);
#undef RCNN_INSTANTIATE

}  // namespace rcnn::ops::kernels::cpu::simd
