#include <cmath>

#include "ops/kernels/cuda/fixed_point.h"
#include "ops/kernels/cuda/launch.h"
#include "ops/kernels/deform_conv.h"

namespace rcnn::ops::kernels::cuda {
namespace {

/// What a warp works on: a tap of an offset group at a position.
struct WarpTap {
  int64_t position, offset_group, tap;
};

/// Calls visit(warp_tap, sample) for each; all lanes of a warp come with the same.
template <class R, class Visit>
__device__ void for_each_tap(const DeformConvShape& shape, const R* offsets, Positions positions,
                             Visit visit) {
  const int64_t of_position = shape.offset_groups * shape.taps(), count = positions.count * of_position;
  for (int64_t i = first_item() / kWarp; i < count; i += item_stride() / kWarp) {
    const int64_t inside = i % of_position;
    const WarpTap at{positions.first + i / of_position, inside / shape.taps(), inside % shape.taps()};
    const int64_t cell = at.position % (shape.out_height * shape.out_width);
    const DeformTapIndex index{cell / shape.out_width, cell % shape.out_width, at.tap / shape.kernel_width,
                               at.tap % shape.kernel_width};
    visit(at, deform_sample(shape, index, offsets + 2 * (positions.first * of_position + i)));
  }
}

/// Calls visit(channel, column) for the channels of the offset group that are this lane's.
template <class Visit>
__device__ void for_each_channel(const DeformConvShape& shape, Positions positions, const WarpTap& at,
                                 Visit visit) {
  const int64_t of_group = shape.channels / shape.groups,
                of_offset_group = shape.channels / shape.offset_groups;
  const int64_t first = at.offset_group * of_offset_group, end = first + of_offset_group;
  for (int64_t c = first + threadIdx.x % kWarp; c < end; c += kWarp) {
    const int64_t group = c / of_group, row = group * positions.count + at.position - positions.first;
    visit(c, (row * shape.taps() + at.tap) * of_group + c - group * of_group);
  }
}

/// The first number of the image that a position reads.
template <class Cell>
__device__ Cell* image_of(const DeformConvShape& shape, Cell* features, int64_t position) {
  return features + position / (shape.out_height * shape.out_width) * shape.cells() * shape.channels;
}

/// Channel c of a corner, 0 where that lies outside the map.
template <class T, class R>
__device__ R corner_value(const DeformConvShape& shape, const T* image, const DeformSample<R>& sample,
                          int corner, int64_t c) {
  const int64_t cell = sample.cell(corner, shape.width);
  return cell < 0 ? R(0) : to_real(image[cell * shape.channels + c]);
}

template <class T>
__global__ void sample_columns(DeformConvShape shape, const Real<T>* offsets, const T* features,
                               Positions positions, Real<T>* columns) {
  using R = Real<T>;
  for_each_tap(shape, offsets, positions, [&](const WarpTap& at, const DeformSample<R>& sample) {
    const T* image = image_of(shape, features, at.position);
    for_each_channel(shape, positions, at, [&](int64_t c, int64_t column) {
      R sum = 0;
      for (int corner = 0; corner < 4; ++corner)
        sum += sample.weight(corner) * corner_value(shape, image, sample, corner, c);
      columns[column] = sum;
    });
  });
}

template <class T>
__global__ void move_offsets(DeformConvShape shape, const Real<T>* offsets, const T* features,
                             Positions positions, const Real<T>* grad_columns, Real<T>* grad_offsets) {
  using R = Real<T>;
  for_each_tap(shape, offsets, positions, [&](const WarpTap& at, const DeformSample<R>& sample) {
    const T* image = image_of(shape, features, at.position);
    R of_y = 0, of_x = 0;
    for_each_channel(shape, positions, at, [&](int64_t c, int64_t column) {
      R values[4];
      for (int corner = 0; corner < 4; ++corner)
        values[corner] = corner_value(shape, image, sample, corner, c);
      const R grad = grad_columns[column];
      of_y += grad * (sample.x.low_weight * (values[2] - values[0]) +
                      sample.x.high_weight * (values[3] - values[1]));
      of_x += grad * (sample.y.low_weight * (values[1] - values[0]) +
                      sample.y.high_weight * (values[3] - values[2]));
    });
    for (int distance = kWarp / 2; distance > 0; distance /= 2) {
      of_y += __shfl_down_sync(kAllLanes, of_y, distance);
      of_x += __shfl_down_sync(kAllLanes, of_x, distance);
    }
    if (threadIdx.x % kWarp > 0) return;
    R* moved =
        grad_offsets + ((at.position * shape.offset_groups + at.offset_group) * shape.taps() + at.tap) * 2;
    moved[0] = of_y, moved[1] = of_x;
  });
}

template <class R, class Sums>
__global__ void spread_columns(DeformConvShape shape, const R* offsets, Positions positions,
                               const R* grad_columns, Sums sums, typename Sums::Cell* cells) {
  if (!sums.prepare()) return;
  for_each_tap(shape, offsets, positions, [&](const WarpTap& at, const DeformSample<R>& sample) {
    typename Sums::Cell* image = image_of(shape, cells, at.position);
    for_each_channel(shape, positions, at, [&](int64_t c, int64_t column) {
      for (int corner = 0; corner < 4; ++corner) {
        const int64_t cell = sample.cell(corner, shape.width);
        if (cell >= 0)
          sums.add(image + cell * shape.channels + c, sample.weight(corner), grad_columns[column]);
      }
    });
  });
}

/// Adds the sums to what is there, or NaN where some gradient was not finite.
template <class R>
__global__ void add_sums(const Word* from, FixedPointSums sums, int64_t size, R* to) {
  const bool finite = sums.prepare();
  for (int64_t i = first_item(); i < size; i += item_stride())
    to[i] += finite ? sums.value<R>(from[i]) : static_cast<R>(NAN);
}

bool is_empty(const DeformConvShape& shape, Positions positions) {
  return positions.count == 0 || shape.channels == 0;
}

unsigned blocks_for_taps(const DeformConvShape& shape, Positions positions) {
  return blocks_for(positions.count * shape.offset_groups * shape.taps() * kWarp);
}

}  // namespace

template <class T>
int deform_conv_columns(const DeformConvShape& shape, const Real<T>* offsets, const T* features,
                        Positions positions, Real<T>* columns, CUstream_st* stream) {
  if (is_empty(shape, positions)) return cudaSuccess;
  return launch(sample_columns<T>, blocks_for_taps(shape, positions), kThreads, stream, shape, offsets,
                features, positions, columns);
}

template <class T>
int deform_conv_backward_offsets(const DeformConvShape& shape, const Real<T>* offsets, const T* features,
                                 Positions positions, const Real<T>* grad_columns, Real<T>* grad_offsets,
                                 CUstream_st* stream) {
  if (positions.count == 0) return cudaSuccess;
  return launch(move_offsets<T>, blocks_for_taps(shape, positions), kThreads, stream, shape, offsets,
                features, positions, grad_columns, grad_offsets);
}

template <class R>
int deform_conv_backward_features(const DeformConvShape& shape, const R* offsets, Positions positions,
                                  const R* grad_columns, R* grad_features, int64_t* scratch,
                                  CUstream_st* stream) {
  if (is_empty(shape, positions)) return cudaSuccess;
  const unsigned blocks = blocks_for_taps(shape, positions);
  if (!scratch) {
    return launch(spread_columns<R, FloatSums<R>>, blocks, kThreads, stream, shape, offsets, positions,
                  grad_columns, FloatSums<R>(), grad_features);
  }
  // A tap adds to a cell once at a position, with a weight of 1 or less.
  auto* largest = reinterpret_cast<Word*>(scratch);
  Word* cells = largest + 1;
  const FixedPointSums sums(largest, positions.count * shape.taps());
  const int64_t size = scratch_size(shape) - 1;
  if (const int error =
          start_sums(grad_columns, positions.count * shape.taps() * shape.channels, size, largest, stream))
    return error;
  if (const int error = launch(spread_columns<R, FixedPointSums>, blocks, kThreads, stream, shape, offsets,
                               positions, grad_columns, sums, cells))
    return error;
  if (size == 0) return cudaSuccess;
  return launch(add_sums<R>, blocks_for(size), kThreads, stream, cells, sums, size, grad_features);
}

#define RCNN_INSTANTIATE(T)                                                                               \
  template int deform_conv_columns(const DeformConvShape&, const Real<T>*, const T*, Positions, Real<T>*, \
                                   CUstream_st*);                                                         \
  template int deform_conv_backward_offsets(const DeformConvShape&, const Real<T>*, const T*, Positions,  \
                                            const Real<T>*, Real<T>*, CUstream_st*)
RCNN_INSTANTIATE(float);
RCNN_INSTANTIATE(double);
RCNN_INSTANTIATE(BFloat16);
#undef RCNN_INSTANTIATE
template int deform_conv_backward_features(const DeformConvShape&, const float*, Positions, const float*,
                                           float*, int64_t*, CUstream_st*);
template int deform_conv_backward_features(const DeformConvShape&, const double*, Positions, const double*,
                                           double*, int64_t*, CUstream_st*);

}  // namespace rcnn::ops::kernels::cuda
