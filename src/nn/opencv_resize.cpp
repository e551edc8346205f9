#include "nn/opencv_resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include <ATen/ops/empty.h>

#include "ops/parallel.h"

namespace rcnn::nn {
namespace {

constexpr int64_t kGrain = 32;  // rows of the output

/// An output row or column lies between two of the image, each with its weight in 1/2048.
struct FixedTap {
  int64_t first, second;
  int32_t first_weight, second_weight;
};

int32_t to_weight(float share) {
  return static_cast<int32_t>(std::lrint(share * 2048));  // halves to even
}

/// Beyond the outermost pixels `columns` have all weight on one of them; rows have the weights of a place
/// between two, which then are the same.
std::vector<FixedTap> taps(int64_t from, int64_t to, bool columns) {
  std::vector<FixedTap> result;
  const double scale = 1 / (static_cast<double>(to) / static_cast<double>(from));
  for (int64_t i = 0; i < to; ++i) {
    auto share = static_cast<float>((static_cast<double>(i) + 0.5) * scale - 0.5);
    const float whole = std::floor(share);
    const auto first = static_cast<int64_t>(whole);
    share = columns && (first < 0 || first >= from - 1) ? 0 : share - whole;
    result.push_back({.first = std::clamp<int64_t>(first, 0, from - 1),
                      .second = std::clamp<int64_t>(first + 1, 0, from - 1),
                      .first_weight = to_weight(1 - share),
                      .second_weight = to_weight(share)});
  }
  return result;
}

/// One thread's part: makes output rows in order, of image rows that it has stretched to their width.
class FixedRows {
 public:
  FixedRows(const at::Tensor& image, const std::vector<FixedTap>& columns)
      : pixels_(image.const_data_ptr<uint8_t>()),
        length_(3 * image.size(1)),
        columns_(columns),
        wide_(static_cast<size_t>(length_ + 1)),
        sums_(3 * columns.size() + 1) {
    for (auto& row : stretched_) row.values.resize(3 * columns.size());
  }

  void write(const FixedTap& tap, uint8_t* __restrict out) {
    if (stretched_[1].number == tap.first) std::swap(stretched_[0], stretched_[1]);
    for (const auto& [row, number] : {std::pair{&stretched_[0], tap.first}, {&stretched_[1], tap.second}}) {
      if (row->number != number) stretch(number, *row);
    }
    const int16_t* __restrict first = stretched_[0].values.data();
    const int16_t* __restrict second = stretched_[1].values.data();
    const auto upper = static_cast<int16_t>(tap.first_weight),
               lower = static_cast<int16_t>(tap.second_weight);
    for (size_t i = 0; i < 3 * columns_.size(); ++i) {
      const auto above = static_cast<int16_t>((first[i] * upper) >> 16);
      const auto below = static_cast<int16_t>((second[i] * lower) >> 16);
      out[i] = static_cast<uint8_t>((above + below + 2) >> 2);
    }
  }

 private:
  struct Row {
    int64_t number = -1;
    std::vector<int16_t> values;  ///< in 1/128
  };

  /// Sums stay below 2^20, so that floats hold them exactly. Takes four values for a pixel's three; the next
  /// pixel overwrites the fourth, and rows have room for one more.
  void stretch(int64_t number, Row& row) {
    using Four [[gnu::vector_size(4 * sizeof(float))]] = float;
    std::copy_n(pixels_ + number * length_, length_, wide_.begin());
    float* out = sums_.data();
    for (const auto& tap : columns_) {
      Four first, second;
      std::memcpy(&first, wide_.data() + 3 * tap.first, sizeof(Four));
      std::memcpy(&second, wide_.data() + 3 * tap.second, sizeof(Four));
      const Four sum =
          first * static_cast<float>(tap.first_weight) + second * static_cast<float>(tap.second_weight);
      std::memcpy(out, &sum, sizeof(Four));
      out += 3;
    }
    for (size_t i = 0; i < row.values.size(); ++i) {
      row.values[i] = static_cast<int16_t>(static_cast<int32_t>(sums_[i]) >> 4);
    }
    row.number = number;
  }

  const uint8_t* pixels_;
  int64_t length_;
  const std::vector<FixedTap>& columns_;
  std::vector<float> wide_, sums_;
  std::array<Row, 2> stretched_;
};

void halve(const at::Tensor& image, const at::Tensor& out) {
  const auto* const from = image.const_data_ptr<uint8_t>();
  auto* const to = out.mutable_data_ptr<uint8_t>();
  const int64_t width = out.size(1);
  ops::parallel(out.size(0), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      const auto* const upper = from + 12 * width * y;
      const auto* const lower = upper + 6 * width;
      auto* const row = to + 3 * width * y;
      for (int64_t x = 0; x < width; ++x) {
        for (int64_t left = 6 * x, channel = 0; channel < 3; ++left, ++channel) {
          const int sum = upper[left] + upper[left + 3] + lower[left] + lower[left + 3];
          row[3 * x + channel] = static_cast<uint8_t>((sum + 2) >> 2);
        }
      }
    }
  });
}

}  // namespace

at::Tensor resize_as_opencv(const at::Tensor& image, ImageSize size) {
  const int64_t height = image.size(0), width = image.size(1);
  if (height == size.height && width == size.width) return image;
  auto result = at::empty({size.height, size.width, 3}, image.options());
  if (height == 2 * size.height && width == 2 * size.width) {
    halve(image, result);
    return result;
  }
  const auto rows = taps(height, size.height, false), columns = taps(width, size.width, true);
  auto* const to = result.mutable_data_ptr<uint8_t>();
  ops::parallel(size.height, kGrain, [&](int64_t begin, int64_t end) {
    FixedRows part(image, columns);
    for (int64_t y = begin; y < end; ++y) {
      part.write(rows[static_cast<size_t>(y)], to + 3 * size.width * y);
    }
  });
  return result;
}

}  // namespace rcnn::nn
