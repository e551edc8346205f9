#pragma once

#include <cmath>

namespace rcnn::data {

/// Rounded to a millionth of a pixel: what files mean by decimals, without the last bits of sums of them.
inline double micropixel(double length) {
  return std::round(length * 1e6) / 1e6;
}

}  // namespace rcnn::data
