#pragma once

#include "io/pickle/pickle_globals.h"

namespace rcnn::io::pickle {

// What stands for numpy's functions. They throw Refusal.

/// _reconstruct(ndarray, shape, typecode): an empty array, which gets its content as its state.
Value* reconstruct_array(Builder& builder, const Values& arguments);

/// dtype("f4", False, True)
Value* make_numpy_type(Builder& builder, const Values& arguments);

/// scalar(dtype, bytes); that of Python objects has no bytes, and stays without data.
Value* make_numpy_scalar(Builder& builder, const Values& arguments);

/// _frombuffer(bytes, dtype, shape, order[, axes])
Value* array_of_buffer(Builder& builder, const Values& arguments);

/// (version, shape, dtype, is_fortran, data)
void set_array_state(Array& array, const Values& state);

/// (version, byte order, ...)
void set_numpy_type_state(NumpyType& type, const Values& state);

}  // namespace rcnn::io::pickle
