#include "ops/kernels/deform_conv.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "ops/kernels/cpu/scratch.h"
#include "ops/kernels/cpu/simd/deform_conv.h"
#include "ops/kernels/cpu/simd/dispatch.h"

namespace rcnn::ops::kernels::cpu {
namespace {

using simd::ChannelRange;
using simd::DeformTap;

constexpr int64_t kLeastPositions = 8;  ///< that a thread is started for

/// The taps of all offset groups at one position after another.
template <class Real>
class PositionTaps {
 public:
  PositionTaps(const DeformConvShape& shape, const Real* offsets)
      : shape_(shape), offsets_(offsets), taps_(shape.offset_groups * shape.taps()) {}

  void move_to(int64_t position) {
    const int64_t cell = position % (shape_.out_height * shape_.out_width);
    const int64_t out_y = cell / shape_.out_width, out_x = cell % shape_.out_width;
    const Real* moved = offsets_ + 2 * position * std::ssize(taps_);
    DeformTap<Real>* tap = taps_.data();
    for (int64_t group = 0; group < shape_.offset_groups; ++group) {
      for (int64_t y = 0; y < shape_.kernel_height; ++y) {
        for (int64_t x = 0; x < shape_.kernel_width; ++x, ++tap, moved += 2) {
          const auto sample = deform_sample(shape_, {out_y, out_x, y, x}, moved);
          for (int corner = 0; corner < 4; ++corner) {
            tap->corners[corner] = sample.cell(corner, shape_.width);
            tap->weights[corner] = sample.weight(corner);
          }
          tap->low_y = sample.y.low_weight, tap->high_y = sample.y.high_weight;
          tap->low_x = sample.x.low_weight, tap->high_x = sample.x.high_weight;
        }
      }
    }
  }

  const DeformTap<Real>* operator[](int64_t offset_group) const {
    return taps_.data() + offset_group * shape_.taps();
  }

 private:
  const DeformConvShape& shape_;
  const Real* offsets_;
  std::vector<DeformTap<Real>> taps_;
};

/// Channels first..first+count-1, of one group and one offset group.
struct Part {
  int64_t first, count;
  int64_t offset_group;
  int64_t column;  ///< of the first one, in the columns of tap 0 at the first position
};

/// Those of channels begin..end-1, for columns of so many positions.
std::vector<Part> parts_of(const DeformConvShape& shape, int64_t begin, int64_t end, int64_t positions) {
  const int64_t of_group = shape.channels / shape.groups,
                of_offset_group = shape.channels / shape.offset_groups;
  std::vector<Part> parts;
  for (int64_t c = begin; c < end;) {
    const int64_t group = c / of_group, offset_group = c / of_offset_group;
    const int64_t last = std::min({end, (group + 1) * of_group, (offset_group + 1) * of_offset_group});
    parts.push_back({c, last - c, offset_group, group * positions * shape.taps() * of_group + c % of_group});
    c = last;
  }
  return parts;
}

/// Columns of one tap at one position in one group, and of all taps.
int64_t tap_stride(const DeformConvShape& shape) {
  return shape.channels / shape.groups;
}
int64_t position_stride(const DeformConvShape& shape) {
  return shape.taps() * tap_stride(shape);
}

/// The part's channels of the map that a position reads.
template <class Cell>
ChannelRange<Cell> range_of(const DeformConvShape& shape, Cell* features, Cell* outside, int64_t position,
                            const Part& part) {
  const int64_t image = position / (shape.out_height * shape.out_width);
  return {features + image * shape.cells() * shape.channels + part.first, outside, shape.channels,
          part.count};
}

}  // namespace

template <class T>
void deform_conv_columns(const DeformConvShape& shape, const Real<T>* offsets, const T* features,
                         Positions positions, Real<T>* columns, const Parallel& parallel,
                         InstructionSet instruction_set) {
  const std::vector<Part> parts = parts_of(shape, 0, shape.channels, positions.count);
  with_instruction_set(instruction_set, [&]<class Isa>(Isa) {
    parallel(positions.count, kLeastPositions, [&](int64_t begin, int64_t end) {
      PositionTaps<Real<T>> taps(shape, offsets);
      Scratch<T> zeros(shape.channels);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t position = positions.first + i;
        taps.move_to(position);
        for (const Part& part : parts) {
          const auto map = range_of<const T>(shape, features, zeros.data(), position, part);
          simd::sample_taps<Isa, T>(map, taps[part.offset_group], shape.taps(),
                                    columns + part.column + i * position_stride(shape), tap_stride(shape));
        }
      }
    });
  });
}

