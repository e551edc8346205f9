#include "nn/resize_pixels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include <ATen/Dispatch.h>

#include "ops/parallel.h"

namespace rcnn::nn {
namespace {

/// An output row or column lies between two of the image.
template <class T>
struct Tap {
  int64_t first, second;
  T weight;  ///< of the second; the first has the rest
};

template <class T>
std::vector<Tap<T>> taps(int64_t from, int64_t to) {
  std::vector<Tap<T>> result;
  const T scale = static_cast<T>(from) / static_cast<T>(to);
  for (int64_t i = 0; i < to; ++i) {
    // Fused, as in LibTorch's kernels: far from 0 a coordinate keeps few digits.
    const T centre = std::max(std::fma(scale, static_cast<T>(i) + T(0.5), T(-0.5)), T(0));
    const int64_t first = std::min(static_cast<int64_t>(centre), from - 1);
    result.push_back({first, std::min(first + 1, from - 1), std::min(centre - static_cast<T>(first), T(1))});
  }
  return result;
}

/// One thread's part: makes output rows in order, of image rows that it has stretched to their width.
template <class T>
class Rows {
 public:
  Rows(const at::Tensor& image, const PixelScaling& scaling, const std::vector<Tap<T>>& columns)
      : pixels_(image.const_data_ptr<uint8_t>()),
        length_(3 * image.size(1)),
        columns_(columns),
        bgr_(scaling.bgr),
        scale_(static_cast<size_t>(length_)),
        shift_(scale_.size()),
        scaled_(scale_.size() + 1) {
    for (size_t i = 0; i < scale_.size(); ++i) {
      const size_t channel = bgr_ ? 2 - i % 3 : i % 3;
      scale_[i] = static_cast<T>(scaling.scale[channel]);
      shift_[i] = static_cast<T>(scaling.shift[channel]);
    }
    for (auto& row : stretched_) row.values.resize(3 * columns.size() + 1);
  }

  void write(const Tap<T>& tap, T* __restrict out) {
    if (stretched_[1].number == tap.first) std::swap(stretched_[0], stretched_[1]);
    for (const auto& [row, number] : {std::pair{&stretched_[0], tap.first}, {&stretched_[1], tap.second}}) {
      if (row->number != number) stretch(number, *row);
    }
    const T* __restrict first = stretched_[0].values.data();
    const T* __restrict second = stretched_[1].values.data();
    const T rest = T(1) - tap.weight;
    for (size_t i = 0; i < 3 * columns_.size(); ++i) out[i] = rest * first[i] + tap.weight * second[i];
  }

 private:
  struct Row {
    int64_t number = -1;
    std::vector<T> values;
  };

  void stretch(int64_t number, Row& row) {
    const uint8_t* __restrict pixels = pixels_ + number * length_;
    T* __restrict scaled = scaled_.data();
    const T* __restrict scale = scale_.data();
    const T* __restrict shift = shift_.data();
    for (int64_t i = 0; i < length_; ++i) scaled[i] = static_cast<T>(pixels[i]) * scale[i] + shift[i];
    bgr_ ? stretch<true>(scaled, row.values.data()) : stretch<false>(scaled, row.values.data());
    row.number = number;
  }

  /// Takes four values for a pixel's three; the next pixel overwrites the fourth, and rows have room for one
  /// more.
  template <bool kSwap>
  void stretch(const T* __restrict scaled, T* __restrict out) const {
    using Four [[gnu::vector_size(4 * sizeof(T))]] = T;
    for (const auto& tap : columns_) {
      Four first, second;
      std::memcpy(&first, scaled + 3 * tap.first, sizeof(Four));
      std::memcpy(&second, scaled + 3 * tap.second, sizeof(Four));
      Four value = first * (T(1) - tap.weight) + second * tap.weight;
      if constexpr (kSwap) value = __builtin_shufflevector(value, value, 2, 1, 0, 3);
      std::memcpy(out, &value, sizeof(Four));
      out += 3;
    }
  }

  const uint8_t* pixels_;
  int64_t length_;
  const std::vector<Tap<T>>& columns_;
  bool bgr_;
  std::vector<T> scale_, shift_;  // for each value of an image's row
  std::vector<T> scaled_;
  std::array<Row, 2> stretched_;
};

}  // namespace

void resize_pixels(const at::Tensor& image, const PixelScaling& scaling, const at::Tensor& out) {
  constexpr int64_t kGrain = 32;  // rows, of which the first costs two stretched ones
  TORCH_INTERNAL_ASSERT(image.is_contiguous() && out.stride(0) == 1 && out.stride(2) == 3);
  AT_DISPATCH_FLOATING_TYPES(out.scalar_type(), "resize_pixels", [&] {
    const auto rows = taps<scalar_t>(image.size(0), out.size(1));
    const auto columns = taps<scalar_t>(image.size(1), out.size(2));
    auto* const place = out.mutable_data_ptr<scalar_t>();
    ops::parallel(out.size(1), kGrain, [&](int64_t begin, int64_t end) {
      Rows<scalar_t> part(image, scaling, columns);
      for (int64_t y = begin; y < end; ++y)
        part.write(rows[static_cast<size_t>(y)], place + y * out.stride(1));
    });
  });
}

}  // namespace rcnn::nn
