#pragma once

#include <algorithm>
#include <vector>

namespace rcnn {

/// The upper one of the two in the middle of an even number; at least one value.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace rcnn
