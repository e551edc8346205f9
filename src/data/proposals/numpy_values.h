#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/pickle/pickle.h"

namespace rcnn::data {

/// The numbers of a numpy array, row by row.
struct NumpyNumbers {
  std::vector<int64_t> shape = {};  ///< empty: a scalar
  std::vector<double> values = {};
};

/// Of floats of 16, 32 and 64 bits and integers. Throws io::Refusal for other types and for an array whose
/// data do not make its shape.
NumpyNumbers numpy_numbers(const io::pickle::Array& array);

/// Those of an array of at most one axis, each as a text: whole numbers, str and bytes. Throws io::Refusal.
std::vector<std::string> numpy_texts(const io::pickle::Array& array);

}  // namespace rcnn::data