template <class T>
void deform_conv_backward_offsets(const DeformConvShape& shape, const Real<T>* offsets, const T* features,
                                  Positions positions, const Real<T>* grad_columns, Real<T>* grad_offsets,
                                  const Parallel& parallel, InstructionSet instruction_set) {
  constexpr int64_t kSum = simd::kSumLanes<Real<T>>;
  const std::vector<Part> parts = parts_of(shape, 0, shape.channels, positions.count);
  const int64_t of_group = 2 * shape.taps(), of_position = shape.offset_groups * of_group;
  with_instruction_set(instruction_set, [&]<class Isa>(Isa) {
    parallel(positions.count, kLeastPositions, [&](int64_t begin, int64_t end) {
      PositionTaps<Real<T>> taps(shape, offsets);
      Scratch<T> zeros(shape.channels);
      Scratch<Real<T>> sums(of_position * kSum);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t position = positions.first + i;
        taps.move_to(position);
        std::fill_n(sums.data(), of_position * kSum, Real<T>(0));
        for (const Part& part : parts) {
          const auto map = range_of<const T>(shape, features, zeros.data(), position, part);
          simd::move_taps<Isa, T>(map, taps[part.offset_group], shape.taps(),
                                  grad_columns + part.column + i * position_stride(shape), tap_stride(shape),
                                  sums.data() + part.offset_group * of_group * kSum);
        }
        for (int64_t n = 0; n < of_position; ++n) {
          const Real<T>* lanes = sums.data() + n * kSum;
          grad_offsets[position * of_position + n] = std::accumulate(lanes, lanes + kSum, Real<T>(0));
        }
      }
    });
  });
}

template <class Real>
void deform_conv_backward_features(const DeformConvShape& shape, const Real* offsets, Positions positions,
                                   const Real* grad_columns, Real* grad_features, const Parallel& parallel,
                                   InstructionSet instruction_set) {
  // Each thread takes channels of its own through all positions in their order, a cache line of them or more.
  constexpr int64_t kLine = simd::kSumLanes<Real>;
  with_instruction_set(instruction_set, [&]<class Isa>(Isa) {
    parallel((shape.channels + kLine - 1) / kLine, 1, [&](int64_t begin, int64_t end) {
      const std::vector<Part> parts =
          parts_of(shape, begin * kLine, std::min(end * kLine, shape.channels), positions.count);
      PositionTaps<Real> taps(shape, offsets);
      Scratch<Real> dropped(shape.channels);
      for (int64_t i = 0; i < positions.count; ++i) {
        const int64_t position = positions.first + i;
        taps.move_to(position);
        for (const Part& part : parts) {
          const auto map = range_of(shape, grad_features, dropped.data(), position, part);
          simd::spread_taps<Isa>(map, taps[part.offset_group], shape.taps(),
                                 grad_columns + part.column + i * position_stride(shape), tap_stride(shape));
        }
      }
    });
  });
}

#define RCNN_INSTANTIATE(T)                                                                                \
  template void deform_conv_columns(const DeformConvShape&, const Real<T>*, const T*, Positions, Real<T>*, \
                                    const Parallel&, InstructionSet);                                      \
  template void deform_conv_backward_offsets(const DeformConvShape&, const Real<T>*, const T*, Positions,  \
                                             const Real<T>*, Real<T>*, const Parallel&, InstructionSet)
RCNN_INSTANTIATE(float);
RCNN_INSTANTIATE(double);
RCNN_INSTANTIATE(BFloat16);
#undef RCNN_INSTANTIATE
template void deform_conv_backward_features(const DeformConvShape&, const float*, Positions, const float*,
                                            float*, const Parallel&, InstructionSet);
template void deform_conv_backward_features(const DeformConvShape&, const double*, Positions, const double*,
                                            double*, const Parallel&, InstructionSet);

}  // namespace rcnn::ops::kernels::cpu
