#pragma once

#include <cstdint>

#include "ops/kernels/geometry.h"

namespace rcnn::ops::kernels::cpu::simd {

/// Maximum and its first cell in row-major order of one bin that has cells, of a map [height, width,
/// channels]. argmax may be null; a NaN wins.
template <class Isa, class T>
void max_of_bin(const T* map, int64_t width, int64_t channels, CellRange rows, CellRange columns, T* output,
                int32_t* argmax);

/// Adds the gradient of one bin to those of its cells that lie in `rows`.
template <class Isa, class T>
void add_to_maxima(Real<T>* map, int64_t width, int64_t channels, CellRange rows, CellRange columns,
                   const T* grad_output, const int32_t* argmax);

/// How a RoI reads a plane. All bins of a RoI read equally many rows and columns, so that its loops all run
/// equally long: smaller bins read their last ones again.
struct PoolWindow {
  static constexpr int64_t kBins = 16;  ///< a multiple of the lanes of every instruction set

  const CellRange* rows;  ///< [out_height]
  int64_t row_count;
  const int32_t*
      columns;  ///< [column_count, out_width up to the next multiple of kBins], from `first`; -1: no cells
  int64_t column_count;
  int64_t first, width;  ///< the columns of the plane that are read
  int64_t out_height, out_width;
};

/// max_of_bin for all bins of a RoI in a plane [height, width], 0 and -1 for a bin without cells.
/// scratch, scratch_cells: window.width and 2 * kBins more; output, argmax: kBins more than there are bins.
template <class Isa, class T>
void max_in_plane(const T* plane, int64_t width, const PoolWindow& window, Real<T>* scratch,
                  IntegerLike<Real<T>>* scratch_cells, T* output, int32_t* argmax);

}  // namespace rcnn::ops::kernels::cpu::simd
