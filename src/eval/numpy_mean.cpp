#include "eval/numpy_mean.h"

#include <cstddef>

namespace rcnn::eval {
namespace {

constexpr size_t kBlock = 128, kSums = 8;

double sum_in_order(double sum, std::span<const double> values) {
  for (const double value : values) sum += value;
  return sum;
}

double sum_of_block(std::span<const double> values) {
  double sums[kSums];
  size_t i = 0;
  for (; i < kSums; ++i) sums[i] = values[i];
  for (; i + kSums <= values.size(); i += kSums) {
    for (size_t j = 0; j < kSums; ++j) sums[j] += values[i + j];
  }
  const double sum =
      ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
  return sum_in_order(sum, values.subspan(i));
}

double pairwise_sum(std::span<const double> values) {
  if (values.size() < kSums) return sum_in_order(0, values);
  if (values.size() <= kBlock) return sum_of_block(values);
  const size_t half = values.size() / 2 / kSums * kSums;
  return pairwise_sum(values.first(half)) + pairwise_sum(values.subspan(half));
}

}  // namespace

double numpy_mean(std::span<const double> values) {
  return pairwise_sum(values) / static_cast<double>(values.size());
}

}  // namespace rcnn::eval
