#include "nn/pillow_resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include <ATen/ops/empty.h>

#include "ops/parallel.h"

namespace rcnn::nn {
namespace {

constexpr int kBits = 22;  // of a weight behind the point
constexpr int32_t kHalf = 1 << (kBits - 1);

/// The pixels along an axis that make one of the output, each times its weight.
struct Window {
  int64_t first, count;
  const int32_t* weights;
};

class Windows {
 public:
  Windows(int64_t from, int64_t to) {
    const double scale = static_cast<double>(from) / static_cast<double>(to);
    const double reach = std::max(scale, 1.0), per_reach = 1.0 / reach;
    longest_ = static_cast<size_t>(std::ceil(reach)) * 2 + 1;
    weights_.resize(longest_ * static_cast<size_t>(to));
    std::vector<double> shares(longest_);
    for (int64_t i = 0; i < to; ++i) {
      const double centre = (static_cast<double>(i) + 0.5) * scale;
      const auto first = std::max(static_cast<int64_t>(centre - reach + 0.5), int64_t{0});
      const auto end = std::min(static_cast<int64_t>(centre + reach + 0.5), from);
      const auto count = static_cast<size_t>(end - first);
      double sum = 0;
      for (size_t j = 0; j < count; ++j) {
        const double pixel = static_cast<double>(first + static_cast<int64_t>(j));
        shares[j] = std::max(0.0, 1.0 - std::abs((pixel - centre + 0.5) * per_reach));
        sum += shares[j];
      }
      int32_t* const weights = weights_.data() + starts_.size() * longest_;
      for (size_t j = 0; j < count; ++j) {
        weights[j] = static_cast<int32_t>(0.5 + shares[j] / sum * (1 << kBits));
      }
      starts_.push_back({first, end - first});
    }
  }

  Window operator[](int64_t i) const {
    const auto place = static_cast<size_t>(i);
    return {starts_[place].first, starts_[place].count, weights_.data() + place * longest_};
  }

 private:
  struct Start {
    int64_t first, count;
  };
  size_t longest_ = 0;
  std::vector<int32_t> weights_;  // longest_ each
  std::vector<Start> starts_;
};

/// The sums of windows of thousands of weights, each rounded up, can pass 255.
uint8_t to_byte(int32_t sum) {
  return static_cast<uint8_t>(std::min(sum >> kBits, 255));
}

/// Makes rows of another width.
at::Tensor resize_rows(const at::Tensor& image, int64_t width) {
  using Four [[gnu::vector_size(4 * sizeof(int32_t))]] = int32_t;
  constexpr int64_t kGrain = 16;  // rows
  const int64_t height = image.size(0), old_width = image.size(1);
  if (width == old_width) return image;
  const Windows windows(old_width, width);
  auto result = at::empty({height, width, 3}, image.options());
  const auto* const from = image.const_data_ptr<uint8_t>();
  auto* const to = result.mutable_data_ptr<uint8_t>();
  ops::parallel(height, kGrain, [&](int64_t begin, int64_t end) {
    // Takes four values for a pixel's three, the last pixel's fourth is spare.
    std::vector<int32_t> row(static_cast<size_t>(3 * old_width + 1));
    for (int64_t y = begin; y < end; ++y) {
      const auto* const pixels = from + 3 * old_width * y;
      std::copy_n(pixels, 3 * old_width, row.begin());
      auto* out = to + 3 * width * y;
      for (int64_t x = 0; x < width; ++x, out += 3) {
        const auto window = windows[x];
        const auto* pixel = row.data() + 3 * window.first;
        Four sum = Four{} + kHalf;
        for (int64_t j = 0; j < window.count; ++j, pixel += 3) {
          Four values;
          std::memcpy(&values, pixel, sizeof(Four));
          sum += values * window.weights[j];
        }
        for (int channel = 0; channel < 3; ++channel) out[channel] = to_byte(sum[channel]);
      }
    }
  });
  return result;
}

/// Makes columns of another height.
at::Tensor resize_columns(const at::Tensor& image, int64_t height) {
  constexpr int64_t kGrain = 16;  // rows
  constexpr int64_t kBlock = 32;  // values whose sums stay in registers
  if (height == image.size(0)) return image;
  const Windows windows(image.size(0), height);
  auto result = at::empty({height, image.size(1), 3}, image.options());
  const int64_t length = 3 * image.size(1);
  const auto* const from = image.const_data_ptr<uint8_t>();
  auto* const to = result.mutable_data_ptr<uint8_t>();
  ops::parallel(height, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      const auto window = windows[y];
      const auto block = [&](int64_t at, auto size) {
        std::array<int32_t, kBlock> sums;
        sums.fill(kHalf);
        for (int64_t j = 0; j < window.count; ++j) {
          const auto* const values = from + (window.first + j) * length + at;
          const int32_t weight = window.weights[j];
          for (int64_t i = 0; i < size; ++i) sums[static_cast<size_t>(i)] += values[i] * weight;
        }
        auto* const out = to + y * length + at;
        for (int64_t i = 0; i < size; ++i) out[i] = to_byte(sums[static_cast<size_t>(i)]);
      };
      int64_t at = 0;
      for (; at + kBlock <= length; at += kBlock) block(at, std::integral_constant<int64_t, kBlock>{});
      block(at, length - at);
    }
  });
  return result;
}

}  // namespace

at::Tensor resize_as_pillow(const at::Tensor& image, ImageSize size) {
  const int64_t fewer_rows = image.size(0) - size.height, fewer_columns = image.size(1) - size.width;
  const bool columns_first = fewer_rows > 0 && fewer_rows > 2 * fewer_columns;
  return columns_first ? resize_rows(resize_columns(image, size.height), size.width)
                       : resize_columns(resize_rows(image, size.width), size.height);
}

}  // namespace rcnn::nn
