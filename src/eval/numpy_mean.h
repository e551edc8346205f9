#pragma once

#include <span>

namespace rcnn::eval {

/// numpy.mean of a contiguous array, to the last bit; NaN without values. numpy adds pairwise
/// (loops_utils.h.src, DOUBLE_pairwise_sum), so that another order of adding differs in the last digits.
double numpy_mean(std::span<const double> values);

}  // namespace rcnn::eval
